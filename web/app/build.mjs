/**
 * Builds the room app into dist/: scripts and one style sheet with content hashes in their names, and the page that
 * names those of the beginning. Everything is served from one origin under a strict CSP, so nothing is inlined.
 */

import { cp, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { build } from "esbuild";

const DIST = new URL("dist/", import.meta.url);
const SOURCE = new URL("src/", import.meta.url);

await rm(DIST, { recursive: true, force: true });
await mkdir(DIST);
await cp(new URL("public/", import.meta.url), DIST, { recursive: true });

const { metafile } = await build({
  entryPoints: [new URL("main.tsx", SOURCE).pathname, new URL("styles/main.css", SOURCE).pathname],
  entryNames: "[name]-[hash]",
  chunkNames: "[name]-[hash]",
  splitting: true, // What is imported when it is needed has a file of its own.
  outdir: new URL("assets/", DIST).pathname,
  bundle: true,
  minify: true,
  format: "esm",
  target: ["es2022", "chrome109", "firefox115", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  legalComments: "linked",
  metafile: true,
});

const page = await readFile(new URL("index.html", import.meta.url), "utf8");
await writeFile(
  new URL("index.html", DIST),
  page
    .replace("%SCRIPT%", assetPath("main.tsx"))
    .replace("%STYLE%", assetPath("main.css"))
    .replace("%PRELOAD%", preloads("main.tsx")),
);

/** What a script needs from the beginning is asked for with it, not behind it. */
function preloads(entry) {
  const { imports } =
    Object.values(metafile.outputs).find(({ entryPoint }) => entryPoint?.endsWith(entry)) ?? {};
  const needed = imports?.filter(({ kind }) => kind === "import-statement") ?? [];
  return needed
    .map(({ path }) => `<link rel="modulepreload" href="/assets/${basename(path)}">`)
    .join("\n    ");
}

/** Absolute, because the same page is served for `/` and `/r/NAME`. */
function assetPath(entry) {
  const [output] =
    Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint?.endsWith(entry)) ?? [];
  if (output === undefined) throw new Error(`esbuild made nothing of ${entry}`);
  return `/assets/${basename(output)}`;
}
