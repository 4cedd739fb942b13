import { message, Sender, Tally } from "./tally.js";

const BUFFERED_MAX = 1 << 18;
const BUFFERED_LOW = 1 << 16;
const tally = new Tally();
export const count = (options) => tally.count(options);
let peer;
let channel;

export async function open({ room, receives }) {
  peer = new RTCPeerConnection();
  channel = peer.createDataChannel("bulk", { negotiated: true, id: 0 });
  channel.binaryType = "arraybuffer";
  channel.bufferedAmountLowThreshold = BUFFERED_LOW;
  channel.onmessage = ({ data }) => tally.take(new Uint8Array(data));
  const opened = new Promise((resolve) => {
    channel.onopen = resolve;
  });
  signal(new BroadcastChannel(room), !receives);
  await opened;
}

/** Both call when they open, so one of the calls is heard. The candidates go in the descriptions. */
function signal(others, offers) {
  const describe = async () => {
    await peer.setLocalDescription();
    await new Promise((resolve) => {
      if (peer.iceGatheringState === "complete") resolve();
      else peer.onicegatheringstatechange = () => peer.iceGatheringState === "complete" && resolve();
    });
    others.postMessage(peer.localDescription.toJSON());
  };
  others.onmessage = async ({ data }) => {
    if (data.type === "call") {
      if (!offers) others.postMessage({ type: "ready" });
      else if (!peer.localDescription) await describe();
    } else if (data.type === "ready") {
      if (!peer.localDescription) await describe();
    } else {
      await peer.setRemoteDescription(data);
      if (data.type === "offer") await describe();
    }
  };
  others.postMessage({ type: "call" });
}

const sender = new Sender(async () => {
  while (channel.bufferedAmount < BUFFERED_MAX) channel.send(message());
  await new Promise((resolve) => {
    channel.onbufferedamountlow = resolve;
  });
});

export const start = () => sender.start();

export async function stop() {
  await sender.stop();
  return [];
}
