/** Who may enter, as a picture. */

import type { Access } from "sheetbend";
import { DoorIcon, LockIcon, UnlockedIcon } from "../icons.js";

export function AccessIcon({ access }: { access: Access }) {
  switch (access) {
    case "open":
      return <UnlockedIcon />;
    case "lobby":
      return <DoorIcon />;
    case "locked":
      return <LockIcon />;
  }
}
