/** What we give to the room: streams, their tracks, and the pairs they go to. */

import type { Publication } from "./api.js";
import { SheetbendError } from "./errors.js";
import type { Pair } from "./pair.js";
import { isLabel, LABEL_CHARS_MAX, STREAMS_MAX } from "./peer-messages.js";

export class Publisher {
  /** Kept apart from the streams, which the application may change under our hands. */
  readonly #tracks = new Map<Publication, Set<MediaStreamTrack>>();
  readonly #pairs: () => Pair[];

  /** @param pairs those that may have what we publish */
  constructor(pairs: () => Pair[]) {
    this.#pairs = pairs;
  }

  get publications(): Publication[] {
    return [...this.#tracks.keys()];
  }

  /** @throws SheetbendError `invalid_argument` */
  publish(stream: MediaStream, label: string): Publication {
    if (!isLabel(label)) throw invalid(`A label has 1 to ${LABEL_CHARS_MAX} characters.`);
    if (this.publications.length >= STREAMS_MAX)
      throw invalid(`At most ${STREAMS_MAX} streams can be published.`);
    if (this.publications.some((publication) => publication.stream === stream))
      throw invalid("The stream is published already.");
    for (const track of stream.getTracks()) this.#requireUnpublished(track);
    const publication: Publication = {
      stream,
      label,
      addTrack: (track) => this.#addTrack(publication, track),
      removeTrack: (track) => this.#removeTrack(publication, track),
      replaceTrack: (oldTrack, newTrack) => this.#replaceTrack(publication, oldTrack, newTrack),
      unpublish: () => this.#unpublish(publication),
    };
    this.#tracks.set(publication, new Set(stream.getTracks()));
    for (const pair of this.#pairs()) this.#give(pair, publication);
    return publication;
  }

  /** A pair was made, or what it may have has changed: it gets everything, or nothing any more. */
  review(pair: Pair, isAllowed: boolean): void {
    for (const [publication, tracks] of this.#tracks) {
      if (isAllowed) this.#give(pair, publication);
      else for (const track of tracks) pair.removeTrack(track);
    }
  }

  /** Labels by stream id, to send with a session description. */
  labels(): { [streamId: string]: string } {
    return Object.fromEntries(this.publications.map(({ stream, label }) => [stream.id, label]));
  }

  #give(pair: Pair, publication: Publication): void {
    for (const track of this.#tracks.get(publication) ?? []) pair.addTrack(track, publication.stream);
  }

  #addTrack(publication: Publication, track: MediaStreamTrack): void {
    const tracks = this.#tracks.get(publication);
    if (!tracks) throw invalid("It is not published any more.");
    this.#requireUnpublished(track);
    tracks.add(track);
    publication.stream.addTrack(track);
    for (const pair of this.#pairs()) pair.addTrack(track, publication.stream);
  }

  #removeTrack(publication: Publication, track: MediaStreamTrack): void {
    if (!this.#tracks.get(publication)?.delete(track)) return;
    publication.stream.removeTrack(track);
    for (const pair of this.#pairs()) pair.removeTrack(track);
  }

  async #replaceTrack(
    publication: Publication,
    oldTrack: MediaStreamTrack,
    newTrack: MediaStreamTrack,
  ): Promise<void> {
    const { stream } = publication;
    const tracks = this.#tracks.get(publication);
    if (!tracks?.has(oldTrack) || oldTrack.kind !== newTrack.kind) {
      throw invalid("Only a published track can be replaced, by one of its kind.");
    }
    if (oldTrack === newTrack) return;
    this.#requireUnpublished(newTrack);
    tracks.delete(oldTrack);
    tracks.add(newTrack);
    stream.removeTrack(oldTrack);
    stream.addTrack(newTrack);
    await Promise.all(this.#pairs().map((pair) => pair.replaceTrack(oldTrack, newTrack)));
  }

  #unpublish(publication: Publication): void {
    for (const track of this.#tracks.get(publication) ?? []) {
      for (const pair of this.#pairs()) pair.removeTrack(track);
    }
    this.#tracks.delete(publication);
  }

  /** A peer connection sends a track once. */
  #requireUnpublished(track: MediaStreamTrack): void {
    if ([...this.#tracks.values()].some((tracks) => tracks.has(track))) {
      throw invalid("The track is published already.");
    }
  }
}

function invalid(message: string): SheetbendError {
  return new SheetbendError("invalid_argument", message);
}
