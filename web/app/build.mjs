/**
 * Builds the room app into dist/: one script and one style sheet with content hashes in their names, and the page
 * that names them. Everything is served from one origin under a strict CSP, so nothing is inlined.
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
  page.replace("%SCRIPT%", assetPath(".js")).replace("%STYLE%", assetPath(".css")),
);

/** Absolute, because the same page is served for `/` and `/r/NAME`. */
function assetPath(extension) {
  const output = Object.keys(metafile.outputs).find((path) => path.endsWith(extension));
  if (output === undefined) throw new Error(`esbuild wrote no ${extension} file`);
  return `/assets/${basename(output)}`;
}
