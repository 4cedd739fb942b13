/** Addresses: `/` is the start, `/doctor` the connection check and `/r/NAME` is a room. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { isRoomName } from "./room-name.js";

export type Route =
  | { page: "home" }
  | { page: "doctor" }
  | { page: "room"; room: string }
  | { page: "unknown" };

export function parseRoute(pathname: string): Route {
  if (pathname === "/") return { page: "home" };
  if (pathname === "/doctor") return { page: "doctor" };
  const encoded = /^\/r\/([^/]+)\/?$/.exec(pathname)?.[1];
  const room = encoded === undefined ? null : decodeName(encoded);
  return room !== null && isRoomName(room) ? { page: "room", room } : { page: "unknown" };
}

/** The room that a link leads to: people paste the whole link where its name would do. */
export function roomInLink(typed: string): string | null {
  const text = typed.trim();
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return null;
  const route = parseRoute(new URL(text).pathname);
  return route.page === "room" ? route.room : null;
}

export function roomPath(room: string): string {
  return `/r/${encodeURIComponent(room)}`;
}

/** The route that the address bar shows, and the verbs that change both. */
export class Router {
  readonly #window: Window;
  readonly #route;

  constructor(window: Window) {
    this.#window = window;
    this.#route = signal(parseRoute(window.location.pathname));
    window.addEventListener("popstate", () => this.#read());
  }

  get route(): ReadonlySignal<Route> {
    return this.#route;
  }

  openHome(): void {
    this.#open("/");
  }

  openDoctor(): void {
    this.#open("/doctor");
  }

  openRoom(room: string): void {
    this.#open(roomPath(room));
  }

  #open(path: string): void {
    this.#window.history.pushState(null, "", path);
    this.#read();
  }

  #read(): void {
    this.#route.value = parseRoute(this.#window.location.pathname);
  }
}

function decodeName(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null; // URIError: a stray % in the address
  }
}
