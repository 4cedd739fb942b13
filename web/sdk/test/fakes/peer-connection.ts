/**
 * The order of things in an RTCPeerConnection (W3C WebRTC), without media: descriptions, implicit rollback, when
 * negotiation is needed, data channels. Two fakes that have applied each other's descriptions are connected.
 */

type Signaling = "stable" | "have-local-offer" | "have-remote-offer" | "closed";

export class FakeChannel {
  readyState = "connecting";
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onbufferedamountlow: (() => void) | null = null;
  binaryType = "blob";
  bufferedAmount = 0;
  bufferedAmountLowThreshold = 0;
  /** The other end, once open. */
  other: FakeChannel | null = null;
  /** Loses what is sent on it while true. */
  isDead = false;

  readonly sent: Uint8Array[] = [];

  send(data: Uint8Array<ArrayBuffer>): void {
    this.sent.push(data);
    const copy = data.slice().buffer;
    queueMicrotask(() => this.isDead || this.other?.onmessage?.({ data: copy }));
  }

  open(other: FakeChannel): void {
    if (this.readyState !== "connecting") return;
    this.other = other;
    this.readyState = "open";
    queueMicrotask(() => this.onopen?.());
  }

  close(): void {
    if (this.readyState === "closed") return;
    this.readyState = "closed";
    this.onclose?.();
    this.other?.close();
  }
}

export class FakeSender {
  track: MediaStreamTrack | null;
  constructor(track: MediaStreamTrack | null) {
    this.track = track;
  }
  async replaceTrack(track: MediaStreamTrack | null): Promise<void> {
    this.track = track;
  }
}

export class FakeTransceiver {
  currentDirection: string | null = null;
  direction = "sendrecv";
  readonly sender: FakeSender;
  readonly receiver = { track: { kind: "video" } };
  constructor(sender: FakeSender) {
    this.sender = sender;
  }
  stop(): void {
    this.direction = "stopped";
  }
}

/** The peer connections that can reach each other, by fingerprint. */
export type Network = Map<string, FakePeerConnection>;

let made = 0;
let changes = 0;

export class FakePeerConnection {
  signalingState: Signaling = "stable";
  connectionState = "new";
  localDescription: { type: string; sdp: string } | null = null;
  remoteDescription: { type: string; sdp: string } | null = null;
  sctp: { transport: { state: string; iceTransport: { onselectedcandidatepairchange?: () => void } } } = {
    transport: { state: "connected", iceTransport: {} },
  };
  onnegotiationneeded: (() => void) | null = null;
  onicecandidate: ((event: { candidate: unknown }) => void) | null = null;
  onconnectionstatechange: (() => void) | null = null;
  onsignalingstatechange: (() => void) | null = null;
  ontrack: ((event: { track: unknown; streams: unknown[]; transceiver?: unknown }) => void) | null = null;
  readonly fingerprint = `f${++made}`;
  /** What was called, in order. */
  readonly log: string[] = [];
  readonly candidates: unknown[] = [];
  configuration: RTCConfiguration;
  /** The channels, by id. */
  readonly channels = new Map<number, FakeChannel>();
  readonly transceivers: FakeTransceiver[] = [];
  /** What is to be negotiated, and what of it the current offer holds. */
  readonly #needs = new Set<string>();
  #offered: string[] = [];
  #announced = false;
  #operations = 0;
  #version = 0;
  readonly #network: Network;

  constructor(network: Network = new Map(), configuration: RTCConfiguration = {}) {
    this.#network = network;
    this.configuration = configuration;
    network.set(this.fingerprint, this);
  }

  /** As adding a track does. */
  needNegotiation(what = `change ${++changes}`): void {
    this.#needs.add(what);
    this.#announce();
  }

  setConfiguration(configuration: RTCConfiguration): void {
    this.configuration = configuration;
  }

  setLocalDescription(): Promise<void> {
    return this.#operate(() => this.#setLocal());
  }

  setRemoteDescription(description: { type: string; sdp: string }): Promise<void> {
    return this.#operate(() => this.#setRemote(description));
  }

  /** While an operation runs, nobody is told that negotiation is needed (W3C WebRTC, section 4.7.3). */
  async #operate(operation: () => void): Promise<void> {
    this.#operations++;
    try {
      await null;
      operation();
    } finally {
      this.#operations--;
      this.#announce();
    }
  }

  #setLocal(): void {
    this.#requireOpen();
    const type = this.signalingState === "have-remote-offer" ? "answer" : "offer";
    this.log.push(`local ${type}`);
    this.localDescription = { type, sdp: this.#sdp() };
    if (type === "answer") {
      this.#settle(["channel"]);
    } else {
      this.#offered = [...this.#needs];
      this.#become("have-local-offer");
    }
  }

  #setRemote({ type, sdp }: { type: string; sdp: string }): void {
    this.#requireOpen();
    if (!sdp.startsWith("v=0")) throw new TypeError("not SDP");
    if (type === "answer") {
      if (this.signalingState !== "have-local-offer") throw new DOMException("no offer", "InvalidStateError");
      this.log.push("remote answer");
      this.remoteDescription = { type, sdp };
      this.#settle(this.#offered);
      return;
    }
    if (this.signalingState === "have-local-offer") this.log.push("rollback");
    this.log.push("remote offer");
    this.remoteDescription = { type, sdp };
    this.#become("have-remote-offer");
  }

  async addIceCandidate(candidate: unknown): Promise<void> {
    if (!this.remoteDescription) throw new DOMException("no description", "InvalidStateError");
    this.candidates.push(candidate);
  }

  restartIce(): void {
    this.log.push("restart");
    this.needNegotiation();
  }

  /** The reliable one. */
  get channel(): FakeChannel | undefined {
    return this.channels.get(1);
  }

  createDataChannel(_label: string, { id }: { id: number }): FakeChannel {
    const channel = new FakeChannel();
    this.channels.set(id, channel);
    this.needNegotiation("channel");
    return channel;
  }

  addTrack(track: MediaStreamTrack): FakeSender {
    const sender = new FakeSender(track);
    this.transceivers.push(new FakeTransceiver(sender));
    this.log.push("add track");
    this.needNegotiation();
    return sender;
  }

  addTransceiver(kind: string): FakeTransceiver {
    this.log.push(`add ${kind}`);
    const transceiver = new FakeTransceiver(new FakeSender(null));
    this.transceivers.push(transceiver);
    this.needNegotiation();
    return transceiver;
  }

  removeTrack(sender: FakeSender): void {
    sender.track = null;
    this.log.push("remove track");
    this.needNegotiation();
  }

  getTransceivers(): FakeTransceiver[] {
    return this.transceivers;
  }

  async getStats(): Promise<Map<string, unknown>> {
    return new Map([["fingerprint", this.fingerprint]]);
  }

  /** A candidate was gathered. */
  gather(candidate: string): void {
    this.onicecandidate?.({ candidate: { candidate, toJSON: () => ({ candidate }) } });
  }

  become(connectionState: string): void {
    if (this.connectionState === connectionState || this.signalingState === "closed") return;
    this.connectionState = connectionState;
    this.onconnectionstatechange?.();
  }

  close(): void {
    if (this.signalingState === "closed") return;
    this.signalingState = "closed";
    this.connectionState = "closed";
    this.#network.delete(this.fingerprint);
    const others = [...this.channels.values()].map(({ other }) => other);
    queueMicrotask(() => {
      for (const other of others) other?.close();
    });
  }

  #sdp(): string {
    return `v=0\r\no=- ${++this.#version}\r\na=fingerprint:sha-256 ${this.fingerprint}\r\n`;
  }

  #requireOpen(): void {
    if (this.signalingState === "closed") throw new DOMException("closed", "InvalidStateError");
  }

  #become(state: Signaling): void {
    this.signalingState = state;
    this.onsignalingstatechange?.();
  }

  /** An answer was applied, and with it `negotiated`. */
  #settle(negotiated: string[]): void {
    for (const what of negotiated) this.#needs.delete(what);
    this.#become("stable");
    this.#announced = false;
    this.#announce();
    this.#meet();
  }

  #announce(): void {
    if (this.#announced || this.#needs.size === 0) return;
    this.#announced = true;
    queueMicrotask(() => {
      const isPossible = this.#operations === 0 && this.signalingState === "stable" && this.#needs.size > 0;
      if (isPossible) this.onnegotiationneeded?.();
      else this.#announced = false;
    });
  }

  #meet(): void {
    const other = this.#network.get(this.#peer() ?? "");
    if (!other || other.#peer() !== this.fingerprint || other.signalingState !== "stable") return;
    for (const connection of [this, other]) connection.become("connected");
    for (const [id, channel] of this.channels) {
      const end = other.channels.get(id);
      if (!end) continue;
      channel.open(end);
      end.open(channel);
    }
  }

  #peer(): string | undefined {
    return this.remoteDescription?.sdp.match(/sha-256 (\w+)/)?.[1];
  }
}
