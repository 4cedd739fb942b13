import { describe, expect, it } from "vitest";
import { describeTrouble, troubleCause } from "../../src/media/device-trouble.js";

describe("troubleCause", () => {
  it.each([
    ["NotAllowedError", "denied"],
    ["NotFoundError", "missing"],
    ["NotReadableError", "busy"],
    ["TypeError", "unknown"],
    ["constructor", "unknown"],
  ])("of %s is %s", (name, cause) => {
    expect(troubleCause(new DOMException("", name))).toBe(cause);
  });

  it("is unknown for what isn't an error", () => {
    expect(troubleCause("NotAllowedError")).toBe("unknown");
  });
});

describe("describeTrouble", () => {
  it("names every device it is about", () => {
    expect(describeTrouble("denied", ["camera", "microphone"]).title).toContain("camera and microphone");
    expect(describeTrouble("missing", ["camera"]).title).toBe("No camera found");
  });

  it("offers no retry where trying again can't help", () => {
    expect(describeTrouble("insecure", ["camera"]).retryable).toBe(false);
  });
});
