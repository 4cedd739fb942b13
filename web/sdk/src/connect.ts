/** The way in. */

import type { ConnectOptions, Room } from "./api.js";
import { browserEnvironment } from "./environment.js";
import { SheetbendError } from "./errors.js";
import { isString } from "./messages.js";
import { enterRoom } from "./room.js";

/**
 * Opens a room. Resolves once it is known who is there, and stays pending while you wait in the room's lobby; `member`
 * fires for each of those who are there right after it resolved.
 *
 * @param url of the server's WebSocket, such as `wss://example.org/ws`
 * @returns a promise that rejects with a SheetbendError: `connection_failed` if the first attempt doesn't succeed,
 *   `aborted`, `invalid_argument`, `token_unavailable`, or the code the server refused with, such as `room_full`,
 *   `room_locked`, `not_admitted`, `banned`, `token_required` or `invalid_name`
 */
export function connect(url: string | URL, options: ConnectOptions): Promise<Room> {
  return new Promise((resolve, reject) => {
    if (!isString(options?.room)) throw new SheetbendError("invalid_argument", "Which room?");
    enterRoom(String(url), options, options.environment ?? browserEnvironment(), resolve, reject);
  });
}
