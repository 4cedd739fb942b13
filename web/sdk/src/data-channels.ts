/**
 * The direct path: two negotiated data channels of a peer connection (PROTOCOL.md, "Links").
 *
 * Both ends open both, so that none waits for the other's word. Frames keep their order on the first; the second is for
 * those that had better be dropped than come late.
 */

/** What the channels tell their owner. */
export interface DataChannelsPort {
  opened(): void;
  frame(frame: Uint8Array<ArrayBuffer>): void;
  /** They take more again. */
  ready(): void;
  /** The other end has closed its peer connection: browsers tell of it here first. */
  closed(): void;
}

const RELIABLE_ID = 1;
const LOSSY_ID = 2;
/** Of frames that wait in the browser; from there on it is not ready, until it is down to the other. */
const BUFFERED_BYTES_MAX = 1 << 18;
const BUFFERED_BYTES_LOW = 1 << 16;

export class DataChannels {
  readonly #reliable: RTCDataChannel;
  readonly #lossy: RTCDataChannel;

  constructor(connection: Pick<RTCPeerConnection, "createDataChannel">, port: DataChannelsPort) {
    this.#reliable = connection.createDataChannel("sheetbend", { negotiated: true, id: RELIABLE_ID });
    this.#lossy = connection.createDataChannel("sheetbend-lossy", {
      negotiated: true,
      id: LOSSY_ID,
      ordered: false,
      maxRetransmits: 0,
    });
    for (const channel of [this.#reliable, this.#lossy]) {
      channel.binaryType = "arraybuffer";
      channel.onmessage = ({ data }) => data instanceof ArrayBuffer && port.frame(new Uint8Array(data));
    }
    this.#reliable.bufferedAmountLowThreshold = BUFFERED_BYTES_LOW;
    this.#reliable.onbufferedamountlow = () => port.ready();
    this.#reliable.onopen = () => port.opened();
    this.#reliable.onclose = () => port.closed();
  }

  get isReady(): boolean {
    return this.#reliable.bufferedAmount < BUFFERED_BYTES_MAX;
  }

  send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): void {
    const channel = lossy ? this.#lossy : this.#reliable;
    if (channel.readyState !== "open" || (lossy && channel.bufferedAmount > BUFFERED_BYTES_LOW)) return;
    try {
      channel.send(frame);
    } catch {
      // Closed, or full, in this moment; the link finds out.
    }
  }
}
