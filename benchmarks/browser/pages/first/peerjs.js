// As its documentation has it, with what makes it fast: an id that isn't asked of the server, and no STUN server.
// There are no rooms, so the newcomer is given the resident's id.

import "../lib/peerjs.js";

const peerWith = (id, port) =>
  new Peer(id, { host: "127.0.0.1", port, path: "/", secure: false, config: { iceServers: [] } });

export function reside({ port, room }) {
  const peer = peerWith(room, port);
  peer.on("connection", (connection) => connection.on("open", () => connection.send("hello")));
  return new Promise((resolve, reject) => {
    peer.on("open", () => resolve());
    peer.on("error", reject);
  });
}

export async function enter({ port, room }) {
  const start = performance.now();
  const peer = peerWith(crypto.randomUUID(), port);
  await new Promise((resolve, reject) => {
    peer.on("open", () => peer.connect(room, { reliable: true }).on("data", resolve));
    peer.on("error", reject);
  });
  const ms = performance.now() - start;
  peer.destroy();
  return ms;
}
