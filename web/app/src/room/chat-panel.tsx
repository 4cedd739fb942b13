/** The chat: what was said, in the room's order, and a box to say something. */

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useLayoutEffect, useRef } from "preact/hooks";
import type { Self } from "sheetbend";
import { EVERYBODY } from "../files/recipients.js";
import { PaperclipIcon, SendIcon } from "../icons.js";
import type { Chat } from "./chat.js";
import {
  CHAT_TEXT_CHARS_MAX,
  type ChatEntry,
  type ChatLog,
  type ChatMessage,
  type Outgoing,
} from "./chat-log.js";
import { Panel } from "./panel.js";

/** Messages of one person within this time stand under one name. */
const GROUP_MS = 120_000;
/** Nearer to the end than this the log follows new messages. */
const FOLLOW_PX = 80;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const dayAndClock = new Intl.DateTimeFormat(undefined, {
  weekday: "short",
  hour: "2-digit",
  minute: "2-digit",
});

export interface ChatPanelProps {
  chat: Chat;
  self: Self;
  modal: boolean;
  /** What must be seen while the panel covers the page. */
  top: ComponentChildren;
  /** Null: there is nobody to send them to. */
  onSendFiles: (() => void) | null;
  onClose: () => void;
}

export function ChatPanel({ chat, self, modal, top, onSendFiles, onClose }: ChatPanelProps) {
  useEffect(() => {
    const markRead = () => chat.markRead();
    chat.setOpen(true);
    document.addEventListener("visibilitychange", markRead);
    return () => {
      chat.setOpen(false);
      document.removeEventListener("visibilitychange", markRead);
    };
  }, [chat]);
  return (
    <Panel title="Chat" modal={modal} dropKey={EVERYBODY} onClose={onClose}>
      {top}
      <Log log={chat.log.value} chat={chat} />
      <Composer chat={chat} closed={closedReason(self)} onSendFiles={onSendFiles} />
    </Panel>
  );
}

function Log({ log, chat }: { log: ChatLog; chat: Chat }) {
  const list = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useLayoutEffect(() => {
    if (following.current) list.current?.scrollTo({ top: list.current.scrollHeight });
  }, [log]);
  return (
    <div
      ref={list}
      class="chat-log"
      role="log"
      aria-label="Messages"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard (WCAG 2.1.1)
      tabIndex={0}
      onScroll={({ currentTarget: { scrollHeight, scrollTop, clientHeight } }) => {
        following.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
      }}
    >
      {log.entries.length + log.outgoing.length === 0 && (
        <p class="chat-empty">
          Nothing said yet. Messages reach everybody in the room, and those who come later.
        </p>
      )}
      {log.entries.map((entry, index) => (
        <Entry key={entry.id} entry={entry} before={log.entries[index - 1]} />
      ))}
      {log.outgoing.map((outgoing) => (
        <OutgoingEntry key={outgoing.id} outgoing={outgoing} chat={chat} />
      ))}
    </div>
  );
}

function Entry({ entry, before }: { entry: ChatEntry; before: ChatEntry | undefined }) {
  if (entry.kind === "divider") {
    return (
      <p class={entry.warns ? "chat-divider warns" : "chat-divider"}>
        <span>{entry.text}</span>
      </p>
    );
  }
  const time = <time dateTime={new Date(entry.sentAtMs).toISOString()}>{timeWords(entry.sentAtMs)}</time>;
  if (entry.kind === "notice") {
    return (
      <p class="chat-notice">
        <bdi>{entry.text}</bdi> {time}
      </p>
    );
  }
  const grouped = before !== undefined && continues(entry, before);
  return (
    <div class={`chat-message${entry.own ? " own" : ""}${grouped ? " grouped" : ""}`}>
      <span class={grouped ? "visually-hidden" : "chat-author"}>
        <bdi>{entry.own ? "You" : entry.author}</bdi> {time}
      </span>
      <p class="chat-text" dir="auto">
        {entry.text}
      </p>
    </div>
  );
}

function continues(message: ChatMessage, before: ChatEntry): boolean {
  return (
    before.kind === "message" &&
    before.own === message.own &&
    before.author === message.author &&
    message.sentAtMs - before.sentAtMs < GROUP_MS
  );
}

function timeWords(ms: number): string {
  const isToday = new Date(ms).toDateString() === new Date().toDateString();
  return (isToday ? clock : dayAndClock).format(ms);
}

function OutgoingEntry({ outgoing, chat }: { outgoing: Outgoing; chat: Chat }) {
  return (
    <div class={`chat-message own ${outgoingState(outgoing)}`}>
      <p class="chat-text" dir="auto">
        {outgoing.text}
      </p>
      {outgoing.failure !== null ? (
        <div class="chat-status" role="alert">
          {outgoing.failure}
          <span class="chat-choices">
            <button type="button" class="link-button" onClick={() => void chat.retry(outgoing)}>
              Send again
            </button>
            <button type="button" class="link-button" onClick={() => chat.discard(outgoing)}>
              Discard
            </button>
          </span>
        </div>
      ) : (
        outgoing.place === null && <span class="chat-status">Sending…</span>
      )}
    </div>
  );
}

function outgoingState({ failure, place }: Outgoing): "sending" | "failed" | "sent" {
  if (failure !== null) return "failed";
  return place === null ? "sending" : "sent";
}

/** Why this person can't write; null where they can. */
function closedReason({ can, muted }: Self): string | null {
  if (!can.has("message")) return "You can read along here, but not write.";
  return muted ? "A moderator has muted your chat. You can read along." : null;
}

interface ComposerProps {
  chat: Chat;
  closed: string | null;
  onSendFiles: (() => void) | null;
}

function Composer({ chat, closed, onSendFiles }: ComposerProps) {
  const draft = useSignal("");
  const closedId = useId();
  const send = () => {
    if (closed !== null) return;
    const text = draft.value.trim();
    draft.value = "";
    if (text !== "") void chat.send(text);
  };
  return (
    <form
      class={closed === null ? "composer" : "composer closed"}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <p id={closedId} class="composer-closed">
        {closed}
      </p>
      <button
        type="button"
        class="icon-button"
        aria-label="Send files to everybody"
        title="Send files to everybody"
        disabled={closed !== null || onSendFiles === null}
        onClick={() => onSendFiles?.()}
      >
        <PaperclipIcon />
      </button>
      <textarea
        aria-label="Message"
        aria-describedby={closed === null ? undefined : closedId}
        aria-disabled={closed !== null}
        // Not disabled: whoever is writing keeps the focus and the draft.
        readOnly={closed !== null}
        placeholder={closed === null ? "Write to everybody" : ""}
        rows={1}
        maxLength={CHAT_TEXT_CHARS_MAX}
        value={draft.value}
        data-first-focus
        onInput={(event) => {
          draft.value = event.currentTarget.value;
        }}
        onKeyDown={(event) => {
          // While an input method composes, Enter picks a word.
          if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
          event.preventDefault();
          send();
        }}
      />
      <button
        type="submit"
        class="icon-button send"
        aria-label="Send"
        disabled={closed !== null || draft.value.trim() === ""}
      >
        <SendIcon />
      </button>
    </form>
  );
}
