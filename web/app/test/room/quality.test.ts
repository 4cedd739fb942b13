import { describe, expect, it } from "vitest";
import { gradeOf, lossBetween, receivedIn } from "../../src/room/quality.js";

describe("the grade of a connection", () => {
  it.each([
    [null, null, "good"],
    [300, 0.02, "good"],
    [301, 0, "fair"],
    [0, 0.03, "fair"],
    [800, 0.08, "fair"],
    [801, 0, "poor"],
    [20, 0.09, "poor"],
  ])("with %s ms there and back and %s lost is %s", (rttMs, lossShare, grade) => {
    expect(gradeOf(rttMs, lossShare)).toBe(grade);
  });
});

describe("what got lost", () => {
  it("is counted of all that came in, and never below nothing", () => {
    const report = new Map<string, object>([
      ["a", { type: "inbound-rtp", packetsReceived: 10, packetsLost: 2 }],
      ["b", { type: "inbound-rtp", packetsReceived: 5, packetsLost: -1 }],
      ["c", { type: "outbound-rtp", packetsSent: 100 }],
      ["d", { type: "inbound-rtp" }],
    ]);
    expect(receivedIn(report)).toEqual({ packets: 15, lost: 2 });
  });

  it("is a share of what should have come since", () => {
    expect(lossBetween({ packets: 100, lost: 10 }, { packets: 190, lost: 20 })).toBe(0.1);
    expect(lossBetween({ packets: 100, lost: 10 }, { packets: 200, lost: 5 })).toBe(0);
    expect(lossBetween({ packets: 100, lost: 10 }, { packets: 100, lost: 10 })).toBeNull();
    expect(lossBetween({ packets: 100, lost: 10 }, { packets: 0, lost: 0 })).toBeNull();
  });
});
