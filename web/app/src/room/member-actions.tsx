/** What a moderator can do about one member. */

import type { ComponentChildren } from "preact";
import {
  CameraOffIcon,
  ChatIcon,
  ChatOffIcon,
  MicrophoneOffIcon,
  PaperclipIcon,
  RemoveMemberIcon,
} from "../icons.js";
import { useFocusKept } from "../ui/focus.js";
import type { Moderation } from "./moderation.js";
import type { Person } from "./person.js";

export interface MemberActionsProps {
  id: string;
  person: Person;
  moderation: Moderation;
  /** Null: not to them. */
  onSendFiles: (() => void) | null;
  onRemove: () => void;
}

export function MemberActions({ id, person, moderation, onSendFiles, onRemove }: MemberActionsProps) {
  const muted = person.chatMuted.value;
  const pictures = picturesRequest(person.cameraOn.value, person.screen.value !== null);
  return (
    <ul id={id} class="member-actions">
      {onSendFiles !== null && <Action icon={<PaperclipIcon />} text="Send files…" onClick={onSendFiles} />}
      <Action
        icon={muted ? <ChatIcon /> : <ChatOffIcon />}
        text={muted ? "Allow chat again" : "Mute chat"}
        onClick={() => void moderation.muteChat(person, !muted)}
      />
      {person.microphoneOn.value && (
        <Action
          icon={<MicrophoneOffIcon />}
          text="Ask to mute microphone"
          onClick={() => void moderation.askToStop(person, "audio")}
        />
      )}
      {pictures !== null && (
        <Action
          icon={<CameraOffIcon />}
          text={pictures}
          onClick={() => void moderation.askToStop(person, "video")}
        />
      )}
      <Action icon={<RemoveMemberIcon />} text="Remove from room…" danger onClick={onRemove} />
    </ul>
  );
}

/** One request stops all the pictures that somebody sends. */
function picturesRequest(camera: boolean, screen: boolean): string | null {
  if (camera && screen) return "Ask to stop camera and screen";
  if (screen) return "Ask to stop sharing the screen";
  return camera ? "Ask to turn camera off" : null;
}

interface ActionProps {
  icon: ComponentChildren;
  text: string;
  danger?: boolean;
  onClick: () => void;
}

function Action({ icon, text, danger = false, onClick }: ActionProps) {
  const item = useFocusKept<HTMLLIElement>();
  return (
    <li ref={item}>
      <button type="button" class={danger ? "action danger" : "action"} onClick={onClick}>
        {icon}
        {text}
      </button>
    </li>
  );
}
