/** Addresses: `/` is the start, `/doctor` the connection check and `/r/NAME#SECRET` is a room; not all have a secret. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { newRoomSecret } from "sheetbend";
import { isRoomName, randomRoomName, roomNameFrom } from "./room-name.js";

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
  return { page: "room", room, secret: secretIn(hash) };
}

/**
 * The room that somebody means who typed its name, or pasted its link, with `https://` or as the invitation shows it.
 * What stands behind `#` is a secret in a name, too: as a part of the name it would go to the server.
 */
export function roomTyped(typed: string): RoomLink | null {
  const text = typed.trim();
  const link = roomInLink(text);
  if (link !== null) return link;
  const [name = "", ...secret] = text.split("#");
  const room = roomNameFrom(name);
  return room === null ? null : { room, secret: secretIn(`#${secret.join("#")}`) };
}

function roomInLink(text: string): RoomLink | null {
  const url = /^https?:\/\//i.test(text) ? text : `https://${text}`;
  if (!/^[^#]*\/r\//.test(text) || !URL.canParse(url)) return null;
  const route = parseRoute(new URL(url));
  return route.page === "room" ? { room: route.room, secret: route.secret } : null;
}

export function roomPath({ room, secret }: RoomLink): string {
  return `/r/${encodeURIComponent(room)}${secret === null ? "" : `#${encodeURIComponent(secret)}`}`;
}

/** A link to a room of a new name, closed by a secret where this page can seal anything. */
export async function newRoomLink(): Promise<RoomLink> {
  return { room: randomRoomName(), secret: (await canSeal()) ? newRoomSecret() : null };
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

/** Null for no text only: a secret that is spelled wrong opens nothing, but it must not count as none. */
function secretIn(hash: string): string | null {
  const text = hash.slice(1);
  return text === "" ? null : (decoded(text) ?? text);
}

/** Not on pages without https, nor in browsers without X25519. */
async function canSeal(): Promise<boolean> {
  try {
    await crypto.subtle.generateKey("X25519", false, ["deriveBits"]);
    return true;
  } catch {
    return false;
  }
}

function decoded(encoded: string): string | null {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return null; // URIError: a stray % in the address
  }
}
