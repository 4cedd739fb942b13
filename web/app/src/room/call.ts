/**
 * One visit to one room, from the lobby to the goodbye: which phase it is in, who is there, and the verbs of a call.
 *
 * The connection is the SDK's, media is media/'s, chat is chat.ts's; this joins them for as long as the call lasts.
 */

import { batch, effect, type ReadonlySignal, signal, untracked } from "@preact/signals";
import { connect, type MediaKind, type Member, type Room, type Self } from "sheetbend";
import { Files } from "../files/files.js";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { ScreenShare } from "../media/screen-share.js";
import type { Notices } from "../notices.js";
import type { RoomLink } from "../route.js";
import type { TokenKeeper } from "../token.js";
import { attributesFrom, shownName } from "./attributes.js";
import { ACCESS_WORDS, leftNews, muteNews, otherLinkNews, selfNews } from "./changes.js";
import { Chat } from "./chat.js";
import { errorWords } from "./error-words.js";
import { closeFailure, connectFailure, type Failure, type TokenProblem, tokenProblem } from "./failure.js";
import { Moderation } from "./moderation.js";
import { OutgoingMedia } from "./outgoing-media.js";
import { Person } from "./person.js";

export type CallPhase =
  | { at: "lobby" }
  | { at: "connecting" }
  /** In the room's lobby, until somebody lets this person in. */
  | { at: "waiting" }
  | { at: "room"; visit: RoomVisit }
  | { at: "left" }
  | { at: "token"; problem: TokenProblem }
  | { at: "failed"; failure: Failure };

/** What there is while one is in the room. */
export interface RoomVisit {
  chat: Chat;
  moderation: Moderation;
  files: Files;
  self: ReadonlySignal<Self>;
}

export interface CallOptions {
  link: RoomLink;
  url: URL;
  devices: Devices;
  screenShare: ScreenShare;
  meters: LevelMeters;
  notices: Notices;
  tokens: TokenKeeper;
}

/** What somebody with another link is told apart by. */
const REFUSALS: readonly string[] = ["frame_refused", "description_refused", "key_refused"];

export class Call {
  readonly link: RoomLink;
  readonly #options: CallOptions;
  readonly #phase = signal<CallPhase>({ at: "lobby" });
  readonly #reconnecting = signal(false);
  /** In the room's lobby once more, after a reconnect. */
  readonly #waitingAgain = signal(false);
  readonly #people = signal<readonly Person[]>([]);
  readonly #name = signal("");
  /** Ends the connecting or the connected call; set while there is one. */
  #end: (() => void) | null = null;
  #room: Room | null = null;

  constructor(options: CallOptions) {
    this.link = options.link;
    this.#options = options;
  }

  get roomName(): string {
    return this.link.room;
  }

  get phase(): ReadonlySignal<CallPhase> {
    return this.#phase;
  }

  get reconnecting(): ReadonlySignal<boolean> {
    return this.#reconnecting;
  }

  get waitingAgain(): ReadonlySignal<boolean> {
    return this.#waitingAgain;
  }

  /** The others, in the order in which they were met. */
  get people(): ReadonlySignal<readonly Person[]> {
    return this.#people;
  }

  get name(): ReadonlySignal<string> {
    return this.#name;
  }

  /** With this token from now on, if one is given. Never throws: a failure is a phase. */
  async join(name: string, fresh: string | null = null): Promise<void> {
    if (fresh !== null) this.#options.tokens.keep(fresh);
    const abort = new AbortController();
    const { token } = this.#options.tokens;
    this.#end = () => abort.abort();
    this.#name.value = name;
    this.#phase.value = { at: "connecting" };
    try {
      const room = await connect(this.#options.url, {
        room: this.roomName,
        name,
        attributes: this.#attributes(true),
        signal: abort.signal,
        onWaiting: () => this.#wait(),
        ...(token !== null && { token }),
        ...(this.link.secret !== null && { secret: this.link.secret }),
      });
      if (abort.signal.aborted) await room.leave();
      else this.#enter(room);
    } catch (error) {
      if (!abort.signal.aborted) this.#finish(this.#failed(error, connectFailure(error)));
    }
  }

  /** Joins once more after a failure, with what was switched on before. */
  async retry(fresh: string | null = null): Promise<void> {
    void this.#options.devices.acquire();
    await this.join(this.#name.peek(), fresh);
  }

  /** Back to the lobby, from anywhere. */
  returnToLobby(): void {
    this.#finish({ at: "lobby" });
  }

  leave(): void {
    this.#silence();
    this.#finish({ at: "left" });
  }

  /** Never throws: a name that is refused is taken back, with a notice. */
  async rename(name: string): Promise<void> {
    const room = this.#room;
    this.#name.value = name;
    try {
      await room?.update({ name });
    } catch (error) {
      if (room === null || room !== this.#room) return;
      this.#name.value = room.self.name;
      this.#options.notices.show(`Your name stays as it was. ${errorWords(error)}`);
    }
  }

  #wait(): void {
    if (this.#room === null) this.#phase.value = { at: "waiting" };
    else this.#waitingAgain.value = true;
  }

  #enter(room: Room): void {
    const { notices } = this.#options;
    const self = signal(room.self);
    const files = new Files(room, notices);
    const visit = {
      chat: new Chat(room, notices),
      moderation: new Moderation(room, notices),
      files,
      self,
    };
    this.#room = room;
    batch(() => {
      for (const member of room.members.values()) this.#add(member);
      this.#name.value = room.self.name;
      this.#phase.value = { at: "room", visit };
    });
    this.#listen(room, visit.chat);
    this.#checkKeys(visit.chat);
    this.#follow(room, visit.chat, self);
    const stopGiving = this.#give(room, self);
    this.#end = () => {
      stopGiving();
      files.dispose();
      void room.leave();
    };
  }

  /** Gives the room this person's camera, microphone and screen while they may, and says what is switched on. */
  #give(room: Room, self: ReadonlySignal<Self>): () => void {
    const { devices, screenShare, notices } = this.#options;
    const complain = () =>
      notices.show("Something went wrong while sending your camera or screen. Try to switch it off and on.");
    let outgoing: OutgoingMedia | null = null;
    const stopSending = effect(() => {
      const may = self.value.can.has("publish");
      untracked(() => {
        if (may) outgoing ??= new OutgoingMedia(room, devices, screenShare, complain);
        else this.#silence();
      });
    });
    const stopTelling = effect(() => {
      void this.#tell({ attributes: this.#attributes(self.value.can.has("publish")) });
    });
    return () => {
      stopTelling();
      stopSending();
      outgoing?.dispose();
    };
  }

  #listen(room: Room, chat: Chat): void {
    room.on("member", (member) => {
      if (this.#add(member)) this.#say(chat, `${shownName(member.name)} joined`);
      this.#checkKeys(chat);
    });
    room.on("left", (member, reason) => {
      this.#remove(member);
      this.#say(chat, leftNews(shownName(member.name), reason));
    });
    room.on("state", (state) => {
      batch(() => {
        this.#reconnecting.value = state === "reconnecting";
        this.#waitingAgain.value = false;
      });
    });
    room.on("error", (error) => {
      if (REFUSALS.includes(error.code)) this.#refuse(chat);
      else this.#options.notices.show(errorWords(error));
    });
    room.on("access", (access) => this.#say(chat, ACCESS_WORDS[access].news));
    room.on("muterequested", (media, moderator) => this.#obey(chat, media, shownName(moderator.name)));
    room.on("closed", (reason) => {
      if (this.#room === room) this.#finish(this.#failed(reason.error, closeFailure(reason)));
    });
  }

  /** The room's error doesn't say whose it is: of those who never got through it is whoever has just failed. */
  #refuse(chat: Chat): void {
    for (const person of this.#people.peek()) {
      const { connection, path, safetyWords } = person.member;
      if (connection !== "failed" || path !== null || safetyWords !== null) continue;
      this.#turnAway(chat, person);
    }
  }

  /** Tells once that nothing can come of it. */
  #turnAway(chat: Chat, person: Person): void {
    if (person.connection.peek() === "unverified") return;
    person.refuse();
    this.#say(chat, otherLinkNews(person.name.peek()));
  }

  /** Whoever has no key can't show that it has the link's secret. */
  #checkKeys(chat: Chat): void {
    if (this.link.secret === null) return;
    for (const person of this.#people.peek())
      if (person.member.sealing === null) this.#turnAway(chat, person);
  }

  /** Keeps up with what the room says of this person: name, rights, muted. */
  #follow(room: Room, chat: Chat, self: { value: Self; peek(): Self }): void {
    room.on("self", (after) => {
      const news = selfNews(self.peek(), after);
      batch(() => {
        self.value = after;
        this.#name.value = after.name;
      });
      for (const text of news) this.#say(chat, text);
    });
  }

  /** A moderator asks to stop sending; this person may switch it on again. */
  #obey(chat: Chat, media: readonly MediaKind[], moderator: string): void {
    const { devices, screenShare } = this.#options;
    const audio = media.includes("audio") && devices.microphone.on.peek();
    const video = media.includes("video") && devices.camera.on.peek();
    const screen = media.includes("video") && screenShare.stream.peek() !== null;
    if (audio) void devices.microphone.turn(false);
    if (video) void devices.camera.turn(false);
    if (screen) screenShare.stop();
    if (audio || video || screen) this.#say(chat, muteNews(moderator, { audio, video, screen }));
  }

  #failed(error: unknown, failure: Failure): CallPhase {
    const { tokens } = this.#options;
    this.#silence();
    const problem = tokenProblem(error, tokens.token !== null);
    if (problem === null) return { at: "failed", failure };
    tokens.forget();
    return { at: "token", problem };
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

  #attributes(mayPublish: boolean) {
    const { devices, screenShare } = this.#options;
    return attributesFrom({
      microphone: mayPublish && devices.microphone.live.value,
      camera: mayPublish && devices.camera.live.value,
      screen: mayPublish && screenShare.stream.value !== null,
    });
  }

  /** Lets go of camera, microphone and screen. */
  #silence(): void {
    this.#options.devices.release();
    this.#options.screenShare.stop();
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
      this.#waitingAgain.value = false;
      this.#phase.value = phase;
    });
  }
}
