// Bundles the SDK's entries into dist/. With --size it only measures, and fails above the limits.
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const ENTRIES = [
  { name: "index", gzippedBytesMax: 24_000 },
  { name: "doctor/index", gzippedBytesMax: 8_000 },
  { name: "files/index", gzippedBytesMax: 6_000 },
  { name: "member-requests/index", gzippedBytesMax: 2_000 },
  { name: "safety-words", gzippedBytesMax: 2_000 },
];
const measureOnly = process.argv.includes("--size");

for (const { name, gzippedBytesMax } of ENTRIES) {
  const { outputFiles } = await build({
    entryPoints: [`src/${name}.ts`],
    outfile: `dist/${name}.js`,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    write: false,
  });
  const { code } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2022,
    compress: { passes: 3, unsafe_arrows: true, unsafe_methods: true },
  });
  const gzippedBytes = gzipSync(code, { level: 9 }).length;
  process.stdout.write(`dist/${name}.js: ${gzippedBytes} bytes gzipped, ${gzippedBytesMax} allowed\n`);

  if (gzippedBytes > gzippedBytesMax) {
    process.exitCode = 1;
  } else if (!measureOnly) {
    await mkdir(dirname(`dist/${name}.js`), { recursive: true });
    await writeFile(`dist/${name}.js`, code);
  }
}
