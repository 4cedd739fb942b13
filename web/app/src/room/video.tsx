/** A stream's picture. Sound is audio-outlets.tsx's, so that it plays on when no picture is shown. */

import { useLayoutEffect, useRef } from "preact/hooks";

export interface VideoProps {
  stream: MediaStream;
  /** One's own face, as in a mirror. */
  mirrored?: boolean;
}

export function Video({ stream, mirrored = false }: VideoProps) {
  const video = useRef<HTMLVideoElement>(null);
  useLayoutEffect(() => {
    const element = video.current;
    if (element === null) return;
    element.srcObject = stream;
    // Muted pictures may always play; a refusal only means that the stream changed meanwhile.
    void element.play().catch(() => undefined);
    return () => {
      element.srcObject = null;
    };
  }, [stream]);
  return <video ref={video} class={mirrored ? "video mirrored" : "video"} muted playsInline autoPlay />;
}
