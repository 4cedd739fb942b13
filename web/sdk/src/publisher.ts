/** What we give to the room: streams, their tracks, and the pairs they go to. */

import type { Publication } from "./api.js";
import { SheetbendError } from "./errors.js";
import type { Pair } from "./pair.js";
import { isLabel, LABEL_CHARS_MAX, STREAMS_MAX } from "./peer-messages.js";

/** @param pairs those that may have what we publish */
export function createPublisher(pairs: () => Pair[]) {
  /** Kept apart from the streams, which the application may change under our hands. */
  const published = new Map<Publication, Set<MediaStreamTrack>>();

  /** @throws SheetbendError `invalid_argument` */
  function publish(stream: MediaStream, label: string): Publication {
    require(isLabel(label), `A label has 1 to ${LABEL_CHARS_MAX} characters.`);
    require(published.size < STREAMS_MAX, `At most ${STREAMS_MAX} streams can be published.`);
    for (const known of published.keys())
      require(known.stream !== stream, "The stream is published already.");
    const tracks = new Set(stream.getTracks());
    tracks.forEach(requireUnpublished);

    const publication: Publication = {
      stream,
      label,

      addTrack(track) {
        require(published.has(publication), "It is not published any more.");
        requireUnpublished(track);
        tracks.add(track);
        stream.addTrack(track);
        give(track);
      },

      removeTrack(track) {
        if (!tracks.delete(track)) return;
        stream.removeTrack(track);
        takeBack(track);
      },

      async replaceTrack(oldTrack, newTrack) {
        const isAlike = tracks.has(oldTrack) && oldTrack.kind === newTrack.kind;
        require(isAlike, "Only a published track can be replaced, by one of its kind.");
        if (oldTrack === newTrack) return;
        requireUnpublished(newTrack);
        tracks.delete(oldTrack);
        tracks.add(newTrack);
        stream.removeTrack(oldTrack);
        stream.addTrack(newTrack);
        await Promise.all(pairs().map((pair) => pair.replaceTrack(oldTrack, newTrack)));
      },

      unpublish() {
        published.delete(publication);
        tracks.forEach(takeBack);
        tracks.clear();
      },
    };

    function give(track: MediaStreamTrack): void {
      for (const pair of pairs()) pair.addTrack(track, stream);
    }

    published.set(publication, tracks);
    tracks.forEach(give);
    return publication;
  }

  function takeBack(track: MediaStreamTrack): void {
    for (const pair of pairs()) pair.removeTrack(track);
  }

  /** A peer connection sends a track once. */
  function requireUnpublished(track: MediaStreamTrack): void {
    for (const tracks of published.values()) require(!tracks.has(track), "The track is published already.");
  }

  return {
    get publications(): Publication[] {
      return [...published.keys()];
    },

    publish,

    /** A pair was made, or what it may have has changed: it gets everything, or nothing any more. */
    review(pair: Pair, isAllowed: boolean): void {
      for (const [{ stream }, tracks] of published) {
        for (const track of tracks) {
          if (isAllowed) pair.addTrack(track, stream);
          else pair.removeTrack(track);
        }
      }
    },

    /** Labels by stream id, to send with a session description. */
    labels: (): { [streamId: string]: string } =>
      Object.fromEntries([...published.keys()].map(({ stream, label }) => [stream.id, label])),
  };
}

function require(holds: boolean, otherwise: string): void {
  if (!holds) throw new SheetbendError("invalid_argument", otherwise);
}
