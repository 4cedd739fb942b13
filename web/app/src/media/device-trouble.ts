/** Why a camera, microphone or screen can't be had, and what a person can do about it. */

export type DeviceKind = "microphone" | "camera";

export type TroubleCause = "insecure" | "denied" | "missing" | "busy" | "unplugged" | "unknown";

export interface DeviceTrouble {
  title: string;
  remedy: string;
  retryable: boolean;
}

/** The errors of getUserMedia (W3C Media Capture and Streams, 10.2). */
const CAUSES: ReadonlyMap<string, TroubleCause> = new Map([
  ["NotAllowedError", "denied"],
  ["SecurityError", "denied"],
  ["NotFoundError", "missing"],
  ["OverconstrainedError", "missing"],
  ["NotReadableError", "busy"],
  ["AbortError", "busy"],
]);

export function troubleCause(error: unknown): TroubleCause {
  return (error instanceof Error && CAUSES.get(error.name)) || "unknown";
}

/** `kinds` are all the devices with that trouble: one that stops both is said once. */
export function describeTrouble(cause: TroubleCause, kinds: readonly DeviceKind[]): DeviceTrouble {
  const what = kinds.join(" and ");
  const them = kinds.length > 1 ? "them" : "it";
  switch (cause) {
    case "insecure":
      return {
        title: "This address isn't secure",
        remedy:
          "Browsers give camera and microphone only to pages on https:// or localhost. Open the room at such an address, or join without: you can see, hear and write to the others.",
        retryable: false,
      };
    case "denied":
      return {
        title: `The browser may not use your ${what}`,
        remedy: `Open the site settings beside the address, allow ${what}, then try again. You can also join without ${them}.`,
        retryable: true,
      };
    case "missing":
      return {
        title: `No ${kinds.join(" or ")} found`,
        remedy: `Plug one in and try again, or join without ${them}.`,
        retryable: true,
      };
    case "busy":
      return {
        title: `Your ${what} can't be started`,
        remedy: `Another program may be using ${them}. Close that program and try again, or join without ${them}.`,
        retryable: true,
      };
    case "unplugged":
      return {
        title: `Your ${what} went away`,
        remedy: `Plug ${them} in again or choose another one, then try again.`,
        retryable: true,
      };
    case "unknown":
      return {
        title: `Your ${what} didn't start`,
        remedy: `The browser doesn't say why. Try again, or join without ${them}.`,
        retryable: true,
      };
  }
}
