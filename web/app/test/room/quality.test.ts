import { describe, expect, it } from "vitest";
import {
  gradeOf,
  mediaBetween,
  NO_MEDIA,
  receivedIn,
  settled,
  UNGRADED,
  wayIn,
} from "../../src/room/quality.js";

function media(lossShare: number | null, jitterMs: number | null) {
  return { lossShare, jitterMs, bitsPerS: null };
}

describe("the grade of a connection", () => {
  it.each([
    [null, null, null, null],
    [300, 0.02, 40, "good"],
    [null, 0, 0, "good"],
    [20, null, null, "good"],
    [301, 0, 0, "fair"],
    [0, 0.03, 0, "fair"],
    [0, 0, 41, "fair"],
    [800, 0.08, 100, "fair"],
    [801, 0, 0, "poor"],
    [20, 0.09, 0, "poor"],
    [20, 0, 101, "poor"],
  ])("with %s ms there and back, %s lost and %s ms of jitter is %s", (rttMs, lossShare, jitterMs, grade) => {
    expect(gradeOf(rttMs, media(lossShare, jitterMs))).toBe(grade);
  });

  it("is shown at once at first, and another one when two readings in a row say it", () => {
    let grading = UNGRADED;
    const shown = (["good", "poor", "good", "fair", "fair", "good", "good"] as const).map((grade) => {
      grading = settled(grading, grade);
      return grading.shown;
    });
    expect(shown).toEqual(["good", "good", "good", "good", "fair", "fair", "good"]);
  });
});

describe("what came in", () => {
  const before = { atMs: 1000, packets: 100, lost: 10, bytes: 1000, jitterMs: 5 };

  it("is counted of all streams, and never below nothing", () => {
    const report = new Map<string, object>([
      [
        "a",
        {
          type: "inbound-rtp",
          timestamp: 7,
          packetsReceived: 10,
          packetsLost: 2,
          bytesReceived: 9,
          jitter: 0.02,
        },
      ],
      ["b", { type: "inbound-rtp", timestamp: 8, packetsReceived: 5, packetsLost: -1, jitter: 0.01 }],
      ["c", { type: "outbound-rtp", timestamp: 9, packetsSent: 100 }],
      ["d", { type: "inbound-rtp" }],
    ]);
    expect(receivedIn(report)).toEqual({ atMs: 8, packets: 15, lost: 2, bytes: 9, jitterMs: 20 });
  });

  it("is a share and a rate since the reading before", () => {
    const now = { atMs: 3000, packets: 190, lost: 20, bytes: 2000, jitterMs: 7 };
    expect(mediaBetween(before, now)).toEqual({ lossShare: 0.1, jitterMs: 7, bitsPerS: 4000 });
    expect(mediaBetween(before, { ...now, lost: 5 }).lossShare).toBe(0);
  });

  it.each([
    ["no reading was before", null, before],
    ["nothing came", before, { ...before, atMs: 3000 }],
    ["another peer connection counts", before, { atMs: 3000, packets: 3, lost: 0, bytes: 3, jitterMs: 0 }],
  ])("is unknown where %s", (_, earlier, now) => {
    expect(mediaBetween(earlier, now)).toEqual(NO_MEDIA);
  });
});

describe("the way of media", () => {
  const candidates: [string, object][] = [
    ["l", { id: "l", type: "local-candidate", candidateType: "host" }],
    ["r", { id: "r", type: "remote-candidate", candidateType: "srflx" }],
    ["t", { id: "t", type: "remote-candidate", candidateType: "relay" }],
  ];
  const pair = { id: "p", type: "candidate-pair", localCandidateId: "l", currentRoundTripTime: 0.02 };

  it("is that of the selected pair, however the browser says which", () => {
    const transport = { id: "x", type: "transport", selectedCandidatePairId: "p" };
    const direct = { ...pair, remoteCandidateId: "r" };
    const other = { ...pair, id: "q", remoteCandidateId: "t" };
    expect(wayIn(new Map([...candidates, ["q", other], ["p", direct], ["x", transport]]))).toEqual({
      path: "direct",
      rttMs: 20,
    });
    expect(wayIn(new Map([...candidates, ["p", direct], ["q", { ...other, selected: true }]]))?.path).toBe(
      "turn",
    );
  });

  it("is unknown without one", () => {
    expect(wayIn(new Map(candidates))).toBeNull();
  });
});
