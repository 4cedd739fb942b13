import { describe, expect, it } from "vitest";
import { type GetUserMedia, LocalDevice } from "../../src/media/local-device.js";

const OPTIONS = { on: true, chosenId: "" };

class FakeTrack extends EventTarget {
  enabled = true;
  readyState = "live";

  stop(): void {
    this.readyState = "ended";
  }

  unplug(): void {
    this.stop();
    this.dispatchEvent(new Event("ended"));
  }
}

/** A browser that has as many devices as it is told, and remembers what it gave. */
function fakeBrowser() {
  const given: FakeTrack[] = [];
  const browser = {
    given,
    error: null as DOMException | null,
    getUserMedia: (async () => {
      if (browser.error !== null) throw browser.error;
      const track = new FakeTrack();
      given.push(track);
      const tracks = [track];
      // As much of a stream as LocalDevice touches: Node has no MediaStream.
      const stream: unknown = {
        getTracks: () => tracks,
        getAudioTracks: () => tracks,
        getVideoTracks: () => tracks,
      };
      return stream;
    }) as GetUserMedia,
  };
  return browser;
}

describe("LocalDevice", () => {
  it("keeps the track of a muted microphone, disabled", async () => {
    const browser = fakeBrowser();
    const microphone = new LocalDevice("microphone", { ...OPTIONS, getUserMedia: browser.getUserMedia });
    await microphone.acquire();
    await microphone.turn(false);
    expect(browser.given).toMatchObject([{ enabled: false, readyState: "live" }]);
    expect(microphone.live.value).toBe(false);
    await microphone.turn(true);
    expect(browser.given).toMatchObject([{ enabled: true, readyState: "live" }]);
  });

  it("gives the track of a camera up when it is switched off, and asks again", async () => {
    const browser = fakeBrowser();
    const camera = new LocalDevice("camera", { ...OPTIONS, getUserMedia: browser.getUserMedia });
    await camera.acquire();
    await camera.turn(false);
    expect(browser.given).toMatchObject([{ readyState: "ended" }]);
    await camera.turn(true);
    expect(browser.given).toMatchObject([{ readyState: "ended" }, { readyState: "live" }]);
    expect(camera.live.value).toBe(true);
  });

  it("stops what an outdated request brings", async () => {
    const browser = fakeBrowser();
    const camera = new LocalDevice("camera", { ...OPTIONS, getUserMedia: browser.getUserMedia });
    const asked = camera.acquire();
    await camera.turn(false);
    await asked;
    expect(browser.given).toMatchObject([{ readyState: "ended" }]);
    expect(camera.track.value).toBeNull();
  });

  it("takes another device when one is unplugged", async () => {
    const browser = fakeBrowser();
    const camera = new LocalDevice("camera", { ...OPTIONS, getUserMedia: browser.getUserMedia });
    await camera.acquire();
    browser.given[0]?.unplug();
    await expect.poll(() => camera.live.value).toBe(true);
    expect(browser.given).toHaveLength(2);
  });

  it("says that the last device went away", async () => {
    const browser = fakeBrowser();
    const camera = new LocalDevice("camera", { ...OPTIONS, getUserMedia: browser.getUserMedia });
    await camera.acquire();
    browser.error = new DOMException("", "NotFoundError");
    browser.given[0]?.unplug();
    await expect.poll(() => camera.cause.value).toBe("unplugged");
    expect(camera.live.value).toBe(false);
  });

  it("takes any device where the chosen one is gone", async () => {
    const browser = fakeBrowser();
    const asked: MediaStreamConstraints[] = [];
    const camera = new LocalDevice("camera", {
      on: true,
      chosenId: "gone",
      getUserMedia: async (constraints) => {
        asked.push(constraints);
        if (asked.length === 1) throw new DOMException("", "OverconstrainedError");
        return await browser.getUserMedia(constraints);
      },
    });
    await camera.acquire();
    expect(asked).toMatchObject([{ video: { deviceId: { exact: "gone" } } }, { video: {} }]);
    expect(asked[1]?.video).not.toHaveProperty("deviceId");
    expect(camera.live.value).toBe(true);
  });

  it("says that a page isn't secure", async () => {
    const camera = new LocalDevice("camera", { ...OPTIONS, getUserMedia: null });
    await camera.acquire();
    expect(camera.cause.value).toBe("insecure");
  });
});
