// Signalled by the plain Node server. Who is there makes the offer, as soon as it is told of the newcomer.

import "../lib/simple-peer.js";

function signalling({ port, room }) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const send = (message) => socket.readyState === WebSocket.OPEN && socket.send(JSON.stringify(message));
  socket.onopen = () => send({ type: "join", roomId: room });
  return { socket, send };
}

function peerWith(userId, send, initiator) {
  const peer = new SimplePeer({ initiator, config: { iceServers: [] } });
  peer.on("signal", (signal) => {
    const isDescription = signal.type === "offer" || signal.type === "answer";
    const content = isDescription
      ? { type: signal.type, sdp: signal }
      : { type: "ice-candidate", candidate: signal };
    send({ ...content, target: userId });
  });
  peer.on("error", () => peer.destroy());
  return peer;
}

export function reside(options) {
  const { socket, send } = signalling(options);
  const peers = new Map();
  socket.onmessage = ({ data }) => {
    const { type, userId, sender, sdp, candidate } = JSON.parse(data);
    if (type === "user-joined") {
      const peer = peerWith(userId, send, true);
      peer.on("connect", () => peer.send("hello"));
      peers.set(userId, peer);
    } else if (type === "user-left") {
      peers.get(userId).destroy();
      peers.delete(userId);
    } else {
      peers.get(sender)?.signal(sdp ?? candidate);
    }
  };
  return new Promise((resolve) => socket.addEventListener("open", () => resolve()));
}

export async function enter(options) {
  const start = performance.now();
  const { socket, send } = signalling(options);
  let peer;
  await new Promise((resolve, reject) => {
    socket.onerror = reject;
    socket.onmessage = ({ data }) => {
      const { type, userId, sdp, candidate } = JSON.parse(data);
      if (type === "existing-user") {
        peer = peerWith(userId, send, false);
        peer.on("data", resolve);
      } else {
        peer.signal(sdp ?? candidate);
      }
    };
  });
  const ms = performance.now() - start;
  peer.destroy();
  socket.close();
  return ms;
}
