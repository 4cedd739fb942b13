/**
 * One visit to one room, from the lobby to the goodbye: which phase it is in, who is there, and the verbs of a call.
 *
 * The connection is the SDK's, media is media/'s, chat is chat.ts's; this joins them for as long as the call lasts.
 */

import { batch, effect, type ReadonlySignal, signal } from "@preact/signals";
import { connect, type Member, type Room } from "sheetbend";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { ScreenShare } from "../media/screen-share.js";
import type { Notices } from "../notices.js";
import { attributesFrom, shownName } from "./attributes.js";
import { Chat } from "./chat.js";
import { closeFailure, connectFailure, type Failure } from "./failure.js";
import { OutgoingMedia } from "./outgoing-media.js";
import { Person } from "./person.js";

export type CallPhase =
  | { at: "lobby" }
  | { at: "connecting" }
  | { at: "room"; chat: Chat }
  | { at: "left" }
  | { at: "failed"; failure: Failure };

export interface CallOptions {
  roomName: string;
  url: URL;
  devices: Devices;
  screenShare: ScreenShare;
  meters: LevelMeters;
  notices: Notices;
}

export class Call {
  readonly roomName: string;
  readonly #options: CallOptions;
  readonly #phase = signal<CallPhase>({ at: "lobby" });
  readonly #reconnecting = signal(false);
  readonly #people = signal<readonly Person[]>([]);
  readonly #name = signal("");
  /** Ends the connecting or the connected call; set while there is one. */
  #end: (() => void) | null = null;
  #room: Room | null = null;

  constructor(options: CallOptions) {
    this.roomName = options.roomName;
    this.#options = options;
  }

  get phase(): ReadonlySignal<CallPhase> {
    return this.#phase;
  }

  get reconnecting(): ReadonlySignal<boolean> {
    return this.#reconnecting;
  }

  /** The others, in the order in which they were met. */
  get people(): ReadonlySignal<readonly Person[]> {
    return this.#people;
  }

  get name(): ReadonlySignal<string> {
    return this.#name;
  }

  /** Never throws: a failure is a phase. */
  async join(name: string): Promise<void> {
    const abort = new AbortController();
    this.#end = () => abort.abort();
    this.#name.value = name;
    this.#phase.value = { at: "connecting" };
    try {
      const room = await connect(this.#options.url, {
        room: this.roomName,
        name,
        attributes: this.#attributes(),
        signal: abort.signal,
      });
      if (abort.signal.aborted) await room.leave();
      else this.#enter(room);
    } catch (error) {
      if (!abort.signal.aborted) this.#phase.value = { at: "failed", failure: connectFailure(error) };
    }
  }

  /** Back to the lobby, from anywhere. */
  returnToLobby(): void {
    this.#finish({ at: "lobby" });
  }

  leave(): void {
    this.#options.devices.release();
    this.#options.screenShare.stop();
    this.#finish({ at: "left" });
  }

  async rename(name: string): Promise<void> {
    this.#name.value = name;
    await this.#tell({ name });
  }

  #enter(room: Room): void {
    const { devices, screenShare, notices } = this.#options;
    const chat = new Chat(room, notices);
    const outgoing = new OutgoingMedia(room, devices, screenShare, () =>
      notices.show("Something went wrong while sending your camera or screen. Try to switch it off and on."),
    );
    this.#room = room;
    batch(() => {
      for (const member of room.members.values()) this.#add(member);
      this.#phase.value = { at: "room", chat };
    });
    this.#listen(room, chat);
    const stopTelling = effect(() => void this.#tell({ attributes: this.#attributes() }));
    this.#end = () => {
      stopTelling();
      outgoing.dispose();
      void room.leave();
    };
  }

  #listen(room: Room, chat: Chat): void {
    room.on("member", (member) => {
      if (this.#add(member)) this.#say(chat, `${shownName(member.name)} joined`);
    });
    room.on("left", (member) => {
      this.#remove(member);
      this.#say(chat, `${shownName(member.name)} left`);
    });
    room.on("state", (state) => {
      this.#reconnecting.value = state === "reconnecting";
    });
    room.on("closed", (reason) => {
      if (this.#room === room) this.#finish({ at: "failed", failure: closeFailure(reason) });
    });
  }

  /** False if they are known already. */
  #add(member: Member): boolean {
    const people = this.#people.peek();
    if (people.some((person) => person.key === member.key)) return false;
    this.#people.value = [...people, new Person(member, this.#options.meters)];
    return true;
  }

  #remove(member: Member): void {
    const people = this.#people.peek();
    people.find((person) => person.key === member.key)?.dispose();
    this.#people.value = people.filter((person) => person.key !== member.key);
  }

  #say(chat: Chat, text: string): void {
    chat.note(text);
    this.#options.notices.show(text);
  }

  #attributes() {
    const { devices, screenShare } = this.#options;
    return attributesFrom({
      microphone: devices.microphone.live.value,
      camera: devices.camera.live.value,
      screen: screenShare.stream.value !== null,
    });
  }

  async #tell(change: Parameters<Room["update"]>[0]): Promise<void> {
    try {
      await this.#room?.update(change);
    } catch {
      // Refused, or the call has ended: the others see the state before, and calls go on.
    }
  }

  #finish(phase: CallPhase): void {
    const end = this.#end;
    this.#end = null;
    this.#room = null;
    end?.();
    for (const person of this.#people.peek()) person.dispose();
    batch(() => {
      this.#people.value = [];
      this.#reconnecting.value = false;
      this.#phase.value = phase;
    });
  }
}
