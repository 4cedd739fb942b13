/** The room during a call: header, stage, controls and panels, and the keys that work them. */

import { effect, useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { useFileSharing } from "../files/use-file-sharing.js";
import type { Devices } from "../media/devices.js";
import type { LevelMeters } from "../media/level-meters.js";
import type { Playback } from "../media/playback.js";
import type { ScreenShare } from "../media/screen-share.js";
import type { Notices } from "../notices.js";
import type { Preferences } from "../preferences.js";
import { Dialog } from "../ui/dialog.js";
import { PageHeading } from "../ui/page-heading.js";
import { useMediaQuery } from "../ui/use-media-query.js";
import { AccessDialog } from "./access-dialog.js";
import { AudioOutlets } from "./audio-outlets.js";
import { Banners } from "./banners.js";
import type { Call, RoomVisit } from "./call.js";
import { ChatPanel } from "./chat-panel.js";
import { ConnectionDialog } from "./connection-dialog.js";
import { Controls, type PanelName } from "./controls.js";
import { toggle } from "./device-buttons.js";
import { Invitation, WaitingCard } from "./invitation.js";
import { KnockCard } from "./knock-card.js";
import { MembersPanel } from "./members-panel.js";
import type { Person } from "./person.js";
import { type DialogName, RoomHeader } from "./room-header.js";
import { SettingsDialog } from "./settings-dialog.js";
import { Stage } from "./stage.js";
import { useEscape, useShortcuts } from "./use-keys.js";

export interface RoomViewProps extends RoomVisit {
  call: Call;
  devices: Devices;
  screenShare: ScreenShare;
  meters: LevelMeters;
  playback: Playback;
  preferences: Preferences;
  notices: Notices;
}

/** As in styles/room.css: there panels cover the page. */
const NARROW = "(max-width: 720px)";

export function RoomView(props: RoomViewProps) {
  const { call, chat, moderation, files, devices, screenShare, preferences, notices, playback } = props;
  const panel = useSignal<PanelName | null>(null);
  const dialog = useSignal<DialogName | null>(null);
  /** Whose connection is looked at. */
  const looking = useSignal<Person | null>(null);
  const covered = useMediaQuery(NARROW) && panel.value !== null;
  const alone = call.people.value.length === 0;
  const self = props.self.value;
  const mayPublish = self.can.has("publish");
  const waitingCount = moderation.allowed.value ? moderation.waiting.value.length : 0;
  const shortcutsOn = preferences.values.value.shortcutsOn;
  const openPanel = (name: PanelName | null) => {
    panel.value = name;
  };
  const openDialog = (name: DialogName | null) => {
    dialog.value = name;
  };
  const look = (person: Person | null) => {
    looking.value = person;
  };
  const togglePanel = (name: PanelName) => openPanel(panel.peek() === name ? null : name);
  const closePanel = () => openPanel(null);
  const share = () => void toggleShare(screenShare, notices);
  useShortcuts(shortcutsOn, {
    m: () => mayPublish && void toggle(devices.microphone),
    v: () => mayPublish && void toggle(devices.camera),
    s: () => mayPublish && share(),
    c: () => togglePanel("chat"),
    p: () => togglePanel("members"),
  });
  useEscape(closePanel);
  useTroubleShown(devices, () => openDialog("settings"));
  useTitle(call.roomName, chat.unread.value, waitingCount, files.offered.value);
  const sharing = useFileSharing({ files, people: call.people.value, self, notices });
  // In the members panel the list of those who wait stands on top.
  const knock = panel.value !== "members" && (
    <KnockCard moderation={moderation} onShow={() => openPanel("members")} />
  );
  const FilesTray = files.list.value.length > 0 ? files.loaded.value?.FilesTray : undefined;
  const tray = FilesTray && <FilesTray files={files} />;
  return (
    <div class={`room${panel.value === null ? "" : " with-panel"}`}>
      <button type="button" class="skip-link" onClick={focusControls}>
        Skip to the call controls
      </button>
      <RoomHeader
        call={call}
        moderation={moderation}
        alone={alone}
        inert={covered}
        notices={notices}
        onOpen={openDialog}
      />
      <main class={`stage${alone ? " alone" : ""}`} inert={covered}>
        <PageHeading hidden>Room {call.roomName}</PageHeading>
        <Banners call={call} playback={playback}>
          {!covered && knock}
        </Banners>
        <Stage {...props} onLook={look} />
        {alone && <WaitingCard to={call.link} notices={notices} />}
        {!covered && tray}
      </main>
      <Controls
        devices={devices}
        screenShare={screenShare}
        unread={chat.unread.value}
        memberCount={call.people.value.length + 1}
        waitingCount={waitingCount}
        mayPublish={mayPublish}
        panel={panel.value}
        shortcutsOn={shortcutsOn}
        inert={covered}
        onPanel={togglePanel}
        onShare={share}
        onLeave={() => call.leave()}
      />
      {panel.value === "chat" && (
        <ChatPanel
          chat={chat}
          self={self}
          modal={covered}
          top={covered && [knock, tray]}
          onSendFiles={sharing.sendToAll}
          onClose={closePanel}
        />
      )}
      {panel.value === "members" && (
        <MembersPanel
          {...props}
          self={self}
          modal={covered}
          top={covered && tray}
          maySendFiles={sharing.allowed}
          onSendFiles={sharing.sendTo}
          onLook={look}
          onClose={closePanel}
        />
      )}
      {looking.value !== null && call.people.value.includes(looking.value) && (
        <ConnectionDialog person={looking.value} onClose={() => look(null)} />
      )}
      {dialog.value !== null && (
        <RoomDialog {...props} name={dialog.value} onClose={() => openDialog(null)} />
      )}
      {sharing.dropArea}
      <AudioOutlets people={call.people.value} playback={playback} />
    </div>
  );
}

/** The settings say what is wrong with a device, so they open when it was asked for in vain. */
function useTroubleShown(devices: Devices, show: () => void): void {
  useEffect(() => {
    const stops = [devices.microphone, devices.camera].map((device) => {
      let asked = false;
      return effect(() => {
        const inVain = asked && !device.asking.value && device.cause.peek() !== null;
        asked = device.asking.value;
        if (inVain) show();
      });
    });
    return () => {
      for (const stop of stops) stop();
    };
  }, [devices]);
}

function RoomDialog({ name, onClose, ...props }: RoomViewProps & { name: DialogName; onClose: () => void }) {
  if (name === "access") return <AccessDialog {...props} onClose={onClose} />;
  if (name === "settings") {
    const mayPublish = props.self.value.can.has("publish");
    return <SettingsDialog {...props} mayPublish={mayPublish} onClose={onClose} />;
  }
  return (
    <Dialog title="Invite others" onClose={onClose}>
      <Invitation to={props.call.link} />
    </Dialog>
  );
}

async function toggleShare(screenShare: ScreenShare, notices: Notices): Promise<void> {
  if (screenShare.stream.peek() !== null) screenShare.stop();
  else if (screenShare.available && !(await screenShare.start())) notices.show("No screen is shared");
}

/** Seen in another tab, too: what is unread, whether somebody waits at the door, or a file for an answer. */
function useTitle(roomName: string, unread: number, waiting: number, offered: number): void {
  useEffect(() => {
    const door = waiting > 0 ? "Somebody waits · " : "";
    const file = offered > 0 ? "A file for you · " : "";
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${door}${file}${roomName} · Sheetbend`;
    return () => {
      document.title = "Sheetbend";
    };
  }, [roomName, unread, waiting, offered]);
}

function focusControls(): void {
  document.querySelector<HTMLElement>("#controls button")?.focus();
}
