import { describe, expect, it } from "vitest";
import { layoutGrid, layoutStage, type Rectangle, WIDE } from "../../src/room/tile-layout.js";

const LAPTOP = { width: 1256, height: 656 };
const PHONE = { width: 374, height: 640 };
const GAP = 10;

function people(container: { width: number; height: number }, count: number): readonly Rectangle[] {
  return layoutStage(container, { people: count, screens: 0 }, GAP).people;
}

function overlaps(a: Rectangle, b: Rectangle): boolean {
  return (
    a.left < b.left + b.width &&
    b.left < a.left + a.width &&
    a.top < b.top + b.height &&
    b.top < a.top + a.height
  );
}

function columnsOf(places: readonly Rectangle[]): number {
  return new Set(places.filter(({ top }) => top === places[0]?.top).map(({ left }) => left)).size;
}

/** The best area any grid gives at 16:9, by trying them all. */
function bestArea({ width, height }: { width: number; height: number }, count: number): number {
  const areas = Array.from({ length: count }, (_, index) => {
    const columns = index + 1;
    const rows = Math.ceil(count / columns);
    const cellWidth = (width - GAP * (columns - 1)) / columns;
    const cellHeight = (height - GAP * (rows - 1)) / rows;
    const tileWidth = Math.min(cellWidth, cellHeight * WIDE);
    return tileWidth * (tileWidth / WIDE);
  });
  return Math.max(...areas);
}

describe.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 24])("layoutStage of %i people", (count) => {
  it.each([LAPTOP, PHONE, { width: 700, height: 300 }])("stays inside and apart in %o", (container) => {
    const places = people(container, count);
    expect(places).toHaveLength(count);
    places.forEach((place, index) => {
      expect(place.left).toBeGreaterThanOrEqual(-0.01);
      expect(place.top).toBeGreaterThanOrEqual(-0.01);
      expect(place.left + place.width).toBeLessThanOrEqual(container.width + 0.01);
      expect(place.top + place.height).toBeLessThanOrEqual(container.height + 0.01);
      for (const other of places.slice(index + 1)) expect(overlaps(place, other)).toBe(false);
    });
  });

  it("gives the largest tiles that a grid at 16:9 can on a wide container", () => {
    const [first] = people(LAPTOP, count);
    expect((first?.width ?? 0) / (first?.height ?? 1)).toBeCloseTo(WIDE);
    expect((first?.width ?? 0) * (first?.height ?? 0)).toBeCloseTo(bestArea(LAPTOP, count), 3);
  });
});

describe("layoutStage", () => {
  it("puts two beside each other on a laptop and above each other on a phone", () => {
    expect(columnsOf(people(LAPTOP, 2))).toBe(2);
    expect(columnsOf(people(PHONE, 2))).toBe(1);
  });

  it("lets tiles stand upright on a phone, up to 3:4", () => {
    const [alone] = people(PHONE, 1);
    expect((alone?.width ?? 0) / (alone?.height ?? 1)).toBeCloseTo(3 / 4);
  });

  it("centres a short last row", () => {
    const places = people(LAPTOP, 5);
    const lastRow = places.filter(({ top }) => top === places[4]?.top);
    const middle = ((lastRow[0]?.left ?? 0) + (lastRow.at(-1)?.left ?? 0) + (lastRow[0]?.width ?? 0)) / 2;
    expect(middle).toBeCloseTo(LAPTOP.width / 2);
  });

  it.each([
    [LAPTOP, 1],
    [LAPTOP, 8],
    [PHONE, 1],
    [PHONE, 2],
    [PHONE, 8],
  ])("gives a screen the largest place in %o with %i people", (container, count) => {
    const { screens, people: faces } = layoutStage(container, { people: count, screens: 1 }, GAP);
    const [screen] = screens;
    expect(faces).toHaveLength(count);
    for (const face of faces) {
      expect(screen && overlaps(screen, face)).toBe(false);
      expect(face.width * face.height).toBeLessThan((screen?.width ?? 0) * (screen?.height ?? 0));
      expect(face.top + face.height).toBeLessThanOrEqual(container.height + 0.01);
    }
  });

  it("gives no negative size to a container that isn't measured yet", () => {
    for (const place of people({ width: 0, height: 0 }, 3)) {
      expect(place.width).toBe(0);
      expect(place.height).toBe(0);
    }
  });
});

describe("layoutGrid", () => {
  it("is empty for nobody", () => {
    const shape = { gap: GAP, aspectMin: WIDE, aspectMax: WIDE };
    expect(layoutGrid({ left: 0, top: 0, ...LAPTOP }, 0, shape)).toEqual([]);
  });
});
