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

export type DataChannels = ReturnType<typeof createDataChannels>;

export function createDataChannels(
  connection: Pick<RTCPeerConnection, "createDataChannel">,
  port: DataChannelsPort,
) {
  const negotiated = true;
  const reliable = connection.createDataChannel("sheetbend", { negotiated, id: RELIABLE_ID });
  const unreliable = connection.createDataChannel("sheetbend-lossy", {
    negotiated,
    id: LOSSY_ID,
    ordered: false,
    maxRetransmits: 0,
  });
  for (const channel of [reliable, unreliable]) {
    channel.binaryType = "arraybuffer";
    channel.onmessage = ({ data }) => data instanceof ArrayBuffer && port.frame(new Uint8Array(data));
  }
  reliable.bufferedAmountLowThreshold = BUFFERED_BYTES_LOW;
  reliable.onbufferedamountlow = port.ready;
  reliable.onopen = port.opened;
  reliable.onclose = port.closed;

  return {
    get isReady(): boolean {
      return reliable.bufferedAmount < BUFFERED_BYTES_MAX;
    },

    send(frame: Uint8Array<ArrayBuffer>, lossy: boolean): void {
      const channel = lossy ? unreliable : reliable;
      if (channel.readyState !== "open" || (lossy && channel.bufferedAmount > BUFFERED_BYTES_LOW)) return;
      try {
        channel.send(frame);
      } catch {
        // Closed, or full, in this moment; the link finds out.
      }
    },
  };
}
