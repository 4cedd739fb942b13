/** Browsers in a room: chat and signalling over a WebSocket, calls over WebRTC. */

export type * from "./api.js";
export { connect } from "./connect.js";
export type { Environment, Socket } from "./environment.js";
export { type ErrorCode, type ServerErrorCode, SheetbendError } from "./errors.js";
export { type FullJitterOptions, fullJitter, type ReconnectPolicy } from "./reconnect-policy.js";
export { newRoomSecret } from "./sealing.js";
