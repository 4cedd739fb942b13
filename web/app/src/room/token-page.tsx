/** The server asks for a token: a field to paste one into, and what was wrong with the one before. */

import { useComputed, useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { cleanToken } from "../token.js";
import { MessagePage } from "../ui/message-page.js";
import type { TokenProblem } from "./failure.js";
import { TokenField, TokenHint } from "./token-field.js";

export interface TokenPageProps {
  problem: TokenProblem;
  onToken: (token: string) => void;
  onLobby: () => void;
}

const WORDS: Readonly<Record<TokenProblem, { title: string; detail: string }>> = {
  required: {
    title: "This room asks for a token",
    detail: "Whoever runs this server gives tokens to those who may come in. Paste yours here.",
  },
  invalid: {
    title: "The server doesn't accept this token",
    detail: "It may be cut off, or meant for another server. Copy it once more, or ask for another one.",
  },
  expired: {
    title: "The time of your token is over",
    detail: "Tokens end by themselves. Ask for a fresh one where you got this one.",
  },
  elsewhere: {
    title: "Your token isn't for this room",
    detail: "It opens other rooms. Ask for one for this room, or check the link.",
  },
};

export function TokenPage({ problem, onToken, onLobby }: TokenPageProps) {
  const typed = useSignal("");
  const wasMissing = useSignal(false);
  const problemId = useId();
  const isMissing = useComputed(() => wasMissing.value && cleanToken(typed.value) === "");
  const submit = () => {
    const token = cleanToken(typed.value);
    if (token === "") wasMissing.value = true;
    else onToken(token);
  };
  const { title, detail } = WORDS[problem];
  return (
    <MessagePage title={title}>
      <p>{detail}</p>
      <form
        class="token-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          submit();
        }}
      >
        <TokenField typed={typed} problemId={isMissing.value ? problemId : null} />
        {isMissing.value && (
          <p id={problemId} class="problem" role="alert">
            Paste the token first.
          </p>
        )}
        <TokenHint />
        <p class="actions">
          <button type="submit" class="button primary">
            Join
          </button>
          <button type="button" class="button" onClick={onLobby}>
            Back to the lobby
          </button>
        </p>
      </form>
    </MessagePage>
  );
}
