// Bundles the SDK into dist/index.js. With --size it only measures, and fails above the limit.
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const GZIPPED_BYTES_MAX = 25_000;
const measureOnly = process.argv.includes("--size");

const { outputFiles } = await build({
  entryPoints: ["src/index.ts"],
  outfile: "dist/index.js",
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
  legalComments: "none",
  write: false,
});
const [bundle] = outputFiles;
const gzippedBytes = gzipSync(bundle.contents, { level: 9 }).length;
process.stdout.write(`dist/index.js: ${gzippedBytes} bytes gzipped, ${GZIPPED_BYTES_MAX} allowed\n`);

if (gzippedBytes > GZIPPED_BYTES_MAX) {
  process.exitCode = 1;
} else if (!measureOnly) {
  const { mkdir, writeFile } = await import("node:fs/promises");
  await mkdir("dist", { recursive: true });
  await writeFile("dist/index.js", bundle.contents);
}
