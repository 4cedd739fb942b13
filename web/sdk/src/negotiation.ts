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

/** The browser makes no others by itself. */
export type OwnDescription = RTCSessionDescription & { type: "offer" | "answer" };

/** What negotiation asks of its owner. */
export interface NegotiationPort {
  sendDescription(description: OwnDescription): void;
  sendCandidate(candidate: RTCIceCandidateInit): void;
  /** A description will be applied: the last moment to prepare for its tracks. */
  accepting(description: PeerDescription): void;
}

/** Candidates kept in each direction until they can be used; more are dropped. Chromium gathers about 30 at most. */
const CANDIDATES_MAX = 128;

export type Negotiation = ReturnType<typeof createNegotiation>;

export function createNegotiation(connection: NegotiatedConnection, polite: boolean, port: NegotiationPort) {
  let isPaused = true;
  let holdsCandidates = false;
  let isOfferDue = false;
  let isMakingOffer = false;
  let ignoresOffer = false;
  let isSettingRemoteAnswerPending = false;
  const early: RTCIceCandidateInit[] = [];
  const unsent: RTCIceCandidateInit[] = [];

  const negotiation = {
    /** Whether this side gives way when offers collide. */
    polite,

    /** Whether what is sent now arrives soon, candidates included. */
    get isReachable(): boolean {
      return !isPaused && !holdsCandidates;
    },

    /** Sends nothing until `resume`. */
    pause(): void {
      isPaused = true;
    },

    /** Keeps candidates back until `releaseCandidates`: nothing repeats one that is lost, as `resume` repeats an offer. */
    holdCandidates(): void {
      holdsCandidates = true;
    },

    releaseCandidates(): void {
      holdsCandidates = false;
      sendFoundCandidates();
    },

    /** The peer can be reached, again or for the first time. */
    resume(): void {
      isPaused = ignoresOffer = false;
      const { signalingState } = connection;
      if (signalingState === "have-local-offer") sendLocalDescription();
      else if (isOfferDue && signalingState === "stable") offer();
      sendFoundCandidates();
    },

    receive,

    /** Applies a candidate, or keeps it until there is a description that it can belong to. */
    addCandidate(candidate: RTCIceCandidateInit): void {
      if (connection.remoteDescription) apply(candidate);
      else if (!ignoresOffer) keep(early, candidate);
    },
  };

  connection.onnegotiationneeded = offer;
  connection.onicecandidate = ({ candidate }) => {
    if (candidate?.candidate !== "") found(candidate?.toJSON() ?? endOfCandidates());
  };

  /** Applies what the peer sent; nonsense is dropped. */
  async function receive(description: PeerDescription): Promise<void> {
    const isOffer = description.type === "offer";
    const isReady =
      !isMakingOffer && (connection.signalingState === "stable" || isSettingRemoteAnswerPending);
    ignoresOffer = isOffer && !isReady && !negotiation.polite;
    if (ignoresOffer) return;
    if (isOffer) isPaused = false; // Whoever offers can be reached.
    port.accepting(description);
    isSettingRemoteAnswerPending = !isOffer;
    try {
      await connection.setRemoteDescription(description);
    } catch {
      return; // A stranger's description that can't be applied, or a connection that was closed meanwhile.
    } finally {
      isSettingRemoteAnswerPending = false;
    }
    early.splice(0).forEach(apply);
    if (!isOffer) return;
    await describe();
    sendFoundCandidates();
  }

  async function offer(): Promise<void> {
    isOfferDue = isPaused;
    if (isPaused) return;
    isMakingOffer = true;
    await describe();
    isMakingOffer = false;
  }

  /** Makes and sends what the other end waits for: an offer, or the answer to its own. */
  async function describe(): Promise<void> {
    isOfferDue = false; // What an answer leaves to be negotiated, the browser says again once it is stable.
    try {
      await connection.setLocalDescription();
      sendLocalDescription();
    } catch {
      // Closed meanwhile.
    }
  }

  async function apply(candidate: RTCIceCandidateInit): Promise<void> {
    try {
      await connection.addIceCandidate(candidate);
    } catch {
      // Of an offer that was ignored or rolled back, or nonsense.
    }
  }

  function sendLocalDescription(): void {
    const { localDescription } = connection;
    if (localDescription && !isPaused) port.sendDescription(localDescription as OwnDescription);
  }

  function sendFoundCandidates(): void {
    if (negotiation.isReachable) unsent.splice(0).forEach(port.sendCandidate);
  }

  /** Browsers tell the end of all by null, which says nothing of whose end it is (RFC 8838, section 8.2). */
  function endOfCandidates(): RTCIceCandidateInit {
    const [, usernameFragment = null] = connection.localDescription?.sdp.match(/^a=ice-ufrag:(\S+)/m) ?? [];
    return { candidate: "", sdpMid: "0", sdpMLineIndex: 0, usernameFragment };
  }

  function found(candidate: RTCIceCandidateInit): void {
    keep(unsent, candidate);
    sendFoundCandidates();
  }

  return negotiation;
}

function keep(candidates: RTCIceCandidateInit[], candidate: RTCIceCandidateInit): void {
  if (candidates.length < CANDIDATES_MAX) candidates.push(candidate);
}
