/** What members may do, as the server describes it. */

import type { Permission } from "./api.js";
import type { MemberRecord } from "./messages.js";

/** The rights of a member of which the server says nothing. */
const ORDINARY: readonly Permission[] = ["publish", "subscribe", "message"];

export function permissions({ can = ORDINARY }: Pick<MemberRecord, "can">): ReadonlySet<Permission> {
  return new Set(can);
}
