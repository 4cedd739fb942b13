/** One tile: a person or a shared screen, with the name and what is known of their microphone and connection. */

import type { ComponentChildren } from "preact";
import { MicrophoneOffIcon, ScreenIcon, WarningIcon } from "../icons.js";
import { ownName } from "./attributes.js";
import { Avatar } from "./avatar-view.js";
import type { PersonConnection } from "./person.js";
import type { Rectangle } from "./tile-layout.js";
import { Video } from "./video.js";

export interface TileProps {
  /** Stays with the element while the layout changes. */
  memberKey: string;
  kind: "person" | "screen";
  name: string;
  own: boolean;
  place: Rectangle;
  stream: MediaStream | null;
  mirrored?: boolean;
  microphoneOn: boolean;
  speaking: boolean;
  connection: PersonConnection;
  /** The mark of how they are reached, and of words that were compared. */
  quality?: ComponentChildren;
}

/** Narrower tiles have smaller text. */
const SMALL_TILE_PX = 200;

const CONNECTION_TEXTS: Readonly<Record<PersonConnection, string | null>> = {
  connecting: "Connecting…",
  connected: null,
  reconnecting: "Reconnecting…",
  failed: "Can't reach them",
  silent: "No media connection",
  unverified: "Has another link",
};

export function Tile(props: TileProps) {
  const { memberKey, kind, name, own, place, stream, mirrored = false, microphoneOn, speaking } = props;
  const connectionText = CONNECTION_TEXTS[props.connection];
  const muted = kind === "person" && !microphoneOn;
  return (
    <li
      class={`tile ${kind}${speaking ? " speaking" : ""}${place.width < SMALL_TILE_PX ? " small" : ""}`}
      style={{
        width: `${place.width}px`,
        height: `${place.height}px`,
        transform: `translate(${place.left}px, ${place.top}px)`,
      }}
      data-member-key={memberKey}
      data-kind={kind}
      data-drop={own ? undefined : memberKey}
    >
      {stream === null ? <Avatar name={name || "You"} /> : <Video stream={stream} mirrored={mirrored} />}
      {connectionText !== null && (
        <span class="tile-state">
          {isOver(props.connection) ? <WarningIcon /> : <span class="spinner" aria-hidden="true" />}
          {connectionText}
        </span>
      )}
      {props.quality}
      <span class="tile-name">
        {muted && <MicrophoneOffIcon />}
        {kind === "screen" && <ScreenIcon />}
        <bdi>{tileTitle(kind, name, own)}</bdi>
        {muted && <span class="visually-hidden">, microphone off</span>}
      </span>
    </li>
  );
}

function isOver(connection: PersonConnection): boolean {
  return connection === "failed" || connection === "silent" || connection === "unverified";
}

function tileTitle(kind: "person" | "screen", name: string, own: boolean): string {
  if (kind === "screen") return own ? "Your screen" : `${name}'s screen`;
  return own ? ownName(name) : name;
}
