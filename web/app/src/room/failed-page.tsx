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
  return (
    <MessagePage title={failure.title}>
      <p>{failure.detail}</p>
      <p class="actions">
        {failure.retryable && (
          <button type="button" class="button primary" onClick={onRetry}>
            Try again
          </button>
        )}
        <button type="button" class="button" onClick={onLobby}>
          Back to the lobby
        </button>
        <button type="button" class="button" onClick={onNew}>
          New room
        </button>
      </p>
    </MessagePage>
  );
}
