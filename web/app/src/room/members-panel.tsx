/** Who is in the room and in its lobby, the state of each, and what a moderator may do about it. */

import { useSignal } from "@preact/signals";
import { type ComponentChildren, Fragment } from "preact";
import { useId } from "preact/hooks";
import type { Self } from "sheetbend";
import { takesFiles } from "../files/recipients.js";
import {
  CameraIcon,
  CameraOffIcon,
  ChatOffIcon,
  KeyIcon,
  MicrophoneIcon,
  MicrophoneOffIcon,
  MoreIcon,
  PaperclipIcon,
  ScreenIcon,
  ShieldIcon,
  StarIcon,
} from "../icons.js";
import type { Devices } from "../media/devices.js";
import type { ScreenShare } from "../media/screen-share.js";
import { useFocusKept } from "../ui/focus.js";
import { ownName } from "./attributes.js";
import { Avatar } from "./avatar-view.js";
import type { Call } from "./call.js";
import { ConnectionButton, isVerified } from "./connection-button.js";
import { KnockAnswers } from "./knock-card.js";
import { MemberActions } from "./member-actions.js";
import type { Moderation } from "./moderation.js";
import { Panel } from "./panel.js";
import type { Person, PersonConnection } from "./person.js";
import { PATH_WORDS } from "./quality.js";
import { RemoveDialog } from "./remove-dialog.js";

export interface MembersPanelProps {
  call: Call;
  self: Self;
  moderation: Moderation;
  devices: Devices;
  screenShare: ScreenShare;
  modal: boolean;
  /** What must be seen while the panel covers the page. */
  top: ComponentChildren;
  maySendFiles: boolean;
  onSendFiles: (person: Person) => void;
  /** Somebody wants to know how a person is reached. */
  onLook: (person: Person) => void;
  onClose: () => void;
}

const CONNECTION_TEXTS: Readonly<Record<PersonConnection, string | null>> = {
  connecting: "Connecting…",
  connected: null,
  reconnecting: "Reconnecting…",
  failed: "No connection",
  silent: "No media connection",
  unverified: "Has another link",
};

export function MembersPanel(props: MembersPanelProps) {
  const { call, self, moderation, devices, screenShare, modal, top, maySendFiles, onLook, onClose } = props;
  /** Whose actions are shown, by key: one at a time. */
  const chosen = useSignal<string | null>(null);
  const removing = useSignal<Person | null>(null);
  const people = call.people.value;
  const moderates = moderation.allowed.value;
  return (
    <Panel title="Members" modal={modal} onClose={onClose}>
      {top}
      <div class="members">
        {moderates && <Lobby moderation={moderation} />}
        <ul>
          <Row
            name={ownName(call.name.value)}
            avatarName={call.name.value || "You"}
            connection={call.reconnecting.value ? "Reconnecting…" : null}
            moderator={moderates}
            chatMuted={self.muted}
            microphoneOn={devices.microphone.live.value}
            cameraOn={devices.camera.live.value}
            screenShared={screenShare.stream.value !== null}
          />
          {people.map((person) => (
            <PersonRow
              key={person.key}
              person={person}
              moderation={moderation}
              onSendFiles={maySendFiles && takesFiles(person) ? () => props.onSendFiles(person) : null}
              open={chosen.value === person.key}
              onToggle={() => {
                chosen.value = chosen.peek() === person.key ? null : person.key;
              }}
              onRemove={() => {
                removing.value = person;
              }}
              onLook={onLook}
            />
          ))}
        </ul>
        <RoomSealing hasSecret={call.link.secret !== null} />
      </div>
      {moderates && removing.value !== null && people.includes(removing.value) && (
        <RemoveDialog
          person={removing.value}
          moderation={moderation}
          onClose={() => {
            removing.value = null;
          }}
        />
      )}
    </Panel>
  );
}

/** What the room's link is worth against its server. */
function RoomSealing({ hasSecret }: { hasSecret: boolean }) {
  return (
    <p class="room-sealing">
      <KeyIcon />
      <span>
        <span class="strong">{hasSecret ? "Sealed by its link." : "Not sealed by its link."}</span>{" "}
        {hasSecret
          ? "Calls are closed to whoever hasn't all of it, the server included. Chat isn't: the server can read it."
          : "Whoever runs the server could stand in between, unless you compare safety words with each member: their bars lead there."}
      </span>
    </p>
  );
}

function Lobby({ moderation }: { moderation: Moderation }) {
  const titleId = useId();
  const waiting = moderation.waiting.value;
  if (waiting.length === 0) return null;
  return (
    <section class="lobby-list" aria-labelledby={titleId}>
      <h3 id={titleId}>Waiting to be let in ({waiting.length})</h3>
      <ul>
        {waiting.map((each) => (
          <li key={each.userId} class="member-waiting">
            <Avatar name={each.name} />
            <bdi class="member-name">{each.name}</bdi>
            <KnockAnswers moderation={moderation} waiting={each} />
          </li>
        ))}
      </ul>
    </section>
  );
}

interface PersonRowProps {
  person: Person;
  moderation: Moderation;
  /** Null: not to them. */
  onSendFiles: (() => void) | null;
  open: boolean;
  onToggle: () => void;
  onRemove: () => void;
  onLook: (person: Person) => void;
}

function PersonRow({ person, moderation, onSendFiles, open, onToggle, onRemove, onLook }: PersonRowProps) {
  const actionsId = useId();
  const name = person.name.value;
  const moderates = moderation.allowed.value;
  return (
    <Row
      name={name}
      dropKey={person.key}
      avatarName={name}
      connection={CONNECTION_TEXTS[person.connection.value] ?? wayTo(person)}
      verified={isVerified(person)}
      quality={<ConnectionButton person={person} class="member-quality" onLook={onLook} />}
      moderator={person.can.value.has("moderate")}
      chatMuted={person.chatMuted.value}
      microphoneOn={person.microphoneOn.value}
      cameraOn={person.cameraOn.value}
      screenShared={person.screen.value !== null}
      button={
        moderates ? (
          <button
            type="button"
            class="icon-button"
            aria-label={`Actions for ${name}`}
            aria-expanded={open}
            aria-controls={open ? actionsId : undefined}
            onClick={onToggle}
          >
            <MoreIcon />
          </button>
        ) : (
          onSendFiles !== null && (
            <button
              type="button"
              class="icon-button"
              aria-label={`Send files to ${name}`}
              onClick={onSendFiles}
            >
              <PaperclipIcon />
            </button>
          )
        )
      }
    >
      {moderates && open && (
        <MemberActions
          id={actionsId}
          person={person}
          moderation={moderation}
          onSendFiles={onSendFiles}
          onRemove={onRemove}
        />
      )}
    </Row>
  );
}

function wayTo(person: Person): string | null {
  const quality = person.quality.value;
  return quality && PATH_WORDS[quality.path];
}

interface RowProps {
  name: string;
  /** Whoever takes files that are dropped here. */
  dropKey?: string;
  avatarName: string;
  /** Null: all is well. */
  connection: string | null;
  moderator: boolean;
  chatMuted: boolean;
  microphoneOn: boolean;
  cameraOn: boolean;
  screenShared: boolean;
  verified?: boolean;
  quality?: ComponentChildren;
  button?: ComponentChildren;
  /** Below the row. */
  children?: ComponentChildren;
}

function Row({ name, dropKey, avatarName, connection, quality, button, children, ...states }: RowProps) {
  const { microphoneOn, cameraOn, screenShared } = states;
  const roles = roleTexts(states);
  const row = useFocusKept<HTMLLIElement>();
  return (
    <li ref={row} class="member" data-drop={dropKey}>
      <div class="member-row">
        <Avatar name={avatarName} />
        <span class="member-text">
          <bdi class="member-name">{name}</bdi>
          <span class="member-detail">
            {roles.map(({ text, icon }, index) => (
              <Fragment key={text}>
                {index > 0 && " · "}
                <span class="member-role">
                  {icon}
                  {text}
                </span>
              </Fragment>
            ))}
            {roles.length === 0 ? (connection ?? "Connected") : connection && ` · ${connection}`}
          </span>
        </span>
        <span class="member-state">
          {quality}
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
        {button}
      </div>
      {children}
    </li>
  );
}

interface Roles {
  moderator: boolean;
  chatMuted: boolean;
  verified?: boolean;
}

function roleTexts({ moderator, chatMuted, verified = false }: Roles) {
  return [
    ...(verified ? [{ text: "Words compared", icon: <ShieldIcon /> }] : []),
    ...(moderator ? [{ text: "Moderator", icon: <StarIcon /> }] : []),
    ...(chatMuted ? [{ text: "Chat muted", icon: <ChatOffIcon /> }] : []),
  ];
}

function State({ icon, text, on }: { icon: preact.JSX.Element; text: string; on: boolean }) {
  return (
    <span class={on ? "state" : "state off"} title={text}>
      {icon}
      <span class="visually-hidden">{text}</span>
    </span>
  );
}
