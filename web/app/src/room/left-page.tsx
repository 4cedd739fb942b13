/** After the call. */

import { MessagePage } from "../ui/message-page.js";

export interface LeftPageProps {
  roomName: string;
  onRejoin: () => void;
  onNew: () => void;
}

export function LeftPage({ roomName, onRejoin, onNew }: LeftPageProps) {
  return (
    <MessagePage title="You left the room">
      <p>
        Camera and microphone are off. <bdi class="strong">{roomName}</bdi> stays open for whoever is still
        there.
      </p>
      <p class="actions">
        <button type="button" class="button primary" onClick={onRejoin}>
          Rejoin
        </button>
        <button type="button" class="button" onClick={onNew}>
          New room
        </button>
      </p>
    </MessagePage>
  );
}
