/** Plays the sound of everybody, whether or not their picture is shown. */

import { useEffect, useRef } from "preact/hooks";
import type { Playback } from "../media/playback.js";
import type { Person } from "./person.js";

export function AudioOutlets({ people, playback }: { people: readonly Person[]; playback: Playback }) {
  return (
    <>
      {people.map((person) => (
        <PersonSound key={person.key} person={person} playback={playback} />
      ))}
    </>
  );
}

function PersonSound({ person, playback }: { person: Person; playback: Playback }) {
  const streams = [person.camera.value, person.screen.value].filter((incoming) => incoming?.sound);
  return (
    <>
      {streams.map(
        (incoming) =>
          incoming && <Sound key={incoming.stream.id} stream={incoming.stream} playback={playback} />,
      )}
    </>
  );
}

function Sound({ stream, playback }: { stream: MediaStream; playback: Playback }) {
  const audio = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const element = audio.current;
    if (element === null) return;
    element.srcObject = stream;
    void playback.play(element);
    return () => {
      element.srcObject = null;
      playback.forget(element);
    };
  }, [stream, playback]);
  // biome-ignore lint/a11y/useMediaCaption: what people say in a call has no captions
  return <audio ref={audio} />;
}
