/**
 * What two members say through the server, closed to it: the frames of their link, and the descriptions of their peer
 * connection. A channel is for one pair of user ids, since each has its own keys.
 *
 * Everything keeps the order of calls, in both directions. What isn't right is dropped, and told once. Leaves to
 * others: the cryptography (`sealing`), the WebSocket (`signalling`), what the frames say (`member-link`).
 */

import { SheetbendError } from "./errors.js";
import type { Agreement, KeyPair, Seal, WordsStream } from "./sealing.js";

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

export type SealedChannel = ReturnType<typeof createSealedChannel>;

export function createSealedChannel(keys: KeyPair, agreement: Agreement, port: ChannelPort) {
  const agreed = keys.agree(agreement);
  let isClosed = false;
  /** Something was right, or was refused: what isn't right is told no more. */
  let isJudged = false;
  let openingBytes = 0;
  /** Descriptions, and the candidates between them. */
  let outgoing = Promise.resolve();
  let incoming = Promise.resolve();

  agreed.catch(refuse);

  const channel = {
    /** Bytes of frames that are being sealed. */
    sealingBytes: 0,
    send,
    receive,
    bind,
    verify,
    safetyWords,
    close,
  };

  /** Sends a frame; a lossy one had better be dropped than come late. */
  async function send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): Promise<void> {
    const kind = lossy ? LOSSY : KEPT;
    channel.sealingBytes += frame.length;
    try {
      const seal = await agreed;
      const sealed = await seal.seal(frame, new Uint8Array([kind]));
      if (!isClosed) port.transmit(kind, sealed);
    } catch (error) {
      refuse(error);
    } finally {
      channel.sealingBytes -= frame.length;
      if (channel.sealingBytes === 0 && !isClosed) port.idle();
    }
  }

  /** Takes what came on the relay. */
  async function receive(kind: number, sealed: Uint8Array<ArrayBuffer>): Promise<void> {
    if (isClosed || openingBytes + sealed.length > OPENING_BYTES_MAX) return;
    openingBytes += sealed.length;
    try {
      const seal = await agreed;
      const frame = await seal.open(sealed, new Uint8Array([kind]));
      isJudged = true;
      if (!isClosed) port.opened(frame);
    } catch (error) {
      refuse(error);
    } finally {
      openingBytes -= sealed.length;
    }
  }

  /** Calls `send`, with the tag of `parts` if there are any, after what was asked for before. */
  function bind(parts: readonly string[] | null, send: (tag?: string) => void): void {
    outgoing = inTurn(outgoing, async (seal) => {
      const tag = parts ? await seal.bind(parts) : undefined;
      return () => send(tag);
    });
  }

  /** Calls `accept` if `tag` is that of `parts`, or there are none, after what came before. */
  function verify(parts: readonly string[] | null, tag: unknown, accept: () => void): void {
    incoming = inTurn(incoming, async (seal) => {
      if (parts) {
        await seal.verify(parts, tag);
        isJudged = true;
      }
      return accept;
    });
  }

  /** As `Seal.safetyWords`: a channel has them once in its life. */
  async function safetyWords(stream: WordsStream): Promise<number[]> {
    const seal = await agreed;
    return seal.safetyWords(stream);
  }

  /** Neither sends nor takes anything any more. */
  function close(): void {
    isClosed = true;
  }

  async function inTurn(before: Promise<void>, work: (seal: Seal) => Promise<() => void>): Promise<void> {
    await before;
    try {
      const done = await work(await agreed);
      if (!isClosed) done();
    } catch (error) {
      refuse(error);
    }
  }

  function refuse(error: unknown): void {
    if (!(error instanceof SheetbendError)) throw error;
    if (isClosed || isJudged) return;
    isJudged = true;
    port.refused(error);
  }

  return channel;
}
