// One member that gives a file, or takes one.
import { receiveFiles, sendFile } from "./sdk-files.js";
import { connect } from "./sdk.js";

const RANDOM_BYTES_MAX = 65_536;

/** The bytes of the file that have gone or come. */
window.lab = { done: 0, digest: null, error: null };

const met = (room) => new Promise((resolve) => room.on("member", resolve));

async function digestOf(file) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function randomFile(size) {
  const bytes = new Uint8Array(size);
  for (let at = 0; at < size; at += RANDOM_BYTES_MAX)
    crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + RANDOM_BYTES_MAX)));
  return new File([bytes], "film.bin");
}

const onProgress = (done) => {
  lab.done = done;
};

const noted = (work) => (...values) =>
  work(...values).catch((error) => {
    lab.error = String(error);
  });

lab.give = noted(async (url, room, secret, size) => {
  const file = randomFile(size);
  const member = await met(await connect(url, { room, secret, name: "page" }));
  await sendFile(member, file, { onProgress });
  lab.digest = await digestOf(file);
});

lab.take = noted(async (url, room, secret) => {
  const member = await met(await connect(url, { room, secret, name: "page" }));
  const offer = await new Promise((resolve) => receiveFiles(member, resolve));
  lab.digest = await digestOf(await offer.accept({ onProgress }));
});
