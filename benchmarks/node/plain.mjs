// The textbook signalling server: `ws`, JSON.parse, JSON.stringify, a Map of Sets. Speaks the lesson dialect.
// A broadcast is serialised once; a target is looked up among all clients without a check of rooms. So it does a little
// less than Sheetbend, and nothing slower than it must.

import { randomBytes } from "node:crypto";
import { WebSocketServer } from "ws";
import { announce } from "./ready.mjs";

const rooms = new Map();
const users = new Map();

function join(user, { roomId }) {
  const room = rooms.get(roomId) ?? new Set();
  const joined = JSON.stringify({ type: "user-joined", userId: user.id, roomId });
  for (const member of room) {
    user.socket.send(JSON.stringify({ type: "existing-user", userId: member.id, roomId }));
    member.socket.send(joined);
  }
  rooms.set(roomId, room.add(user));
  user.roomIds.add(roomId);
}

function leave(user, { roomId }) {
  const room = rooms.get(roomId);
  if (!room?.delete(user)) return;
  user.roomIds.delete(roomId);
  if (room.size === 0) rooms.delete(roomId);
  const left = JSON.stringify({ type: "user-left", userId: user.id, roomId });
  for (const member of room) member.socket.send(left);
}

function forward(user, message) {
  message.sender = user.id;
  const text = JSON.stringify(message);
  if (message.target !== undefined) {
    users.get(message.target)?.socket.send(text);
    return;
  }
  for (const member of rooms.get(message.roomId) ?? []) {
    if (member !== user) member.socket.send(text);
  }
}

const handlers = { join, leave, offer: forward, answer: forward, "ice-candidate": forward };

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
server.on("listening", () => announce(server.address().port));
server.on("connection", (socket) => {
  const user = { id: randomBytes(16).toString("hex"), socket, roomIds: new Set() };
  users.set(user.id, user);
  socket.on("message", (data) => {
    try {
      const message = JSON.parse(data);
      handlers[message.type](user, message);
    } catch (error) {
      socket.send(JSON.stringify({ type: "error", code: "invalid_message", message: error.message }));
    }
  });
  socket.on("error", () => socket.terminate());
  socket.on("close", () => {
    users.delete(user.id);
    for (const roomId of user.roomIds) leave(user, { roomId });
  });
});
