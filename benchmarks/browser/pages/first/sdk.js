import { connect } from "../lib/sheetbend.js";

const enterRoom = ({ port, room }) => connect(`ws://127.0.0.1:${port}/ws`, { room, iceServers: [] });

export async function reside(options) {
  const room = await enterRoom(options);
  // It rejects for a newcomer who went before it had acknowledged.
  room.on("member", (member) => member.send("hello").catch(() => {}));
}

export async function enter(options) {
  const start = performance.now();
  const room = await enterRoom(options);
  await new Promise((resolve) => {
    room.on("member", (member) => member.on("message", resolve));
  });
  const ms = performance.now() - start;
  await room.leave();
  return ms;
}
