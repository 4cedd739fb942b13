/** Where a file goes that comes: to the disk as it comes where the browser can, else through memory to the downloads. */

import type { AcceptOptions, FileOffer } from "sheetbend/files";

/** The browser may hold so much in memory, or may not: beyond that it is likely to end the page. */
export const MEMORY_BYTES_MAX = 500_000_000;

export interface Destination {
  /** In bytes. */
  readonly sizeMax: number;
  /** Resolves when the whole file is there; rejects as the offer does. Again with the next offer of the same file. */
  take(offer: FileOffer, options: AcceptOptions): Promise<Saved>;
  /** Nothing more will come. */
  discard(): void;
}

export interface Saved {
  words: string;
  /** Where the browser has it still. */
  saveAgain: (() => void) | null;
}

interface SavePicker {
  showSaveFilePicker(options: { suggestedName: string }): Promise<FileSystemFileHandle>;
}

export function takesAnySize(): boolean {
  return "showSaveFilePicker" in window;
}

/** To be called within a click. Null: the person thinks it over. */
export async function chooseDestination(name: string): Promise<Destination | null> {
  if (!hasPicker(window)) return new Downloads();
  try {
    const handle = await window.showSaveFilePicker({ suggestedName: name });
    return new Disk(handle.name, await handle.createWritable());
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") return null;
    return new Downloads(); // Not in this frame, or not in this folder.
  }
}

function hasPicker(scope: object): scope is SavePicker {
  return "showSaveFilePicker" in scope;
}

class Disk implements Destination {
  readonly sizeMax = Number.POSITIVE_INFINITY;
  readonly #name: string;
  readonly #stream: FileSystemWritableFileStream;

  constructor(name: string, stream: FileSystemWritableFileStream) {
    this.#name = name;
    this.#stream = stream;
  }

  async take(offer: FileOffer, options: AcceptOptions): Promise<Saved> {
    await offer.acceptInto(this.#stream, options);
    return { words: `Saved as ${this.#name}`, saveAgain: null };
  }

  discard(): void {
    this.#stream.abort().catch(() => {}); // It is closed already.
  }
}

class Downloads implements Destination {
  readonly sizeMax = MEMORY_BYTES_MAX;

  async take(offer: FileOffer, options: AcceptOptions): Promise<Saved> {
    const file = await offer.accept(options);
    const saveAgain = () => download(file);
    saveAgain();
    return { words: "Saved to your downloads", saveAgain };
  }

  discard(): void {}
}

function download(file: File): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  // The browser has begun to read it by then.
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
