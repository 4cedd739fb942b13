// The five lines of the README, and a note of every event for the tests to read.
import { connect } from "/test/sdk.js";

const events = [];
const note = (type, ...values) => events.push([type, ...values]);

function play(stream) {
  const video = document.body.appendChild(document.createElement("video"));
  video.autoplay = true;
  video.srcObject = stream;
}

function watch(member) {
  note("member", member.key);
  member.on("track", (track, stream, label) => {
    note("track", member.key, track.kind, label);
    play(stream);
  });
  member.on("streamremoved", (_stream, label) => note("streamremoved", member.key, label));
  member.on("connection", (state) => note("connection", member.key, state));
  member.on("path", (path) => note("path", member.key, path));
  member.on("message", (data) => note("said", typeof data === "string" ? data : [...data]));
  member.on("stream", async ({ label, readable, writable }) => {
    const chunks = [];
    for await (const chunk of readable) chunks.push(chunk);
    const digest = await crypto.subtle.digest("SHA-256", await new Blob(chunks).arrayBuffer());
    note("streamed", label, hex(digest));
    const answer = writable.getWriter();
    await answer.write(new TextEncoder().encode("thanks"));
    await answer.close();
  });
}

async function start(name, options = {}) {
  const roomId = new URLSearchParams(location.search).get("room");
  const url = location.origin.replace("http", "ws") + "/ws";
  const room = await connect(url, { room: roomId, name, ...options });
  room.on("member", watch);
  room.on("left", (member, reason) => note("left", member.key, reason));
  room.on("message", (message) => note("message", message.sender.name, message.data, message.offset));
  room.on("state", (state) => note("state", state));
  room.on("muterequested", (media, moderator) => note("muterequested", media, moderator.name));
  room.on("gap", ({ complete }) => note("gap", complete));
  room.on("error", (error) => note("error", error.code));
  room.on("closed", ({ code, error }) => note("closed", code, error?.code));
  window.room = room;
}

async function publishCamera() {
  window.camera = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  window.cameraPublication = await window.room.publish(window.camera);
}

async function publishScreen() {
  window.screenStream = await navigator.mediaDevices.getDisplayMedia({ video: true });
  window.screenPublication = await window.room.publish(window.screenStream, { label: "screen" });
}

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** Streams so many random bytes to the only other member; resolves with their hash, once it has been answered. */
async function stream(label, megabytes) {
  const [member] = window.room.members.values();
  const { readable, writable } = member.stream(label);
  const bytes = new Uint8Array(megabytes * 2 ** 20);
  for (let at = 0; at < bytes.length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  const writer = writable.getWriter();
  for (let at = 0; at < bytes.length; at += 50_000) await writer.write(bytes.subarray(at, at + 50_000));
  await writer.close();
  const answer = await new Response(readable).text();
  return [hex(await crypto.subtle.digest("SHA-256", bytes)), answer];
}

window.program = { events, start, publishCamera, publishScreen, stream };
