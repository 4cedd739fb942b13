/** The call couldn't begin, or ended by itself: what happened, and what can be done. */

import { MessagePage } from "../ui/message-page.js";
import type { Failure } from "./failure.js";

export interface FailedPageProps {
  failure: Failure;
  onRetry: () => void;
  onLobby: () => void;
  onNew: () => void;
}

export function FailedPage({ failure, onRetry, onLobby, onNew }: FailedPageProps) {
  const { title, detail, retry, mayReturn, mayBeNetwork } = failure;
  return (
    <MessagePage title={title}>
      <p>{detail}</p>
      <p class="actions">
        {retry !== null && (
          <button type="button" class="button primary" onClick={onRetry}>
            {retry}
          </button>
        )}
        {mayReturn && (
          <button type="button" class="button" onClick={onLobby}>
            Back to the lobby
          </button>
        )}
        <button type="button" class={mayReturn ? "button" : "button primary"} onClick={onNew}>
          New room
        </button>
      </p>
      {mayBeNetwork && (
        <p>
          <a href="/doctor">Check your connection</a>
        </p>
      )}
    </MessagePage>
  );
}
