// Bundles the SDK's entries into dist/. With --size it only measures, and fails above the limits.
import { execFileSync } from "node:child_process";
import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { minify } from "terser";

const ENTRIES = [
  { name: "index", gzippedBytesMax: 20_000, mangleProps: /./, reserveProps: await foreignNames() },
  { name: "doctor/index", gzippedBytesMax: 8_000 },
  { name: "files/index", gzippedBytesMax: 6_000 },
  { name: "member-requests/index", gzippedBytesMax: 2_000 },
  { name: "safety-words", gzippedBytesMax: 2_000 },
];
const measureOnly = process.argv.includes("--size");

for (const { name, gzippedBytesMax, ...mangling } of ENTRIES) {
  const { outputFiles } = await build({
    entryPoints: [`src/${name}.ts`],
    outfile: `dist/${name}.js`,
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    legalComments: "none",
    write: false,
    ...mangling,
  });
  const { code } = await minify(outputFiles[0].text, {
    module: true,
    ecma: 2022,
    compress: { passes: 3, pure_getters: true, unsafe_arrows: true, unsafe_methods: true },
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

/**
 * Properties that keep their names: those that applications, servers, browsers and other members know, and those that
 * are looked up by a string. All others are the SDK's own, and are shortened.
 */
async function foreignNames() {
  const modules = ["api", "codes", "environment", "errors", "messages", "peer-messages", "reconnect-policy"];
  const compiler = fileURLToPath(new URL("lib/tsc.js", import.meta.resolve("typescript/package.json")));
  const command = [compiler, "-p", "tsconfig.build.json", "--listFilesOnly"];
  const files = execFileSync(process.execPath, command, { encoding: "utf8" }).split(/\r?\n/);
  const platform = await read(files.filter((file) => /\blib\.[\w.]+\.d\.ts$/.test(file)));
  const sources = (await readdir("src", { recursive: true })).filter((file) => file.endsWith(".ts"));
  const spoken = await read(modules.map((module) => `src/${module}.ts`));
  const names = [
    ...platform.match(/(?<=^\s+(?:readonly |get |set )?)\w+(?=\??[:(<])/gm),
    ...spoken.match(/\w+/g),
    ...(await read(sources.map((file) => `src/${file}`))).match(/(?<=")\w+(?=")/g),
  ];
  return new RegExp(`^(${[...new Set(names)].join("|")})$`);
}

/** What these files say, without comments. */
async function read(files) {
  const texts = await Promise.all(files.map((file) => readFile(file, "utf8")));
  return texts.join("\n").replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
}
