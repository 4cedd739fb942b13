/** Names of files that come from others. */

/** Of the 255 bytes that file systems take. */
const NAME_BYTES_MAX = 200;
const SUFFIX_BYTES_MAX = 20;
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\u115f\u1160\u2800\u3164\uffa0]/gu;
const DEVICES = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?$/i;

/** A name for a file that is one on every system, hides nothing and leads nowhere else. */
export function safeName(name: string): string {
  const last = name.normalize("NFC").split(/[/\\]/).at(-1) ?? "";
  const seen = last.replace(UNSEEN, "").replace(/[<>:"|?*]/g, "_");
  // Behind many spaces the end of a name isn't looked for.
  const plain = trimmed(seen.replace(/\p{Zs}+/gu, " "));
  return shortened(DEVICES.test(plain) ? `_${plain}` : plain) || "file";
}

/** What programs go by is the end of a name: of a long one the middle goes. */
function shortened(name: string): string {
  const dot = name.lastIndexOf(".");
  const isSuffixed = dot > 0 && bytesIn(name.slice(dot + 1)) <= SUFFIX_BYTES_MAX;
  const suffix = isSuffixed ? name.slice(dot) : "";
  let stem = isSuffixed ? name.slice(0, dot) : name;
  if (bytesIn(stem) + bytesIn(suffix) > NAME_BYTES_MAX) {
    const bytes = new TextEncoder().encode(stem).subarray(0, NAME_BYTES_MAX - bytesIn(suffix));
    stem = new TextDecoder().decode(bytes).replace(/\ufffd+$/, "");
  }
  return `${stem.replace(/[ .]+$/, "")}${suffix}`;
}

function trimmed(name: string): string {
  return name.replace(/^[ .]+|[ .]+$/g, "");
}

function bytesIn(text: string): number {
  return new TextEncoder().encode(text).length;
}
