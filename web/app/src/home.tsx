/** The start: create a room, or enter one by its name. */

import { useSignal } from "@preact/signals";
import { Logo } from "./icons.js";
import { newRoomLink, type Router, roomTyped } from "./route.js";

export function HomePage({ router }: { router: Router }) {
  return (
    <div class="home">
      <header class="brand">
        <Logo />
        <span>Sheetbend</span>
      </header>
      <main class="home-main">
        <h1>
          A room of your own, <span class="soft">one&nbsp;link&nbsp;away.</span>
        </h1>
        <p class="lead">
          Talk, see each other, share a screen. Nothing to install, nobody to sign up with: open a room and
          send the link.
        </p>
        <div class="card home-card">
          <button
            type="button"
            class="button primary large"
            onClick={async () => router.openRoom(await newRoomLink())}
          >
            Create a room
          </button>
          <p class="or">
            <span>or enter one you know</span>
          </p>
          <EnterRoom router={router} />
        </div>
      </main>
      <footer class="home-foot">
        Sound and pictures go from browser to browser, encrypted.{" "}
        <a
          href="/doctor"
          onClick={(event) => {
            event.preventDefault();
            router.openDoctor();
          }}
        >
          Check your connection
        </a>
      </footer>
    </div>
  );
}

function EnterRoom({ router }: { router: Router }) {
  const typed = useSignal("");
  const refused = useSignal(false);
  const enter = (event: SubmitEvent) => {
    event.preventDefault();
    const link = roomTyped(typed.value);
    if (link === null) refused.value = true;
    else router.openRoom(link);
  };
  return (
    <form class="enter-room" onSubmit={enter} noValidate>
      <label class="field">
        <span class="field-label">Room name</span>
        <input
          type="text"
          value={typed.value}
          placeholder="calm-river-lantern-4821"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          aria-invalid={refused.value}
          aria-describedby={refused.value ? "room-name-problem" : undefined}
          onInput={(event) => {
            typed.value = event.currentTarget.value;
            refused.value = false;
          }}
        />
      </label>
      <button type="submit" class="button large">
        Enter room
      </button>
      {refused.value && (
        <p id="room-name-problem" class="problem" role="alert">
          Type the name of a room: up to 128 letters, digits or dashes.
        </p>
      )}
    </form>
  );
}
