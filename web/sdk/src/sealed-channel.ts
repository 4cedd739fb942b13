/**
 * What two members say through the server, closed to it: the frames of their link, and the descriptions of their peer
 * connection. A channel is for one pair of user ids, since each has its own keys.
 *
 * Everything keeps the order of calls, in both directions. What isn't right is dropped, and told once. Leaves to
 * others: the cryptography (`sealing`), the WebSocket (`signalling`), what the frames say (`member-link`).
 */

import { SheetbendError } from "./errors.js";
import type { Agreement, KeyPair, SafetyWords, Seal } from "./sealing.js";

/** What a channel tells its owner. */
export interface ChannelPort {
  /** Send this through the server. `kind` is that of the relay's header. */
  transmit(kind: number, sealed: Uint8Array<ArrayBuffer>): void;
  /** The other member sent this frame: nobody else can have. */
  opened(frame: Uint8Array<ArrayBuffer>): void;
  /**
   * What came in the other member's name isn't sealed with its key, or with our secret. Called once, and not after
   * anything was: then it is noise.
   */
  refused(error: SheetbendError): void;
  /** All that was to be sent has been handed over. */
  idle(): void;
}

const KEPT = 1;
const LOSSY = 2;
/** Of frames that come faster than they can be opened; what is more is dropped. The link's window on the relay is 256 KiB. */
const OPENING_BYTES_MAX = 1 << 20;

export class SealedChannel {
  /** Bytes of frames that are being sealed. */
  sealingBytes = 0;
  readonly #seal: Promise<Seal>;
  readonly #port: ChannelPort;
  #isClosed = false;
  #isProven = false;
  #isRefused = false;
  #hadWords = false;
  #openingBytes = 0;
  /** Descriptions, and the candidates between them. */
  #outgoing: Promise<void> = Promise.resolve();
  #incoming: Promise<void> = Promise.resolve();

  constructor(keys: KeyPair, agreement: Agreement, port: ChannelPort) {
    this.#port = port;
    this.#seal = keys.agree(agreement);
    this.#seal.catch((error) => this.#refuse(error));
  }

  /** Sends a frame; a lossy one had better be dropped than come late. */
  async send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): Promise<void> {
    const kind = lossy ? LOSSY : KEPT;
    this.sealingBytes += frame.length;
    try {
      const seal = await this.#seal;
      const sealed = await seal.seal(frame, new Uint8Array([kind]));
      if (!this.#isClosed) this.#port.transmit(kind, sealed);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.sealingBytes -= frame.length;
      if (this.sealingBytes === 0 && !this.#isClosed) this.#port.idle();
    }
  }

  /** Takes what came on the relay. */
  async receive(kind: number, sealed: Uint8Array<ArrayBuffer>): Promise<void> {
    if (this.#isClosed || this.#openingBytes + sealed.length > OPENING_BYTES_MAX) return;
    this.#openingBytes += sealed.length;
    try {
      const seal = await this.#seal;
      const frame = await seal.open(sealed, new Uint8Array([kind]));
      this.#isProven = true;
      if (!this.#isClosed) this.#port.opened(frame);
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#openingBytes -= sealed.length;
    }
  }

  /** Calls `send`, with the tag of `parts` if there are any, after what was asked for before. */
  bind(parts: readonly string[] | null, send: (tag?: string) => void): void {
    this.#outgoing = this.#inTurn(this.#outgoing, async (seal) => {
      const tag = parts ? await seal.bind(parts) : undefined;
      return () => send(tag);
    });
  }

  /** Calls `accept` if `tag` is that of `parts`, or there are none, after what came before. */
  verify(parts: readonly string[] | null, tag: unknown, accept: () => void): void {
    this.#incoming = this.#inTurn(this.#incoming, async (seal) => {
      if (parts) {
        await seal.verify(parts, tag);
        this.#isProven = true;
      }
      return accept;
    });
  }

  /** Begins the exchange of safety words; null if there was one: a channel has one in its life. */
  async safetyWords(): Promise<SafetyWords | null> {
    const seal = await this.#seal.catch(() => null);
    if (!seal || this.#hadWords) return null;
    this.#hadWords = true;
    return seal.safetyWords();
  }

  /** Neither sends nor takes anything any more. */
  close(): void {
    this.#isClosed = true;
  }

  async #inTurn(before: Promise<void>, work: (seal: Seal) => Promise<() => void>): Promise<void> {
    await before;
    try {
      const done = await work(await this.#seal);
      if (!this.#isClosed) done();
    } catch (error) {
      this.#refuse(error);
    }
  }

  #refuse(error: unknown): void {
    if (!(error instanceof SheetbendError)) throw error;
    if (this.#isClosed || this.#isRefused || this.#isProven) return;
    this.#isRefused = true;
    this.#port.refused(error);
  }
}
