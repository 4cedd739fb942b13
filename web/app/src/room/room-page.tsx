/** Everything at a room's address: lobby, call, goodbye. Makes the stores of one visit and ends them with it. */

import { useEffect, useMemo } from "preact/hooks";
import { Devices } from "../media/devices.js";
import { LevelMeters } from "../media/level-meters.js";
import { Playback } from "../media/playback.js";
import { ScreenShare } from "../media/screen-share.js";
import type { Notices } from "../notices.js";
import type { Preferences } from "../preferences.js";
import { newRoomLink, type RoomLink, type Router } from "../route.js";
import type { TokenKeeper } from "../token.js";
import { Call } from "./call.js";
import { FailedPage } from "./failed-page.js";
import { LeftPage } from "./left-page.js";
import { Lobby } from "./lobby.js";
import { RoomView } from "./room-view.js";
import { TokenPage } from "./token-page.js";
import { WaitingPage } from "./waiting-page.js";

export interface RoomPageProps {
  link: RoomLink;
  router: Router;
  preferences: Preferences;
  notices: Notices;
  tokens: TokenKeeper;
}

export function RoomPage(props: RoomPageProps) {
  const { link, router, preferences, notices } = props;
  const roomName = link.room;
  const visit = useMemo(() => openVisit(props), []);
  useEffect(() => () => visit.close(), [visit]);
  const phase = visit.call.phase.value;
  useEffect(() => {
    if (phase.at === "lobby") void visit.devices.acquire();
  }, [visit, phase.at]);
  const rejoin = () => visit.call.returnToLobby();
  const openNew = async () => router.openRoom(await newRoomLink());
  switch (phase.at) {
    case "lobby":
    case "connecting":
      return (
        <Lobby
          {...visit}
          roomName={roomName}
          preferences={preferences}
          joining={phase.at === "connecting"}
          onJoin={(name, token) => void visit.call.join(name, token)}
          onHome={() => router.openHome()}
        />
      );
    case "waiting":
      return <WaitingPage {...visit} roomName={roomName} onCancel={rejoin} />;
    case "room":
      return <RoomView {...visit} {...phase.visit} preferences={preferences} notices={notices} />;
    case "left":
      return <LeftPage roomName={roomName} onRejoin={rejoin} onNew={openNew} />;
    case "token":
      return (
        <TokenPage
          problem={phase.problem}
          onToken={(token) => void visit.call.retry(token)}
          onLobby={rejoin}
        />
      );
    case "failed":
      return (
        <FailedPage
          failure={phase.failure}
          onRetry={() => void visit.call.retry()}
          onLobby={rejoin}
          onNew={openNew}
        />
      );
  }
}

interface Visit {
  call: Call;
  devices: Devices;
  screenShare: ScreenShare;
  meters: LevelMeters;
  playback: Playback;
  close(): void;
}

function openVisit({ link, preferences, notices, tokens }: RoomPageProps): Visit {
  // TypeScript says that both are always there; on pages that aren't secure they aren't.
  const mediaDevices: MediaDevices | null = navigator.mediaDevices ?? null;
  const permissions: Permissions | null = navigator.permissions ?? null;
  const devices = new Devices({ mediaDevices, permissions, preferences });
  const screenShare = new ScreenShare(
    mediaDevices && "getDisplayMedia" in mediaDevices
      ? (options) => mediaDevices.getDisplayMedia(options)
      : null,
  );
  const meters = new LevelMeters();
  const call = new Call({ link, url: socketUrl(), devices, screenShare, meters, notices, tokens });
  const wake = () => meters.wake();
  document.addEventListener("pointerdown", wake);
  return {
    call,
    devices,
    screenShare,
    meters,
    playback: new Playback(),
    close() {
      document.removeEventListener("pointerdown", wake);
      call.leave();
      devices.dispose();
      meters.dispose();
    },
  };
}

function socketUrl(): URL {
  const url = new URL("/ws", window.location.href);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
