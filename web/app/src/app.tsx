/** The app as a whole: which page belongs to the address, and the notices that every page shares. */

import { DoctorPage } from "./doctor/doctor-page.js";
import { HomePage } from "./home.js";
import type { Notices } from "./notices.js";
import type { Preferences } from "./preferences.js";
import { RoomPage } from "./room/room-page.js";
import { type Route, type Router, roomPath } from "./route.js";
import type { TokenKeeper } from "./token.js";
import { MessagePage } from "./ui/message-page.js";
import { NoticeList } from "./ui/notice-list.js";

export interface AppProps {
  router: Router;
  preferences: Preferences;
  notices: Notices;
  tokens: TokenKeeper;
}

export function App(props: AppProps) {
  return (
    <>
      <Page {...props} route={props.router.route.value} />
      <NoticeList notices={props.notices} />
    </>
  );
}

function Page({ route, router, preferences, notices, tokens }: AppProps & { route: Route }) {
  switch (route.page) {
    case "home":
      return <HomePage router={router} />;
    case "doctor":
      return <DoctorPage router={router} notices={notices} tokens={tokens} />;
    case "room":
      return (
        <RoomPage
          key={roomPath(route)}
          link={route}
          router={router}
          preferences={preferences}
          notices={notices}
          tokens={tokens}
        />
      );
    case "unknown":
      return (
        <MessagePage title="There is no such page">
          <p>The address may be mistyped. A room's address looks like {window.location.origin}/r/its-name.</p>
          <p class="actions">
            <button type="button" class="button primary" onClick={() => router.openHome()}>
              Go to the start
            </button>
          </p>
        </MessagePage>
      );
  }
}
