/**
 * Characters that are drawn as nothing, by which two names would differ and look the same (PROTOCOL.md, Text).
 *
 * `core/names.py` is the server's twin, which refuses them; both are held to protocol/fixtures/names.json.
 */

const BLANKS =
  "\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180d\\u180f\\u2065\\u2800\\u3164\\uffa0\\ufff0-\\ufff8";
const TAGS = "\\u{e0000}-\\u{e00ff}\\u{e01f0}-\\u{e0fff}";
/** Signs around numbers, of category Cf all the same. */
const SEEN_FORMATS = "\\u0600-\\u0605\\u06dd\\u070f\\u0890\\u0891\\u08e2\\u{110bd}\\u{110cd}";
const JOINERS = "\\u200c\\u200d";
/** What joiners do something between: emoji, and the letters of scripts without capitals. */
const JOINED = "\\p{Lo}\\p{Mn}\\p{Mc}\\p{So}\\p{Sk}";
const SELECTORS = "\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}";
/** What variation selectors do something behind; U+2139 is the one emoji that is a letter. */
const SELECTED = "\\p{Lo}\\p{So}\\p{Sm}\\p{Po}\\p{Pd}\\u2139";
const KEYCAP = "\\u20e3";

const UNSEEN = new RegExp(
  [
    `[\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}${BLANKS}${TAGS}]`,
    `(?![${SEEN_FORMATS}${JOINERS}])\\p{Cf}`,
    `(?<![${JOINED}])[${JOINERS}]|[${JOINERS}](?![${JOINED}])`,
    `(?<!^|[\\0-\\x7f${SELECTED}])[${SELECTORS}]|(?<=^|[\\0-\\x7f])[${SELECTORS}](?!${KEYCAP})`,
  ].join("|"),
  "gu",
);
const SHOWS = /[^\p{M}\p{Z}]/u;

/** `text` without what isn't seen. */
export function withoutUnseen(text: string): string {
  const seen = text.replace(UNSEEN, "");
  return seen === text ? text : withoutUnseen(seen); // what is left may have joined what is gone
}

/** Whether there is more than spaces and marks in `text`. */
export function showsSomething(text: string): boolean {
  return SHOWS.test(text);
}
