// The same relay on Socket.IO, as its documentation teaches it: rooms, and socket.to(target).emit(...).
// WebSocket only and without compression, which is Socket.IO at its fastest.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { announce } from "./ready.mjs";

const http = createServer();
const io = new Server(http, { transports: ["websocket"], serveClient: false, perMessageDeflate: false });

io.on("connection", (socket) => {
  socket.on("join", ({ roomId }) => {
    for (const userId of io.sockets.adapter.rooms.get(roomId) ?? []) {
      socket.emit("existing-user", { userId, roomId });
    }
    socket.join(roomId);
    socket.to(roomId).emit("user-joined", { userId: socket.id, roomId });
  });
  for (const type of ["offer", "answer", "ice-candidate"]) {
    socket.on(type, (message) => {
      message.sender = socket.id;
      socket.to(message.target ?? message.roomId).emit(type, message);
    });
  }
  socket.on("disconnecting", () => {
    for (const roomId of socket.rooms) socket.to(roomId).emit("user-left", { userId: socket.id, roomId });
  });
});

http.listen(0, "127.0.0.1", () => announce(http.address().port));
