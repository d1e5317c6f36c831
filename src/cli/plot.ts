/** Numbers over time, drawn with the dots of braille: two of them across a character, four down. */

const DOTS_ACROSS = 2;
const DOTS_DOWN = 4;

/** Bits of the dots of a character, by column and row. */
const DOT_BITS = [
  [0x01, 0x02, 0x04, 0x40],
  [0x08, 0x10, 0x20, 0x80],
] as const;

const BLANK = 0x2800;
const BARS = "▁▂▃▄▅▆▇█";

/** Points of one line; what is not finite is left out. */
export interface Line {
  readonly time: Float64Array;
  readonly values: Float64Array;
}

/** What is drawn in one column of dots. */
interface Column {
  first: number;
  low: number;
  high: number;
  last: number;
}

/** First, least, greatest and last value in each of so many equal parts of the time. */
function columnsOf({ time, values }: Line, parts: number): (Column | undefined)[] {
  const columns: (Column | undefined)[] = new Array(parts).fill(undefined);
  const begin = time[0] as number;
  const span = Math.max(1, (time.at(-1) as number) - begin + 1);
  for (let i = 0; i < time.length; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) continue;
    const part = Math.floor((((time[i] as number) - begin) / span) * parts);
    const column = columns[part];
    if (column === undefined) {
      columns[part] = { first: value, low: value, high: value, last: value };
      continue;
    }
    column.low = Math.min(column.low, value);
    column.high = Math.max(column.high, value);
    column.last = value;
  }
  return columns;
}

/** Least and greatest of the columns; undefined if there is nothing to draw. */
function boundsOf(columns: readonly (Column | undefined)[]) {
  const drawn = columns.filter((column) => column !== undefined);
  if (drawn.length === 0) return undefined;
  const low = Math.min(...drawn.map((column) => column.low));
  const high = Math.max(...drawn.map((column) => column.high));
  return { low, high };
}

/**
 * The lines of a drawing of so many characters, from the top, with the least and the greatest value
 * in it; undefined if no value is finite.
 */
export function drawLine(line: Line, width: number, height: number) {
  const columns = columnsOf(line, width * DOTS_ACROSS);
  const bounds = boundsOf(columns);
  if (bounds === undefined) return undefined;
  const { low, high } = bounds;
  const rows = height * DOTS_DOWN;
  // From the top; a line that is level stands in the middle. Halves first: a span may overflow.
  const rowOf = (value: number) =>
    high === low
      ? rows >> 1
      : Math.round(((high / 2 - value / 2) / (high / 2 - low / 2)) * (rows - 1));
  const cells = Array.from({ length: height }, () => new Uint8Array(width));
  let before: number | undefined;
  columns.forEach((column, x) => {
    if (column === undefined) return;
    // It hangs together with what stands to the left.
    const top = rowOf(Math.max(column.high, Math.min(before ?? column.high, column.first)));
    const bottom = rowOf(Math.min(column.low, Math.max(before ?? column.low, column.first)));
    for (let y = top; y <= bottom; y++) setDot(cells, x, y);
    before = column.last;
  });
  return { lines: cells.map(textOf), low, high };
}

function setDot(cells: readonly Uint8Array[], x: number, y: number): void {
  const row = cells[Math.floor(y / DOTS_DOWN)] as Uint8Array;
  const bits = DOT_BITS[(x % DOTS_ACROSS) as 0 | 1];
  row[Math.floor(x / DOTS_ACROSS)]! |= bits[(y % DOTS_DOWN) as 0 | 1 | 2 | 3];
}

function textOf(row: Uint8Array): string {
  return Array.from(row, (bits) => String.fromCharCode(BLANK + bits)).join("");
}

/** The greatest value in each part of the time as a line of bars; blank where there is no value. */
export function drawBars(line: Line, width: number) {
  const columns = columnsOf(line, width);
  const bounds = boundsOf(columns);
  if (bounds === undefined) return undefined;
  const { low, high } = bounds;
  const level = (value: number) =>
    high === low ? 0 : Math.round(((value / 2 - low / 2) / (high / 2 - low / 2)) * 7);
  const bars = columns.map((column) => (column === undefined ? " " : BARS[level(column.high)]));
  return { text: bars.join(""), low, high };
}
