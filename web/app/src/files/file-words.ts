/** Sentences and figures about files. */

import { SheetbendError } from "sheetbend";
import type { FileErrorCode } from "sheetbend/files";
import { errorWords } from "../room/error-words.js";
import type { Progress } from "./meter.js";

const UNITS = ["bytes", "kB", "MB", "GB", "TB"];

/** In powers of ten, as file managers and data plans count. */
export function sizeWords(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit++;
  }
  if (unit === 0) return bytes === 1 ? "1 byte" : `${bytes} bytes`;
  return `${value < 9.95 ? value.toFixed(1).replace(/\.0$/, "") : Math.round(value)} ${UNITS[unit]}`;
}

export function leftWords(seconds: number): string {
  if (seconds < 1) return "a moment left";
  if (seconds < 60) return `${Math.ceil(seconds)} s left`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min left`;
  const hours = Math.floor(seconds / 3600);
  return hours < 48 ? `${hours} h ${Math.round((seconds % 3600) / 60)} min left` : "days left";
}

/** As short as a line, because it changes all the time. */
export function progressWords({ done, size, bytesPerS }: Progress): string {
  const percent = `${percentOf({ done, size })} %`;
  if (done >= size) return `${percent} · checking`;
  if (bytesPerS === null) return percent;
  if (bytesPerS === 0) return `${percent} · waiting for the connection`;
  return `${percent} · ${sizeWords(Math.round(bytesPerS))}/s · ${leftWords((size - done) / bytesPerS)}`;
}

export function percentOf({ done, size }: Pick<Progress, "done" | "size">): number {
  return size === 0 ? 100 : Math.floor((done / size) * 100);
}

/** Why somebody didn't get a file, for who sent it. */
export function sendFailure(error: unknown, name: string): string {
  switch (fileCodeOf(error)) {
    case "file_declined":
      return `${name} declined it.`;
    case "file_cancelled":
      return `${name} stopped it.`;
    case "file_not_read":
      return "The file changed, or can't be read any more. Choose it again.";
    case "file_corrupt":
      return `It arrived altered at ${name}, and was thrown away. Send it again.`;
    case "file_not_written":
      return `${name} couldn't save it: the disk may be full.`;
    case "invalid_transfer":
      return `${name}'s program and this page misunderstand each other.`;
    case null:
      return lossWords(error, name);
  }
}

/** Why a file didn't come, for who wanted it. */
export function receiveFailure(error: unknown, name: string): string {
  switch (fileCodeOf(error)) {
    case "file_corrupt":
      return `What came isn't what was sent, and was thrown away. Ask ${name} to send it again.`;
    case "file_not_written":
      return "It can't be saved: the disk may be full, or the browser refused the file.";
    case "invalid_transfer":
      return `${name}'s program and this page misunderstand each other.`;
    case "file_declined":
    case "file_not_read":
    case "file_cancelled":
      return `${name} stopped it.`;
    case null:
      return lossWords(error, name);
  }
}

function lossWords(error: unknown, name: string): string {
  const isLost = error instanceof SheetbendError && LOST.includes(error.code);
  return isLost ? `The connection with ${name} was lost.` : errorWords(error);
}

const LOST: readonly string[] = ["delivery_unknown", "member_gone", "link_broken"];

/** What `sheetbend/files` throws. By name: its class comes later than this page, in a script of its own. */
export function fileCodeOf(error: unknown): FileErrorCode | null {
  const isFileError = error instanceof Error && error.name === "FileError" && "code" in error;
  return isFileError ? (error.code as FileErrorCode) : null;
}

export type FileKind = "picture" | "video" | "sound" | "archive" | "text" | "program" | "other";

const ENDINGS: Readonly<Record<Exclude<FileKind, "other">, string>> = {
  picture: "avif bmp gif heic ico jpeg jpg png svg tif tiff webp",
  video: "avi m4v mkv mov mp4 mpeg mpg ogv webm",
  sound: "aac aiff flac m4a mid mp3 oga ogg opus wav wma",
  archive: "7z bz2 gz iso rar tar tgz xz zip zst",
  text: "csv doc docx epub htm html json key log md numbers odp ods odt pages pdf ppt pptx rtf tex txt xls xlsx xml",
  program:
    "apk app appimage bat cmd com cpl deb dll dmg exe hta inf jar js jse lnk msc msi msix pif pkg ps1 reg \
rpm scr sh url vb vbe vbs wsf wsh",
};

const KINDS: ReadonlyMap<string, FileKind> = new Map(
  (Object.keys(ENDINGS) as Exclude<FileKind, "other">[]).flatMap((kind) =>
    ENDINGS[kind].split(/\s+/).map((ending) => [ending, kind]),
  ),
);

/** By the end of the name, because that is what systems go by. */
export function kindOf(name: string): FileKind {
  return KINDS.get(partsOf(name).ending.slice(1).toLowerCase()) ?? "other";
}

/** The ending stays in sight when a long name is cut. */
export function partsOf(name: string): { stem: string; ending: string } {
  const dot = name.lastIndexOf(".");
  const cut = dot > 0 && name.length - dot <= 12 ? dot : name.length;
  return { stem: name.slice(0, cut), ending: name.slice(cut) };
}

/** "Ada", "Ada and Bob", "5 people". */
export function peopleWords(names: readonly string[]): string {
  return names.length < 3 ? names.join(" and ") : `${names.length} people`;
}
