/** Text to messages, refusing what is not as the protocol says (protocol/PROTOCOL.md). */

import { type Fields, isObject, isString, parseObject, type ServerMessage } from "./messages.js";

const USER_ID = /^[0-9a-f]{32}$/;

type Check = (value: unknown) => boolean;
/** How each field of an object must be, which may depend on others. */
type Checks = { readonly [name: string]: (value: unknown, fields: Fields) => boolean };

const isNumber = (value: unknown): boolean => typeof value === "number" && value >= 0;
/** An offset, or how many of something. */
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && isNumber(value);
const isBoolean = (value: unknown): boolean => typeof value === "boolean";
const isThere = (value: unknown): boolean => value !== undefined;
const isUserId = (value: unknown): boolean => isString(value) && USER_ID.test(value);

const optional =
  (isValid: Check): Check =>
  (value) =>
    value === undefined || isValid(value);

const arrayOf =
  (isElement: Check): Check =>
  (value) =>
    Array.isArray(value) && value.every(isElement);

/** An object in which each of these fields is as it must be. */
const shape =
  (checks: Checks): Check =>
  (value) =>
    isObject(value) && Object.entries(checks).every(([name, isValid]) => isValid(value[name], value));

const isStrings = arrayOf(isString);

const isMember = shape({
  userId: isUserId,
  name: isString,
  attributes: isObject,
  can: optional(isStrings),
  key: optional(isString),
});
const MESSAGE = { sender: isUserId, offset: isCount, data: isThere, time: isNumber };

/** What each type looks like; a Map, so that no `type` from outside can name something inherited. */
const SHAPES = new Map<unknown, Checks>(
  Object.entries({
    welcome: {
      userId: isUserId,
      features: isStrings,
      iceServers: arrayOf(isObject),
      limits: shape({ pingIntervalS: isNumber }),
      resumeToken: isString,
      expiresInS: optional(isNumber),
      relayOnly: optional(isBoolean),
      recovered: (recovered, welcome) => recovered !== true || isCount(welcome.received),
    },
    roster: {
      epoch: isString,
      offset: isCount,
      access: isString,
      you: isMember,
      members: arrayOf(isMember),
      history: arrayOf(shape({ ...MESSAGE, name: isString })),
      complete: isBoolean,
      waiting: optional(arrayOf(isMember)),
    },
    waiting: {},
    "user-joined": { member: isMember, offset: isCount },
    "user-left": { userId: isUserId, offset: isCount },
    "user-updated": { member: isMember, offset: isCount },
    "room-updated": { access: isString, offset: isCount },
    message: { ...MESSAGE, to: optional(arrayOf(isUserId)) },
    accepted: { epoch: isString, offset: isCount },
    knock: { member: isMember },
    "knock-ended": { userId: isUserId },
    "mute-requested": { sender: isUserId, media: isStrings },
    error: { code: isString, message: isString, retryAfterS: optional(isNumber) },
    offer: { sender: isUserId, sdp: isThere },
    answer: { sender: isUserId, sdp: isThere },
    "ice-candidate": { sender: isUserId, candidate: isThere },
    "ice-servers": { iceServers: arrayOf(isObject) },
    authorized: { can: isStrings, expiresInS: isNumber },
    ack: { received: isCount },
    pong: {},
    draining: { withinS: isNumber },
  } satisfies { [type: string]: Checks }),
);

/** A message from a server, or null for what this version doesn't know or what is not as the protocol says. */
export function decodeServerMessage(text: unknown): ServerMessage | null {
  const message = parseObject(text);
  return message && isServerMessage(message) ? message : null;
}

function isServerMessage(message: Fields): message is Fields & ServerMessage {
  const checks = SHAPES.get(message.type);
  return checks !== undefined && shape(checks)(message);
}
