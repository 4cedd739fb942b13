/**
 * Where tiles go. Pure geometry in CSS pixels, so that a change of layout moves elements and never remakes them:
 * a video that is moved in the document starts over.
 */

export interface Box {
  width: number;
  height: number;
}

export interface Rectangle extends Box {
  left: number;
  top: number;
}

export interface TileShape {
  gap: number;
  /** Width over height, the narrowest and the widest that a tile may be. */
  aspectMin: number;
  aspectMax: number;
}

export interface StageLayout {
  screens: readonly Rectangle[];
  people: readonly Rectangle[];
}

export const WIDE = 16 / 9;
/** A face fills an upright tile well: on an upright container tiles may be this narrow. */
const UPRIGHT = 3 / 4;
/** A screen is fitted into its tile whole; nearly all are between these. */
const SCREEN_ASPECT = { aspectMin: 16 / 10, aspectMax: 21 / 9 };
const STRIP_SHARE = 0.2;
const STRIP_WIDTH = { min: 120, max: 260 };

/** Everybody in a grid; where screens are shared, these large and the people in a strip beside or below. */
export function layoutStage(
  container: Box,
  counts: { people: number; screens: number },
  gap: number,
): StageLayout {
  if (counts.screens === 0) {
    return { screens: [], people: layoutGrid(wholeOf(container), counts.people, shapeFor(container, gap)) };
  }
  const { main, strip } =
    counts.people === 0 ? { main: wholeOf(container), strip: null } : divide(container, counts.screens, gap);
  const wide = { gap, aspectMin: WIDE, aspectMax: WIDE };
  return {
    screens: layoutGrid(main, counts.screens, { gap, ...SCREEN_ASPECT }),
    people: strip === null ? [] : layoutGrid(strip, counts.people, wide),
  };
}

/** The grid whose tiles are largest, centred in `area`, a short last row too. */
export function layoutGrid(area: Rectangle, count: number, shape: TileShape): readonly Rectangle[] {
  const columns = bestColumns(area, count, shape);
  const rows = Math.ceil(count / columns);
  const tile = tileSize(area, columns, rows, shape);
  const top = area.top + (area.height - spread(tile.height, rows, shape.gap)) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = Math.min(columns, count - row * columns);
    const left = area.left + (area.width - spread(tile.width, inRow, shape.gap)) / 2;
    return {
      left: left + (index % columns) * (tile.width + shape.gap),
      top: top + row * (tile.height + shape.gap),
      ...tile,
    };
  });
}

/** Of equally large grids the one with fewer empty places wins. */
function bestColumns(area: Box, count: number, shape: TileShape): number {
  let best = { columns: 1, size: -1, empty: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const tile = tileSize(area, columns, rows, shape);
    const candidate = { columns, size: tile.width * tile.height, empty: columns * rows - count };
    const equal = Math.abs(candidate.size - best.size) < 1;
    if (equal ? candidate.empty < best.empty : candidate.size > best.size) best = candidate;
  }
  return best.columns;
}

function tileSize(area: Box, columns: number, rows: number, { gap, aspectMin, aspectMax }: TileShape): Box {
  const width = Math.max(0, (area.width - gap * (columns - 1)) / columns);
  const height = Math.max(0, (area.height - gap * (rows - 1)) / rows);
  return { width: Math.min(width, height * aspectMax), height: Math.min(height, width / aspectMin) };
}

function shapeFor(container: Box, gap: number): TileShape {
  const upright = container.height > container.width;
  return { gap, aspectMin: upright ? UPRIGHT : WIDE, aspectMax: WIDE };
}

/** The strip stands to the right of wide containers, and below in upright ones, where screens leave it much height. */
function divide(container: Box, screens: number, gap: number): { main: Rectangle; strip: Rectangle } {
  const { width, height } = container;
  if (width >= height) {
    const stripWidth = clamp(width * STRIP_SHARE, STRIP_WIDTH);
    return {
      main: { left: 0, top: 0, width: Math.max(0, width - stripWidth - gap), height },
      strip: { left: width - stripWidth, top: 0, width: stripWidth, height },
    };
  }
  const needed = spread(width / SCREEN_ASPECT.aspectMin, screens, gap);
  const mainHeight = Math.min(needed, height * (1 - STRIP_SHARE));
  const stripTop = mainHeight + gap;
  return {
    main: { left: 0, top: 0, width, height: mainHeight },
    strip: { left: 0, top: stripTop, width, height: Math.max(0, height - stripTop) },
  };
}

function spread(size: number, count: number, gap: number): number {
  return size * count + gap * (count - 1);
}

function clamp(value: number, { min, max }: { min: number; max: number }): number {
  return Math.min(max, Math.max(min, value));
}

function wholeOf(container: Box): Rectangle {
  return { left: 0, top: 0, ...container };
}
