/** Who is in the room, and the state of each: microphone, camera, screen, connection. */

import type { MemberConnection } from "sheetbend";
import { CameraIcon, CameraOffIcon, MicrophoneIcon, MicrophoneOffIcon, ScreenIcon } from "../icons.js";
import type { Devices } from "../media/devices.js";
import type { ScreenShare } from "../media/screen-share.js";
import { ownName } from "./attributes.js";
import { Avatar } from "./avatar-view.js";
import type { Call } from "./call.js";
import { Panel } from "./panel.js";
import type { Person } from "./person.js";

export interface MembersPanelProps {
  call: Call;
  devices: Devices;
  screenShare: ScreenShare;
  modal: boolean;
  onClose: () => void;
}

const CONNECTION_TEXTS: Readonly<Record<MemberConnection, string>> = {
  connecting: "Connecting…",
  connected: "Connected",
  reconnecting: "Reconnecting…",
  failed: "No connection",
};

export function MembersPanel({ call, devices, screenShare, modal, onClose }: MembersPanelProps) {
  return (
    <Panel title="Members" modal={modal} onClose={onClose}>
      <ul class="members">
        <Row
          name={ownName(call.name.value)}
          avatarName={call.name.value || "You"}
          detail={call.reconnecting.value ? "Reconnecting…" : "Connected"}
          microphoneOn={devices.microphone.live.value}
          cameraOn={devices.camera.live.value}
          screenShared={screenShare.stream.value !== null}
        />
        {call.people.value.map((person) => (
          <PersonRow key={person.key} person={person} />
        ))}
      </ul>
    </Panel>
  );
}

function PersonRow({ person }: { person: Person }) {
  const name = person.name.value;
  return (
    <Row
      name={name}
      avatarName={name}
      detail={CONNECTION_TEXTS[person.connection.value]}
      microphoneOn={person.microphoneOn.value}
      cameraOn={person.cameraOn.value}
      screenShared={person.screen.value !== null}
    />
  );
}

interface RowProps {
  name: string;
  avatarName: string;
  detail: string;
  microphoneOn: boolean;
  cameraOn: boolean;
  screenShared: boolean;
}

function Row({ name, avatarName, detail, microphoneOn, cameraOn, screenShared }: RowProps) {
  return (
    <li class="member">
      <Avatar name={avatarName} />
      <span class="member-text">
        <bdi class="member-name">{name}</bdi>
        <span class="member-detail">{detail}</span>
      </span>
      <span class="member-state">
        {screenShared && <State icon={<ScreenIcon />} text="Shares a screen" on />}
        <State
          icon={microphoneOn ? <MicrophoneIcon /> : <MicrophoneOffIcon />}
          text={microphoneOn ? "Microphone on" : "Microphone off"}
          on={microphoneOn}
        />
        <State
          icon={cameraOn ? <CameraIcon /> : <CameraOffIcon />}
          text={cameraOn ? "Camera on" : "Camera off"}
          on={cameraOn}
        />
      </span>
    </li>
  );
}

function State({ icon, text, on }: { icon: preact.JSX.Element; text: string; on: boolean }) {
  return (
    <span class={on ? "state" : "state off"} title={text}>
      {icon}
      <span class="visually-hidden">{text}</span>
    </span>
  );
}
