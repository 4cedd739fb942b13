/**
 * One peer connection with one member: its media, its data channels, its health.
 *
 * Restarts ICE when it is disconnected or fails, when the link says that nothing comes through, and when the network has
 * changed. Says when it is beyond repair; what then happens is the mesh's decision.
 */

import type { MemberConnection } from "./api.js";
import { createDataChannels, type DataChannels } from "./data-channels.js";
import type { ConnectionStats, Environment } from "./environment.js";
import { createMending } from "./mending.js";
import { createNegotiation, type OwnDescription } from "./negotiation.js";
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
  sendDescription(description: OwnDescription): void;
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

export type Pair = ReturnType<typeof createPair>;

/** @throws whatever the browser throws when it can't make one more peer connection */
export function createPair(
  environment: Environment,
  configuration: RTCConfiguration,
  opening: Opening,
  polite: boolean,
  port: PairPort,
) {
  const connection = new environment.RTCPeerConnection(configuration);
  const sent = new Map<MediaStreamTrack, { sender: RTCRtpSender; stream: MediaStream }>();
  /** Whose direction was narrowed because the other end may not send. */
  const refused = new Set<RTCRtpTransceiver>();
  let channels: DataChannels | null = null;
  let labels: PeerDescription["labels"] = null;
  let isReceiving = true;
  /** For tracks that come without a stream. */
  let looseTracks: MediaStream | null = null;
  /** Of the other end's certificate, from its first description on. */
  let peerFingerprint = "";
  let wasConnected = false;
  let hasEnded = false;
  /** A restart of ours isn't answered yet. */
  let isRestarting = false;
  /** Nothing comes through, whatever the browser says. */
  let isSilent = false;
  /** No earlier than then, as long as all is well. */
  let nextRestartAt = 0;
  let offerTimer = 0;

  const negotiation = createNegotiation(connection, polite, { ...port, accepting });
  const mending = createMending(environment, () => negotiation.polite, restart);
  connection.ontrack = receiveTrack;
  connection.onsignalingstatechange = tidy;
  connection.onconnectionstatechange = changed;
  // Where we have described ourselves meanwhile, it has begun.
  const beginLate = () => connection.localDescription || begin();
  if (opening === "wait") offerTimer = environment.setTimeout(beginLate, FIRST_OFFER_AFTER_MS);
  else begin();

  function begin(): void {
    if (opening !== "plain") openChannels();
    else for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
    negotiation.resume();
  }

  // Health.

  function changed(): void {
    if (hasEnded) return;
    wasConnected ||= connection.connectionState === "connected";
    port.changed();
    const { connectionState, sctp } = connection; // Not before: the owner may have closed it.
    // Chromium leaves `iceConnectionState` at `disconnected` when all is lost.
    // A failure of DTLS is beyond repair (RFC 8829 has no way to restart it).
    if (connectionState === "failed" && sctp?.transport.state === "failed") end();
    else if (connectionState === "disconnected" || connectionState === "failed") mending.begin();
    else if (isWell()) mending.end();
  }

  function isWell(): boolean {
    return connection.connectionState === "connected" && !isSilent;
  }

  /** What was tried in vain is worth another try, unless it goes out just now. */
  function reachable(): void {
    if (isRestarting) mending.postpone();
    else if (!isWell()) mending.hurry();
  }

  function restart(): void {
    if (!negotiation.isReachable) return;
    isRestarting = true;
    connection.restartIce();
  }

  /** Ends it without another word to its owner. */
  function close(): void {
    hasEnded = true;
    mending.end();
    environment.clearTimeout(offerTimer);
    connection.close();
  }

  function end(): void {
    if (hasEnded) return;
    close();
    port.ended();
  }

  // Negotiation.

  function accepting(description: PeerDescription): void {
    peerFingerprint ||= fingerprintOf(description.sdp);
    labels = description.labels;
    // Who has no labels is of another kind, and wouldn't know what to do with the channels.
    if (labels) openChannels();
  }

  function openChannels(): void {
    if (channels) return;
    mending.begin(RESTART_AFTER_CONNECTING_MS);
    channels = createDataChannels(connection, {
      opened,
      frame: (frame) => hasEnded || port.frame(frame),
      ready: port.ready,
      closed: end,
    });
  }

  function opened(): void {
    const ice = connection.sctp?.transport.iceTransport;
    if (ice)
      ice.onselectedcandidatepairchange = () => {
        mending.settle();
        port.rerouted();
      };
    port.opened();
  }

  /**
   * Stops what neither side uses any more, so that its place in the session description can be used again. Chromium
   * needs 5 kB for a video: after a dozen screens shown and gone the description would outgrow `messageBytes`.
   */
  function tidy(): void {
    if (connection.signalingState !== "stable") return;
    isRestarting = false;
    if (!channels) return;
    const transceivers = connection.getTransceivers();
    for (const transceiver of transceivers) {
      const isIdle = transceiver.currentDirection === "inactive" && !transceiver.sender.track;
      if (isIdle && !refused.has(transceiver)) transceiver.stop();
    }
    // The other end may have stopped one in the moment in which we began to use it.
    for (const [track, { sender, stream }] of [...sent]) {
      const isIts = (transceiver: RTCRtpTransceiver) =>
        transceiver.sender === sender && transceiver.direction !== "stopped";
      if (transceivers.some(isIts)) continue;
      sent.delete(track);
      addTrack(track, stream);
    }
  }

  // Tracks.

  function receiveTrack({ track, streams, transceiver }: RTCTrackEvent): void {
    if (hasEnded) return;
    if (!isReceiving) refuse(transceiver);
    else
      for (const stream of streams.length > 0 ? streams : [loose(track)])
        port.track(track, stream, labelOf(labels, stream.id));
  }

  function loose(track: MediaStreamTrack): MediaStream {
    looseTracks ??= new environment.MediaStream();
    looseTracks.addTrack(track);
    return looseTracks;
  }

  function refuse(transceiver: RTCRtpTransceiver): void {
    if (transceiver.direction === "sendrecv") transceiver.direction = "sendonly";
    else if (transceiver.direction === "recvonly") transceiver.direction = "inactive";
    else return;
    refused.add(transceiver);
  }

  function allow(transceiver: RTCRtpTransceiver): void {
    if (transceiver.direction === "sendonly") transceiver.direction = "sendrecv";
    else if (transceiver.direction === "inactive") transceiver.direction = "recvonly";
    refused.delete(transceiver);
  }

  /** Does nothing if the track is being sent already. */
  function addTrack(track: MediaStreamTrack, stream: MediaStream): void {
    if (!sent.has(track)) sent.set(track, { sender: senderOf(track, stream), stream });
  }

  function senderOf(track: MediaStreamTrack, stream: MediaStream): RTCRtpSender {
    try {
      return connection.addTrack(track, stream);
    } catch {
      // Chromium would use an idle transceiver again, finds that it is being stopped, and gives up.
      return connection.addTransceiver(track, { streams: [stream] }).sender;
    }
  }

  function removeTrack(track: MediaStreamTrack): void {
    const sender = sent.get(track)?.sender;
    if (!sender) return;
    sent.delete(track);
    connection.removeTrack(sender);
    for (const transceiver of connection.getTransceivers())
      if (transceiver.sender === sender && transceiver.currentDirection === "sendonly") transceiver.stop();
  }

  return {
    /** As `Member.connection`. */
    get state(): MemberConnection {
      const { connectionState } = connection;
      if (connectionState === "connected") return "connected";
      if (connectionState === "failed" || connectionState === "closed") return "failed";
      return wasConnected || connectionState === "disconnected" ? "reconnecting" : "connecting";
    },

    /** Whether an offer of ours is out. */
    get awaitsAnswer(): boolean {
      return connection.signalingState === "have-local-offer";
    },

    /** Whether the data channels take more. */
    get isReady(): boolean {
      return channels?.isReady ?? false;
    },

    /** Nobody knows under which id the other end can be reached: holds signalling back. */
    pause(): void {
      environment.clearTimeout(offerTimer);
      negotiation.pause();
    },

    /** The other end can be reached again. */
    resume(polite: boolean): void {
      negotiation.polite = polite;
      negotiation.resume();
      reachable();
    },

    /** While the server can't be reached, and nobody knows whether the session will go on. */
    holdCandidates: negotiation.holdCandidates,

    releaseCandidates(): void {
      negotiation.releaseCandidates();
      reachable();
    },

    receive(description: PeerDescription): void {
      if (description.type === "offer") mending.postpone();
      negotiation.receive(description);
    },

    addCandidate: negotiation.addCandidate,

    /** Whether a description comes from another peer connection than the one this is connected to. */
    isFromAnother({ sdp }: PeerDescription): boolean {
      return peerFingerprint !== "" && peerFingerprint !== fingerprintOf(sdp);
    },

    /** Uses other ICE servers from the next restart on. */
    configure(configuration: RTCConfiguration): void {
      try {
        connection.setConfiguration(configuration);
      } catch {
        // The server named something this browser refuses; what worked so far stays.
      }
    },

    send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): void {
      channels?.send(frame, lossy);
    },

    /** The link says whether anything comes through. */
    silent(silent: boolean): void {
      if (isSilent === silent) return;
      isSilent = silent;
      if (isSilent) mending.begin(RESTART_AFTER_SILENCE_MS);
      else if (isWell()) mending.end();
    },

    /** The network has changed: what works may end, and what didn't may work. */
    networkChanged(): void {
      const now = environment.now();
      if (isWell() && now < nextRestartAt) return;
      nextRestartAt = now + RESTART_WELL_MS;
      mending.hurry();
    },

    /** Whether media and data go through a TURN server. */
    async isTurned(): Promise<boolean> {
      const stats: ReadonlyMap<string | undefined, ConnectionStats> = await connection.getStats();
      const isRelayed = (id?: string) => stats.get(id)?.candidateType === "relay";
      return [...stats.values()].some(({ selectedCandidatePairId }) => {
        const pair = stats.get(selectedCandidatePairId);
        return isRelayed(pair?.localCandidateId) || isRelayed(pair?.remoteCandidateId);
      });
    },

    /** Whether the other end's tracks are taken. What is not taken is negotiated away, so that it isn't sent either. */
    setReceiving(receives: boolean): void {
      if (isReceiving === receives) return;
      isReceiving = receives;
      if (!receives) connection.getTransceivers().forEach(refuse);
      else refused.forEach(allow);
    },

    addTrack,
    removeTrack,

    /** Without renegotiation where the browser allows it, with it elsewhere. */
    async replaceTrack(oldTrack: MediaStreamTrack, newTrack: MediaStreamTrack): Promise<void> {
      const given = sent.get(oldTrack);
      if (!given) return;
      sent.delete(oldTrack);
      sent.set(newTrack, given);
      try {
        await given.sender.replaceTrack(newTrack);
      } catch {
        removeTrack(newTrack);
        addTrack(newTrack, given.stream);
      }
    },

    getStats: () => connection.getStats(),
    close,
  };
}
