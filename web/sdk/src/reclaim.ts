/**
 * Who is at the other end of a peer connection, when user ids have changed?
 *
 * A session ends with its WebSocket, so after a reconnect a member has a new `userId`, while its peer connections
 * live on. To go on negotiating, each side must learn the new id of the other, and nobody else may be able to step in:
 *
 * 1. On the data channel, when it opens and whenever its own id changes, each side tells its `userId` and a secret token.
 * 2. A side that is in the room sends the token it was told to the other, through the server, as a *proof*. The server
 *    stamps the sender's id on it, so the receiver learns: this id knows what I said on that channel.
 * 3. That alone could be relayed: Mallory tells Ada "I am Bob, here is the token" that Bob gave to Mallory, and Ada's
 *    proof would make Bob take Mallory's connection for Ada's. So a proof names the sender's own certificate, and is
 *    good only for a connection whose other end DTLS has held to that certificate.
 *
 * Each side uses the connection under the new id once it has received a proof and sent its own. As the server keeps
 * signalling in order, the proof is there before anything else is.
 *
 * Tokens are told before anything breaks, so a proof needs no working channel if only one side's id has changed.
 *
 * This class is what one side knows about one peer connection. It sends nothing itself.
 */

import type { Identity, ReclaimProof } from "./peer-messages.js";

export class Reclaim {
  readonly #token: string;
  #peerToken: string | null = null;
  #provenTo: string | null = null;
  #peerUserId: string | null = null;

  /** @param token 32 random hexadecimal digits, for this peer connection alone */
  constructor(token: string) {
    this.#token = token;
  }

  /** Whether the other end can be recognised again. */
  get possible(): boolean {
    return this.#peerToken !== null;
  }

  /** The id that the other end last claimed to have. Not proven. */
  get peerUserId(): string | null {
    return this.#peerUserId;
  }

  /** What to tell on the data channel. */
  identity(userId: string): Identity {
    return { type: "identity", userId, token: this.#token };
  }

  /** Takes what the other end told on the data channel. */
  heard(identity: Identity): void {
    this.#peerToken = identity.token;
    this.#peerUserId = identity.userId;
  }

  /** Our own id changed: earlier proofs are worth nothing now. */
  forgetProof(): void {
    this.#provenTo = null;
  }

  /** The proof to send to `userId`; null if it was sent already, or the other end never told its token. */
  prove(userId: string, ownFingerprint: string): ReclaimProof | null {
    if (this.#peerToken === null || this.#provenTo === userId) return null;
    this.#provenTo = userId;
    return { type: "reclaim", token: this.#peerToken, fingerprint: ownFingerprint };
  }

  /**
   * Whether `proof` shows that its sender is the other end, whose certificate is known to be `peerFingerprint`. Not
   * before we can prove ourselves to it in turn.
   */
  accepts(proof: ReclaimProof, peerFingerprint: string): boolean {
    return (
      this.possible &&
      proof.token === this.#token &&
      proof.fingerprint === peerFingerprint &&
      peerFingerprint !== ""
    );
  }
}
