/** The stage: everybody's tiles and the shared screens, laid out over the whole space there is. */

import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { ScreenShare } from "../media/screen-share.js";
import { useElementSize } from "../ui/use-element-size.js";
import type { Call } from "./call.js";
import { ConnectionButton } from "./connection-button.js";
import { useOwnMeter, useOwnStream } from "./own-media.js";
import type { Person } from "./person.js";
import { Tile } from "./tile.js";
import { layoutStage, type Rectangle } from "./tile-layout.js";

const GAP_PX = 10;
/** More faces than this can't be told apart; the members panel lists everybody. */
export const PEOPLE_SHOWN_MAX = 24;
export const OWN_KEY = "self";

export interface StageProps {
  call: Call;
  devices: Devices;
  screenShare: ScreenShare;
  meters: LevelMeters;
  /** Somebody wants to know how a person is reached. */
  onLook: (person: Person) => void;
}

export function Stage({ call, devices, screenShare, meters, onLook }: StageProps) {
  const [tiles, size] = useElementSize<HTMLUListElement>();
  const people = call.people.value.slice(0, PEOPLE_SHOWN_MAX - 1);
  const sharing = call.people.value.filter((person) => person.screen.value?.picture);
  const ownScreen = screenShare.stream.value;
  const screens = sharing.length + (ownScreen === null ? 0 : 1);
  const places = layoutStage(size, { people: people.length + 1, screens }, GAP_PX);
  const [ownPlace, ...otherPlaces] = places.people;
  const screenPlaces = [...places.screens];
  const ownScreenPlace = ownScreen === null ? undefined : screenPlaces.pop();
  return (
    <ul class="tiles" ref={tiles} aria-label="People">
      {zip(sharing, screenPlaces).map(([person, place]) => (
        <PersonScreenTile key={`screen-${person.key}`} person={person} place={place} />
      ))}
      {ownScreen !== null && ownScreenPlace && (
        <Tile
          key="own-screen"
          {...OWN_TILE}
          kind="screen"
          name={call.name.value}
          place={ownScreenPlace}
          stream={ownScreen}
          speaking={false}
          microphoneOn
        />
      )}
      {ownPlace && <OwnTile key={OWN_KEY} call={call} devices={devices} meters={meters} place={ownPlace} />}
      {zip(people, otherPlaces).map(([person, place]) => (
        <PersonTile key={person.key} person={person} place={place} onLook={onLook} />
      ))}
    </ul>
  );
}

interface PersonTileProps {
  person: Person;
  place: Rectangle;
  onLook: (person: Person) => void;
}

const OWN_TILE = { memberKey: OWN_KEY, own: true, connection: "connected" } as const;

function PersonTile({ person, place, onLook }: PersonTileProps) {
  return (
    <Tile
      memberKey={person.key}
      kind="person"
      name={person.name.value}
      own={false}
      place={place}
      stream={person.cameraOn.value ? (person.camera.value?.stream ?? null) : null}
      microphoneOn={person.microphoneOn.value}
      speaking={person.speaking.value}
      connection={person.connection.value}
      quality={<ConnectionButton person={person} class="tile-quality" onLook={onLook} />}
    />
  );
}

function PersonScreenTile({ person, place }: { person: Person; place: Rectangle }) {
  return (
    <Tile
      memberKey={person.key}
      kind="screen"
      name={person.name.value}
      own={false}
      place={place}
      stream={person.screen.value?.stream ?? null}
      microphoneOn
      speaking={false}
      connection={person.connection.value}
    />
  );
}

interface OwnTileProps {
  call: Call;
  devices: Devices;
  meters: LevelMeters;
  place: Rectangle;
}

function OwnTile({ call, devices, meters, place }: OwnTileProps) {
  const stream = useOwnStream(devices.camera);
  const meter = useOwnMeter(devices.microphone, meters);
  return (
    <Tile
      {...OWN_TILE}
      kind="person"
      name={call.name.value}
      place={place}
      stream={stream.value}
      mirrored
      microphoneOn={devices.microphone.live.value}
      speaking={devices.microphone.live.value && (meter.value?.speaking.value ?? false)}
    />
  );
}

/** Pairs up to the end of the shorter list. */
function zip<A, B>(first: readonly A[], second: readonly B[]): [A, B][] {
  return first.flatMap((a, index) => {
    const b = second[index];
    return b === undefined ? [] : [[a, b] satisfies [A, B]];
  });
}
