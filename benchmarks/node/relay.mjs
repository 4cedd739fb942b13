// The textbook relay of binary messages on `ws`: the first 16 bytes say for whom, a Map of sockets knows where that is,
// and the sender's id is written in their place. It reads no more than Sheetbend's relay, and bounds and refuses nothing.

import { randomBytes } from "node:crypto";
import { WebSocketServer } from "ws";
import { announce } from "./ready.mjs";

const ID_BYTES = 16;
const sockets = new Map();

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => announce(server.address().port));
server.on("connection", (socket) => {
  const id = randomBytes(ID_BYTES);
  const name = id.toString("hex");
  sockets.set(name, socket);
  socket.send(name);
  socket.on("message", (data) => {
    if (data.length < ID_BYTES) return;
    const target = sockets.get(data.toString("hex", 0, ID_BYTES));
    id.copy(data);
    target?.send(data);
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => sockets.delete(name));
});
