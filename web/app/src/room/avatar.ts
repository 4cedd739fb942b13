/** The picture of somebody without a picture: initials, and a colour that a name always gets. */

/** How many `.hue-N` classes styles/tile.css has. */
export const AVATAR_HUES = 10;

const segments = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** The first letters of the first and the last word; whole graphemes, so that no emoji or accent is cut in two. */
export function initials(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends
    .map((word) => firstGrapheme(word ?? ""))
    .join("")
    .toLocaleUpperCase();
}

/** FNV-1a, for an even spread over few values. */
export function hueOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash % AVATAR_HUES;
}

function firstGrapheme(word: string): string {
  for (const { segment } of segments.segment(word)) return segment;
  return "";
}
