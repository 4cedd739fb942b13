/**
 * Perfect negotiation (W3C WebRTC, section 10.7) for one peer connection, and what a signalling path that comes and
 * goes adds to it.
 *
 * While paused nothing is sent: offers become due, candidates wait. `resume` sends what is due, and repeats an offer
 * that was never answered, for it or its answer may have been lost with the connection.
 *
 * Leaves to others: who the peer is (`mesh`), what is negotiated (`pair`), how it travels (`signalling`).
 */

import type { PeerDescription } from "./peer-messages.js";

/** The part of `RTCPeerConnection` that negotiation needs. */
export type NegotiatedConnection = Pick<
  RTCPeerConnection,
  | "signalingState"
  | "localDescription"
  | "remoteDescription"
  | "setLocalDescription"
  | "setRemoteDescription"
  | "addIceCandidate"
  | "restartIce"
  | "onnegotiationneeded"
  | "onicecandidate"
>;

/** What negotiation asks of its owner. */
export interface NegotiationPort {
  sendDescription(description: RTCSessionDescription): void;
  sendCandidate(candidate: RTCIceCandidateInit): void;
  /** A description will be applied: the last moment to prepare for its tracks. */
  accepting(description: PeerDescription): void;
}

/** Candidates kept in each direction until they can be used; more are dropped. Chromium gathers about 30 at most. */
const CANDIDATES_MAX = 128;

export class Negotiation {
  /** Whether this side gives way when offers collide. */
  polite: boolean;
  readonly #connection: NegotiatedConnection;
  readonly #port: NegotiationPort;
  #paused = true;
  #holdsCandidates = false;
  #offerDue = false;
  #makingOffer = false;
  #ignoreOffer = false;
  #isSettingRemoteAnswerPending = false;
  readonly #early: RTCIceCandidateInit[] = [];
  #unsent: RTCIceCandidateInit[] = [];

  constructor(connection: NegotiatedConnection, polite: boolean, port: NegotiationPort) {
    this.#connection = connection;
    this.polite = polite;
    this.#port = port;
    connection.onnegotiationneeded = () => this.#offer();
    connection.onicecandidate = ({ candidate }) => {
      if (!candidate) this.#found(this.#endOfCandidates());
      else if (candidate.candidate) this.#found(candidate.toJSON());
    };
  }

  get paused(): boolean {
    return this.#paused;
  }

  /** Whether what is sent now arrives soon, candidates included. */
  get isReachable(): boolean {
    return !this.#paused && !this.#holdsCandidates;
  }

  /** Sends nothing until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  /** Keeps candidates back until `releaseCandidates`: nothing repeats one that is lost, as `resume` repeats an offer. */
  holdCandidates(): void {
    this.#holdsCandidates = true;
  }

  releaseCandidates(): void {
    this.#holdsCandidates = false;
    if (!this.#paused) this.#sendFoundCandidates();
  }

  /** The peer can be reached, again or for the first time. */
  resume(): void {
    this.#paused = false;
    this.#ignoreOffer = false;
    const { signalingState } = this.#connection;
    if (signalingState === "have-local-offer") this.#sendLocalDescription();
    else if (this.#offerDue && signalingState === "stable") this.#offer();
    this.#sendFoundCandidates();
  }

  /** Applies what the peer sent; nonsense is dropped. */
  async receive(description: PeerDescription): Promise<void> {
    const connection = this.#connection;
    const readyForOffer =
      !this.#makingOffer && (connection.signalingState === "stable" || this.#isSettingRemoteAnswerPending);
    const offerCollision = description.type === "offer" && !readyForOffer;
    this.#ignoreOffer = !this.polite && offerCollision;
    if (this.#ignoreOffer) return;
    if (description.type === "offer") this.#paused = false; // Whoever offers can be reached.
    this.#port.accepting(description);
    try {
      await this.#setRemoteDescription(description);
      if (description.type === "offer") await this.#answer();
    } catch {
      // A stranger's description that can't be applied, or a connection that was closed meanwhile.
    }
  }

  /** Applies a candidate, or keeps it until there is a description that it can belong to. */
  async addCandidate(candidate: RTCIceCandidateInit): Promise<void> {
    if (this.#connection.remoteDescription) return this.#apply(candidate);
    if (!this.#ignoreOffer && this.#early.length < CANDIDATES_MAX) this.#early.push(candidate);
  }

  async #offer(): Promise<void> {
    if (this.#paused) {
      this.#offerDue = true;
      return;
    }
    this.#offerDue = false;
    try {
      this.#makingOffer = true;
      await this.#connection.setLocalDescription();
      this.#sendLocalDescription();
    } catch {
      // Closed meanwhile.
    } finally {
      this.#makingOffer = false;
    }
  }

  async #answer(): Promise<void> {
    await this.#connection.setLocalDescription();
    this.#offerDue = false; // What is still to be negotiated, the browser says again now that it is stable.
    this.#sendLocalDescription();
    this.#sendFoundCandidates();
  }

  async #setRemoteDescription({ type, sdp }: PeerDescription): Promise<void> {
    try {
      this.#isSettingRemoteAnswerPending = type === "answer";
      await this.#connection.setRemoteDescription({ type, sdp });
    } finally {
      this.#isSettingRemoteAnswerPending = false;
    }
    for (const candidate of this.#early.splice(0)) this.#apply(candidate);
  }

  async #apply(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await this.#connection.addIceCandidate(candidate);
    } catch {
      // Of an offer that was ignored or rolled back, or nonsense.
    }
  }

  #sendLocalDescription(): void {
    const description = this.#connection.localDescription;
    if (description && !this.#paused) this.#port.sendDescription(description);
  }

  #sendFoundCandidates(): void {
    for (const candidate of this.#unsent.splice(0)) this.#port.sendCandidate(candidate);
  }

  /** Browsers tell the end of all by null, which says nothing of whose end it is (RFC 8838, section 8.2). */
  #endOfCandidates(): RTCIceCandidateInit {
    const [, usernameFragment = null] =
      this.#connection.localDescription?.sdp.match(/^a=ice-ufrag:(\S+)/m) ?? [];
    return { candidate: "", sdpMid: "0", sdpMLineIndex: 0, usernameFragment };
  }

  #found(candidate: RTCIceCandidateInit): void {
    if (!this.#paused && !this.#holdsCandidates) this.#port.sendCandidate(candidate);
    else if (this.#unsent.length < CANDIDATES_MAX) this.#unsent.push(candidate);
  }
}
