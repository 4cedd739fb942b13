/** Addresses: `/` is the start, `/doctor` the connection check and `/r/NAME#SECRET` is a room; not all have a secret. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { newRoomSecret } from "sheetbend";
import { isRoomName, randomRoomName } from "./room-name.js";

/** What a room's link says. Browsers keep what stands behind `#` to themselves. */
export interface RoomLink {
  room: string;
  /** What closes the room to whoever hasn't the whole link, its server included; null in a link without. */
  secret: string | null;
}

export type Route =
  | { page: "home" }
  | { page: "doctor" }
  | ({ page: "room" } & RoomLink)
  | { page: "unknown" };

export function parseRoute({ pathname, hash }: Pick<Location, "pathname" | "hash">): Route {
  if (pathname === "/") return { page: "home" };
  if (pathname === "/doctor") return { page: "doctor" };
  const encoded = /^\/r\/([^/]+)\/?$/.exec(pathname)?.[1];
  const room = encoded === undefined ? null : decoded(encoded);
  if (room === null || !isRoomName(room)) return { page: "unknown" };
  return { page: "room", room, secret: decoded(hash.slice(1)) || null };
}

/** The room that a link leads to: people paste the whole link where its name would do. */
export function roomInLink(typed: string): RoomLink | null {
  const text = typed.trim();
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return null;
  const route = parseRoute(new URL(text));
  return route.page === "room" ? { room: route.room, secret: route.secret } : null;
}

export function roomPath({ room, secret }: RoomLink): string {
  return `/r/${encodeURIComponent(room)}${secret === null ? "" : `#${encodeURIComponent(secret)}`}`;
}

/** A link to a room of a new name, closed by a secret where this page can seal anything. */
export function newRoomLink(): RoomLink {
  return { room: randomRoomName(), secret: window.isSecureContext ? newRoomSecret() : null };
}

/** The route that the address bar shows, and the verbs that change both. */
export class Router {
  readonly #window: Window;
  readonly #route;

  constructor(window: Window) {
    this.#window = window;
    this.#route = signal(parseRoute(window.location));
    for (const type of ["popstate", "hashchange"]) window.addEventListener(type, () => this.#read());
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

  openRoom(link: RoomLink): void {
    this.#open(roomPath(link));
  }

  #open(path: string): void {
    this.#window.history.pushState(null, "", path);
    this.#read();
  }

  #read(): void {
    this.#route.value = parseRoute(this.#window.location);
  }
}

function decoded(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null; // URIError: a stray % in the address
  }
}
