/** Several clients, one server, one clock. */

import type { ConnectOptions, Member, Room } from "../../src/api.js";
import { connect } from "../../src/connect.js";
import type { Environment } from "../../src/environment.js";
import { SheetbendError } from "../../src/errors.js";
import { generateKeyPair } from "../../src/sealing.js";
import { Clock } from "./clock.js";
import { FakePeerConnection, type Network } from "./peer-connection.js";
import { FakeServer, type FakeSocket } from "./server.js";

/** One page. */
export class Client {
  readonly connections: FakePeerConnection[] = [];
  readonly sockets: FakeSocket[] = [];
  /** What to call when the network has changed. */
  readonly listeners = new Set<(isCertain: boolean) => void>();
  readonly events: string[] = [];
  /** What members sent to it. */
  readonly heard: (string | Uint8Array)[] = [];
  readonly environment: Environment;
  readonly #pageGone = new Set<() => void>();
  #room: Room | null = null;
  /** Whether sockets that it opens reach the server. */
  isOnline = true;
  /** Whether its browser makes peer connections. */
  hasPeerConnections = true;
  /** Whether its timers come late. */
  isHidden = false;

  constructor(world: World) {
    const client = this;
    this.environment = {
      WebSocket: class {
        constructor() {
          const socket = world.server.connect();
          client.sockets.push(socket);
          if (!client.isOnline) socket.open = () => socket.fail(1006);
          // biome-ignore lint/correctness/noConstructorReturn: stands in for the socket of the server
          return socket;
        }
      } as unknown as Environment["WebSocket"],
      RTCPeerConnection: class {
        constructor(configuration: RTCConfiguration) {
          if (!client.hasPeerConnections) throw new DOMException("no more", "UnknownError");
          const connection = new FakePeerConnection(world.network, configuration);
          client.connections.push(connection);
          // biome-ignore lint/correctness/noConstructorReturn: so that the test sees each one
          return connection;
        }
      } as unknown as Environment["RTCPeerConnection"],
      MediaStream: FakeStream as unknown as Environment["MediaStream"],
      now: world.clock.now,
      setTimeout: (callback, delayMs) =>
        world.clock.setTimeout(callback, this.isHidden ? Math.ceil(delayMs / 1000) * 1000 : delayMs),
      clearTimeout: world.clock.clearTimeout,
      areTimersLate: () => this.isHidden,
      random: () => 0.5,
      generateKeys: async () => {
        if (!world.hasKeys) throw new SheetbendError("sealing_unavailable", "no keys here");
        return generateKeyPair();
      },
      randomToken: () => `token-${++world.tokens}`,
      onNetworkChange: (callback) => subscribe(this.listeners, callback),
      onPageGone: (callback) => subscribe(this.#pageGone, callback),
    };
  }

  get room(): Room {
    if (!this.#room) throw new Error("not in the room");
    return this.#room;
  }

  get socket(): FakeSocket {
    const socket = this.sockets.at(-1);
    if (!socket) throw new Error("never connected");
    return socket;
  }

  /** The only other member. */
  get other(): Member {
    const [member, ...more] = this.room.members.values();
    if (!member || more.length > 0) throw new Error(`${this.room.members.size} members`);
    return member;
  }

  /** How many peer connections are not closed. */
  get live(): number {
    return this.connections.filter(({ signalingState }) => signalingState !== "closed").length;
  }

  async join(options: Partial<ConnectOptions> = {}): Promise<Room> {
    const room = await connect("ws://test/ws", { room: "demo", environment: this.environment, ...options });
    this.#room = room;
    room.on("member", (member) => {
      this.events.push(`member ${member.name}`);
      member.on("message", (data, { reliable }) => this.heard.push(reliable ? data : `perhaps ${data}`));
    });
    room.on("left", (member, reason) => this.events.push(`left ${member.name} ${reason}`));
    room.on("state", (state) => this.events.push(state));
    room.on("message", ({ data }) => this.events.push(`message ${JSON.stringify(data)}`));
    room.on("gap", ({ complete }) => this.events.push(`gap ${complete}`));
    room.on("access", (access) => this.events.push(`access ${access}`));
    room.on("knock", ({ name }) => this.events.push(`knock ${name}`));
    room.on("knockended", ({ name }) => this.events.push(`knockended ${name}`));
    room.on("muterequested", (media, { name }) => this.events.push(`muterequested ${media} ${name}`));
    room.on("error", ({ code }) => this.events.push(`error ${code}`));
    room.on("closed", ({ code }) => this.events.push(`closed ${code}`));
    return room;
  }

  leavePage(): void {
    for (const callback of this.#pageGone) callback();
  }
}

export class World {
  readonly clock = new Clock();
  readonly server = new FakeServer(this.clock);
  readonly network: Network = new Map();
  tokens = 0;
  /** Whether browsers can seal. */
  hasKeys = true;

  client(): Client {
    return new Client(this);
  }

  /** Clients in the room, named Ada, Bob, Cyn in order of entering, all connected. */
  async call(count: number): Promise<Client[]> {
    const clients: Client[] = [];
    for (const name of ["Ada", "Bob", "Cyn"].slice(0, count)) {
      const client = this.client();
      clients.push(client);
      await client.join({ name });
      await this.clock.advance(2000);
    }
    return clients;
  }
}

export class FakeStream extends EventTarget {
  readonly id: string;
  readonly #tracks: MediaStreamTrack[];
  constructor(id = "stream", tracks: MediaStreamTrack[] = []) {
    super();
    this.id = id;
    this.#tracks = tracks;
  }
  getTracks = () => [...this.#tracks];
  addTrack = (track: MediaStreamTrack) => void (this.#tracks.includes(track) || this.#tracks.push(track));
  removeTrack = (track: MediaStreamTrack) => {
    const index = this.#tracks.indexOf(track);
    if (index >= 0) this.#tracks.splice(index, 1);
  };
}

export function fakeTrack(kind = "video"): MediaStreamTrack {
  return { kind } as MediaStreamTrack;
}

export function fakeStream(id: string, ...tracks: MediaStreamTrack[]): MediaStream {
  return new FakeStream(id, tracks) as unknown as MediaStream;
}

function subscribe<T>(set: Set<T>, callback: T): () => void {
  set.add(callback);
  return () => set.delete(callback);
}
