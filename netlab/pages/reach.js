/** One member of a room for two: notes when it hears the other, by which path it reaches it, when it sees it. */

import { joining, now, peerConnections, selectedPath } from "./observe.js";
import { connect } from "./sdk.js";

const POLL_MS = 20;

const report = { joining, firstMessageAt: null, pictureAt: null, paths: [], errors: [] };

function watch(stream) {
  if (stream.getVideoTracks().length === 0) return;
  const video = document.createElement("video");
  Object.assign(video, { muted: true, autoplay: true, srcObject: stream });
  video.requestVideoFrameCallback(() => {
    report.pictureAt ??= now();
  });
  document.body.append(video);
}

async function notePath() {
  const found = await Promise.all(peerConnections.map(selectedPath));
  const { path, types } = found.find(Boolean) ?? { path: null, types: [] };
  if (path !== (report.paths.at(-1)?.path ?? null)) report.paths.push({ at: now(), path, types });
  setTimeout(notePath, POLL_MS);
}

window.lab = {
  report,

  /** Opens the camera, which takes a time that has nothing to do with networks. */
  async prepare() {
    window.camera = await navigator.mediaDevices.getUserMedia({
      video: { width: 320, height: 240, frameRate: 15 },
      audio: true,
    });
  },

  /** Resolves when it is in the room. */
  async join(url, roomId) {
    const room = await connect(url, { room: roomId });
    room.on("error", (error) => report.errors.push(String(error)));
    room.on("member", (member) => {
      member.on("message", () => {
        report.firstMessageAt ??= now();
      });
      member.send("hello").catch((error) => report.errors.push(String(error)));
      member.on("track", (_track, stream) => watch(stream));
    });
    notePath();
    await room.publish(window.camera);
  },
};
