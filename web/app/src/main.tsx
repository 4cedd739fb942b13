/** The entry point: makes the stores that live as long as the page, and shows the app. */

import { render } from "preact";
import { App } from "./app.js";
import { Notices } from "./notices.js";
import { openStorage, Preferences } from "./preferences.js";
import { Router } from "./route.js";
import { openSessionStorage, TokenKeeper } from "./token.js";

const root = document.getElementById("app");
if (root === null) throw new Error("index.html has no element with the id app");

render(
  <App
    router={new Router(window)}
    preferences={new Preferences(openStorage())}
    notices={new Notices()}
    tokens={new TokenKeeper(openSessionStorage())}
  />,
  root,
);
