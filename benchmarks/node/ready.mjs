// What the three Node servers share: saying where they listen, and collecting garbage when the benchmark asks.

/** Print the address, which is how the benchmark learns the port and that the server is up. */
export function announce(port) {
  console.log(`Ready: http://127.0.0.1:${port}/`);
}

// Started with --expose-gc, so that idle memory is measured without garbage: Node at its best.
process.on("SIGUSR2", () => globalThis.gc());
