/** What all contestants share: numbered messages, and their receiver's count. */

export const MESSAGE_BYTES = 16_000;

let sent = 0;

/** A message with its number, `before` bytes into its buffer. A new buffer each: some keep it for a while. */
export function message(before = 0) {
  const bytes = new Uint8Array(before + MESSAGE_BYTES);
  new DataView(bytes.buffer).setUint32(before, sent++);
  return bytes;
}

/** Counts what comes, and sees that no byte is missing between one message's number and the next. */
export class Tally {
  bytes = 0;
  #faults = [];

  take(bytes) {
    const into = this.bytes % MESSAGE_BYTES;
    const at = into === 0 ? 0 : MESSAGE_BYTES - into;
    for (let start = at; start + 4 <= bytes.byteLength; start += MESSAGE_BYTES) {
      const number = new DataView(bytes.buffer, bytes.byteOffset + start).getUint32(0);
      const due = (this.bytes + start) / MESSAGE_BYTES;
      if (number !== due && this.#faults.length < 10)
        this.#faults.push(`message ${number} came where ${due} was due`);
    }
    this.bytes += bytes.byteLength;
  }

  async count({ warmUpS, seconds }) {
    await pause(warmUpS);
    const [before, start] = [this.bytes, performance.now()];
    await pause(seconds);
    const counted = { bytes: this.bytes - before, seconds: (performance.now() - start) / 1000 };
    return { ...counted, faults: this.#faults.splice(0) };
  }
}

/**
 * Keeps a sender going from `start` to `stop`. A page that is busy is late with its timers, so that the receiver, not a
 * clock, says when it is enough. `sendSome` sends what may be sent now, and resolves when it may send more.
 */
export class Sender {
  #isStopped = false;
  #ended = Promise.resolve();
  #sendSome;

  constructor(sendSome) {
    this.#sendSome = sendSome;
  }

  start() {
    this.#isStopped = false;
    this.#ended = this.#send();
  }

  /** Rejects if sending failed. */
  async stop() {
    this.#isStopped = true;
    await this.#ended;
  }

  async #send() {
    while (!this.#isStopped) await this.#sendSome();
  }
}

export function pause(seconds) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
