/**
 * One peer connection with one member: its media, its data channels, its health.
 *
 * Restarts ICE when it is disconnected or fails, when the link says that nothing comes through, and when the network has
 * changed. Says when it is beyond repair; what then happens is the mesh's decision.
 */

import type { MemberConnection } from "./api.js";
import { DataChannels } from "./data-channels.js";
import type { ConnectionStats, Environment } from "./environment.js";
import { Mending } from "./mending.js";
import { Negotiation } from "./negotiation.js";
import { fingerprintOf, labelOf, type PeerDescription } from "./peer-messages.js";

/**
 * Who makes the first offer:
 *
 * - `offer`: we, at once
 * - `wait`: they, or we if they haven't within a second
 * - `plain`: we, to a member of the `lesson` dialect: no data channels, and room for its audio and video, because such a
 *   member answers but doesn't offer
 */
export type Opening = "offer" | "wait" | "plain";

/** What a pair tells its owner. */
export interface PairPort {
  sendDescription(description: RTCSessionDescription): void;
  sendCandidate(candidate: RTCIceCandidateInit): void;
  track(track: MediaStreamTrack, stream: MediaStream, label: string): void;
  /** `state` may have changed. */
  changed(): void;
  /** The data channels are open. */
  opened(): void;
  /** A frame came on them. */
  frame(frame: Uint8Array<ArrayBuffer>): void;
  /** They take more again. */
  ready(): void;
  /** Media and data go another way than before. */
  rerouted(): void;
  /** The other end is gone, or the connection can't be mended. Called once. */
  ended(): void;
}

/** How long nothing may come through before ICE is restarted: shorter silences mend themselves. */
const RESTART_AFTER_SILENCE_MS = 500;
/** How long the first connection may take before ICE begins again. */
const RESTART_AFTER_CONNECTING_MS = 8000;
/** A peer connection that does well is restarted for a changed network at most so often; browsers call much a change. */
const RESTART_WELL_MS = 30_000;

/** How long a newcomer leaves the first offer to the other side, who makes one at once if it can. */
const FIRST_OFFER_AFTER_MS = 1000;

export class Pair {
  readonly #negotiation: Negotiation;
  readonly #connection: RTCPeerConnection;
  readonly #environment: Environment;
  readonly #port: PairPort;
  readonly #sent = new Map<MediaStreamTrack, { sender: RTCRtpSender; stream: MediaStream }>();
  #channels: DataChannels | null = null;
  #isOpen = false;
  #labels: PeerDescription["labels"] = null;
  /** Whose direction was narrowed because the other end may not send. */
  readonly #refused = new Set<RTCRtpTransceiver>();
  #receives = true;
  /** For tracks that come without a stream. */
  #looseTracks: MediaStream | null = null;
  /** Of the other end's certificate, from its first description on. */
  #peerFingerprint = "";
  #wasConnected = false;
  #ended = false;
  readonly #mending: Mending;
  /** A restart of ours isn't answered yet. */
  #isRestarting = false;
  /** Nothing comes through, whatever the browser says. */
  #isSilent = false;
  #restartedWellAt = Number.NEGATIVE_INFINITY;
  #offerTimer = 0;

  /** @throws whatever the browser throws when it can't make one more peer connection */
  constructor(
    environment: Environment,
    configuration: RTCConfiguration,
    opening: Opening,
    polite: boolean,
    port: PairPort,
  ) {
    this.#environment = environment;
    this.#port = port;
    this.#connection = new environment.RTCPeerConnection(configuration);
    this.#negotiation = new Negotiation(this.#connection, polite, {
      sendDescription: (description) => this.#sendDescription(description),
      sendCandidate: port.sendCandidate,
      accepting: (description) => this.#prepareFor(description),
    });
    this.#connection.ontrack = (event) => this.#receiveTrack(event);
    this.#connection.onsignalingstatechange = () => this.#tidy();
    this.#connection.onconnectionstatechange = () => this.#changed();
    this.#mending = new Mending(
      environment,
      () => this.#negotiation.polite,
      () => this.#restart(),
    );
    this.#open(opening);
  }

  /** As `Member.connection`. */
  get state(): MemberConnection {
    switch (this.#connection.connectionState) {
      case "connected":
        return "connected";
      case "disconnected":
        return "reconnecting";
      case "failed":
      case "closed":
        return "failed";
      default:
        return this.#wasConnected ? "reconnecting" : "connecting";
    }
  }

  /** Whether signalling is held back, because nobody knows under which id the other end can be reached. */
  get paused(): boolean {
    return this.#negotiation.paused;
  }

  /** Whether an offer of ours is out. */
  get awaitsAnswer(): boolean {
    return this.#connection.signalingState === "have-local-offer";
  }

  pause(): void {
    this.#environment.clearTimeout(this.#offerTimer);
    this.#negotiation.pause();
  }

  /** While the server can't be reached, and nobody knows whether the session will go on. */
  holdCandidates(): void {
    this.#negotiation.holdCandidates();
  }

  releaseCandidates(): void {
    this.#negotiation.releaseCandidates();
    this.#reachable();
  }

  /** The other end can be reached again. */
  resume(polite: boolean): void {
    this.#negotiation.polite = polite;
    this.#negotiation.resume();
    this.#reachable();
  }

  receive(description: PeerDescription): void {
    if (description.type === "offer") this.#mending.postpone();
    this.#negotiation.receive(description);
  }

  addCandidate(candidate: RTCIceCandidateInit): void {
    this.#negotiation.addCandidate(candidate);
  }

  /** Whether a description comes from another peer connection than the one this is connected to. */
  isFromAnother({ sdp }: PeerDescription): boolean {
    return this.#peerFingerprint !== "" && this.#peerFingerprint !== fingerprintOf(sdp);
  }

  /** Uses other ICE servers from the next restart on. */
  configure(configuration: RTCConfiguration): void {
    try {
      this.#connection.setConfiguration(configuration);
    } catch {
      // The server named something this browser refuses; what worked so far stays.
    }
  }

  /** Whether the data channels are open. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Whether they take more. */
  get isReady(): boolean {
    return this.#channels?.isReady ?? false;
  }

  send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): void {
    this.#channels?.send(frame, lossy);
  }

  /** The link says whether anything comes through. */
  silent(isSilent: boolean): void {
    if (this.#isSilent === isSilent) return;
    this.#isSilent = isSilent;
    if (isSilent) this.#mending.begin(RESTART_AFTER_SILENCE_MS);
    else if (this.#isWell) this.#mending.end();
  }

  /** The network has changed: what works may end, and what didn't may work. */
  networkChanged(): void {
    const now = this.#environment.now();
    if (this.#isWell && now - this.#restartedWellAt < RESTART_WELL_MS) return;
    this.#restartedWellAt = now;
    this.#mending.hurry();
  }

  /** Whether media and data go through a TURN server. */
  async isTurned(): Promise<boolean> {
    const stats: Map<string, ConnectionStats> = new Map(await this.#connection.getStats());
    const types = [...stats.values()].flatMap(({ type, selectedCandidatePairId }) => {
      const pair = type === "transport" && stats.get(`${selectedCandidatePairId}`);
      return pair ? [pair.localCandidateId, pair.remoteCandidateId] : [];
    });
    return types.some((id) => stats.get(`${id}`)?.candidateType === "relay");
  }

  /** Whether the other end's tracks are taken. What is not taken is negotiated away, so that it isn't sent either. */
  setReceiving(receives: boolean): void {
    if (this.#receives === receives) return;
    this.#receives = receives;
    if (!receives) {
      for (const transceiver of this.#connection.getTransceivers()) this.#refuse(transceiver);
      return;
    }
    for (const transceiver of this.#refused) {
      if (transceiver.direction === "sendonly") transceiver.direction = "sendrecv";
      else if (transceiver.direction === "inactive") transceiver.direction = "recvonly";
    }
    this.#refused.clear();
  }

  /** Does nothing if the track is being sent already. */
  addTrack(track: MediaStreamTrack, stream: MediaStream): void {
    if (this.#sent.has(track)) return;
    this.#sent.set(track, { sender: addTrack(this.#connection, track, stream), stream });
  }

  removeTrack(track: MediaStreamTrack): void {
    const sent = this.#sent.get(track);
    if (!sent) return;
    this.#sent.delete(track);
    const transceiver = this.#connection.getTransceivers().find(({ sender }) => sender === sent.sender);
    this.#connection.removeTrack(sent.sender);
    if (transceiver?.currentDirection === "sendonly") transceiver.stop();
  }

  /** Without renegotiation where the browser allows it, with it elsewhere. */
  async replaceTrack(oldTrack: MediaStreamTrack, newTrack: MediaStreamTrack): Promise<void> {
    const sent = this.#sent.get(oldTrack);
    if (!sent) return;
    this.#sent.delete(oldTrack);
    this.#sent.set(newTrack, sent);
    try {
      await sent.sender.replaceTrack(newTrack);
    } catch {
      this.removeTrack(newTrack);
      this.addTrack(newTrack, sent.stream);
    }
  }

  getStats(): Promise<RTCStatsReport> {
    return this.#connection.getStats();
  }

  /** Ends it without another word to its owner. */
  close(): void {
    this.#ended = true;
    this.#isOpen = false;
    this.#mending.end();
    this.#environment.clearTimeout(this.#offerTimer);
    this.#connection.close();
  }

  #open(opening: Opening): void {
    if (opening === "wait") {
      this.#offerTimer = this.#environment.setTimeout(() => this.#open("offer"), FIRST_OFFER_AFTER_MS);
      return;
    }
    if (opening === "offer") this.#openChannels();
    else
      for (const kind of ["audio", "video"]) this.#connection.addTransceiver(kind, { direction: "recvonly" });
    this.#negotiation.resume();
  }

  #openChannels(): void {
    if (this.#channels) return;
    this.#mending.begin(RESTART_AFTER_CONNECTING_MS);
    this.#channels = new DataChannels(this.#connection, {
      opened: () => this.#opened(),
      frame: (frame) => this.#ended || this.#port.frame(frame),
      ready: () => this.#ended || this.#port.ready(),
      closed: () => this.#end(),
    });
  }

  #opened(): void {
    this.#isOpen = true;
    const ice = this.#connection.sctp?.transport.iceTransport;
    if (ice)
      ice.onselectedcandidatepairchange = () => {
        this.#mending.settle();
        this.#port.rerouted();
      };
    this.#port.opened();
  }

  #prepareFor(description: PeerDescription): void {
    this.#peerFingerprint ||= fingerprintOf(description.sdp);
    this.#labels = description.labels;
    // Who has no labels is of another kind, and wouldn't know what to do with the channels.
    if (description.labels) this.#openChannels();
  }

  #sendDescription(description: RTCSessionDescription): void {
    this.#environment.clearTimeout(this.#offerTimer);
    this.#port.sendDescription(description);
  }

  /**
   * Stops what neither side uses any more, so that its place in the session description can be used again. Chromium
   * needs 5 kB for a video: after a dozen screens shown and gone the description would outgrow `messageBytes`.
   */
  #tidy(): void {
    if (this.#connection.signalingState !== "stable") return;
    this.#isRestarting = false;
    if (!this.#channels) return;
    const transceivers = this.#connection.getTransceivers();
    for (const transceiver of transceivers) {
      const isIdle = transceiver.currentDirection === "inactive" && !transceiver.sender.track;
      if (isIdle && !this.#refused.has(transceiver)) transceiver.stop();
    }
    // The other end may have stopped one in the moment in which we began to use it.
    const live = transceivers.filter(({ direction }) => direction !== "stopped").map(({ sender }) => sender);
    for (const [track, { sender, stream }] of [...this.#sent]) {
      if (live.includes(sender)) continue;
      this.#sent.delete(track);
      this.addTrack(track, stream);
    }
  }

  #refuse(transceiver: RTCRtpTransceiver): void {
    if (transceiver.direction === "sendrecv") transceiver.direction = "sendonly";
    else if (transceiver.direction === "recvonly") transceiver.direction = "inactive";
    else return;
    this.#refused.add(transceiver);
  }

  #receiveTrack({ track, streams, transceiver }: RTCTrackEvent): void {
    if (this.#ended) return;
    if (!this.#receives) {
      this.#refuse(transceiver);
      return;
    }
    for (const stream of streams.length > 0 ? streams : [this.#loose(track)]) {
      this.#port.track(track, stream, labelOf(this.#labels, stream.id));
    }
  }

  #loose(track: MediaStreamTrack): MediaStream {
    this.#looseTracks ??= new this.#environment.MediaStream();
    this.#looseTracks.addTrack(track);
    return this.#looseTracks;
  }

  #changed(): void {
    if (this.#ended) return;
    this.#wasConnected ||= this.state === "connected";
    this.#port.changed();
    this.#mend();
  }

  /** What was tried in vain is worth another try, unless it goes out just now. */
  #reachable(): void {
    if (this.#isRestarting) this.#mending.postpone();
    else if (!this.#isWell) this.#mending.hurry();
  }

  #restart(): void {
    if (!this.#negotiation.isReachable) return;
    this.#isRestarting = true;
    this.#connection.restartIce();
  }

  get #isWell(): boolean {
    return this.#connection.connectionState === "connected" && !this.#isSilent;
  }

  /** Judges by `connectionState`: Chromium leaves `iceConnectionState` at `disconnected` when all is lost. */
  #mend(): void {
    const { connectionState, sctp } = this.#connection;
    // A failure of DTLS is beyond repair (RFC 8829 has no way to restart it).
    if (connectionState === "failed" && sctp?.transport.state === "failed") this.#end();
    else if (connectionState === "disconnected" || connectionState === "failed") this.#mending.begin();
    else if (this.#isWell) this.#mending.end();
  }

  #end(): void {
    if (this.#ended) return;
    this.close();
    this.#port.ended();
  }
}

function addTrack(connection: RTCPeerConnection, track: MediaStreamTrack, stream: MediaStream): RTCRtpSender {
  try {
    return connection.addTrack(track, stream);
  } catch {
    // Chromium would use an idle transceiver again, finds that it is being stopped, and gives up.
    return connection.addTransceiver(track, { streams: [stream] }).sender;
  }
}
