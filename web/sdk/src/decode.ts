/** Text to messages, refusing what is not as the protocol says (protocol/PROTOCOL.md). */

import { type Fields, isObject, isString, parseObject, type ServerMessage } from "./messages.js";

const USER_ID = /^[0-9a-f]{32}$/;

/** A message from a server, or null for what this version doesn't know or what is not as the protocol says. */
export function decodeServerMessage(text: unknown): ServerMessage | null {
  const message = parseObject(text);
  return message && isServerMessage(message) ? message : null;
}

type Check = (value: unknown) => boolean;

const isStrings = arrayOf(isString);

const isMember = shape({
  userId: isUserId,
  name: isString,
  attributes: isObject,
  can: optional(isStrings),
  key: optional(isString),
});
const isWelcome = shape({
  userId: isUserId,
  features: isStrings,
  iceServers: arrayOf(isObject),
  limits: shape({ pingIntervalS: isNumber }),
  resumeToken: isString,
  expiresInS: optional(isNumber),
  relayOnly: optional(isBoolean),
});
const MESSAGE = { sender: isUserId, offset: isCount, data: isThere, time: isNumber };

/** What each type looks like; a Map, so that no `type` from outside can name something inherited. */
const SHAPES: ReadonlyMap<unknown, (message: Fields) => boolean> = new Map(
  Object.entries({
    welcome: (message: Fields) =>
      isWelcome(message) && (message.recovered !== true || isCount(message.received)),
    roster: shape({
      epoch: isString,
      offset: isCount,
      access: isString,
      you: isMember,
      members: arrayOf(isMember),
      history: arrayOf(shape({ ...MESSAGE, name: isString })),
      complete: isBoolean,
      waiting: optional(arrayOf(isMember)),
    }),
    waiting: isObject,
    "user-joined": shape({ member: isMember, offset: isCount }),
    "user-left": shape({ userId: isUserId, offset: isCount }),
    "user-updated": shape({ member: isMember, offset: isCount }),
    "room-updated": shape({ access: isString, offset: isCount }),
    message: shape({ ...MESSAGE, to: optional(arrayOf(isUserId)) }),
    accepted: shape({ epoch: isString, offset: isCount }),
    knock: shape({ member: isMember }),
    "knock-ended": shape({ userId: isUserId }),
    "mute-requested": shape({ sender: isUserId, media: isStrings }),
    error: shape({ code: isString, message: isString, retryAfterS: optional(isNumber) }),
    offer: shape({ sender: isUserId, sdp: isThere }),
    answer: shape({ sender: isUserId, sdp: isThere }),
    "ice-candidate": shape({ sender: isUserId, candidate: isThere }),
    "ice-servers": shape({ iceServers: arrayOf(isObject) }),
    authorized: shape({ can: isStrings, expiresInS: isNumber }),
    ack: shape({ received: isCount }),
    pong: isObject,
    draining: shape({ withinS: isNumber }),
  }),
);

function isServerMessage(message: Fields): message is Fields & ServerMessage {
  return SHAPES.get(message.type)?.(message) ?? false;
}

/** An object in which each of these fields is as it must be. */
function shape(fields: { readonly [name: string]: Check }): Check {
  const checks = Object.entries(fields);
  return (value) => isObject(value) && checks.every(([name, isValid]) => isValid(value[name]));
}

function arrayOf(isElement: Check): Check {
  return (value) => Array.isArray(value) && value.every(isElement);
}

function optional(isValid: Check): Check {
  return (value) => value === undefined || isValid(value);
}

function isUserId(value: unknown): boolean {
  return isString(value) && USER_ID.test(value);
}

function isThere(value: unknown): boolean {
  return value !== undefined;
}

function isBoolean(value: unknown): boolean {
  return typeof value === "boolean";
}

/** An offset, or how many of something. */
function isCount(value: unknown): boolean {
  return isNumber(value) && Number.isSafeInteger(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === "number" && value >= 0;
}
