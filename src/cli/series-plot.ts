/** A series in the terminal: its first column of numbers as a line, the others as bars. */
import type { SeriesSlice } from "../series/slice.js";
import { formatNumber, formatTime } from "./output.js";
import { drawBars, drawLine, type Line } from "./plot.js";
import type { StoredValues } from "./stored-series.js";

const HEIGHT = 12;
const WIDTH_MIN = 20;
const WIDTH_MAX = 160;

/** A drawing of so many characters across, at most. */
export function plotOf(
  name: string,
  parts: readonly SeriesSlice<StoredValues>[],
  terminalColumns: number,
): string {
  const lines = linesOf(parts);
  const rows = parts.reduce((sum, { length }) => sum + length, 0);
  const [first, ...others] = lines;
  if (first === undefined) return `${name}: no numbers in ${formatNumber(rows)} rows\n`;
  const labels = lines.map(({ column, line }) => labelsOf(column, line));
  const margin = Math.max(...labels.flat().map((label) => label.length)) + 1;
  const width = Math.max(WIDTH_MIN, Math.min(WIDTH_MAX, terminalColumns - margin - 1));
  const drawing = drawLine(first.line, width, HEIGHT);
  const text = [`${name}: ${first.column}, ${formatNumber(rows)} rows`];
  drawing?.lines.forEach((line, i) => {
    const label =
      i === 0 ? numberText(drawing.high) : i === HEIGHT - 1 ? numberText(drawing.low) : "";
    text.push(`${label.padStart(margin)} ${line}`.trimEnd());
  });
  text.push(timesOf(first.line.time, margin, width));
  for (const { column, line } of others) {
    const bars = drawBars(line, width);
    if (bars === undefined) continue;
    text.push(`${column.padStart(margin)} ${bars.text}`);
    text.push(`${"".padStart(margin)} ${numberText(bars.low)} to ${numberText(bars.high)}`);
  }
  return text.map((line) => `${line}\n`).join("");
}

interface Named {
  readonly column: string;
  readonly line: Line;
}

/** The columns of numbers, each as one line over all slices. */
function linesOf(parts: readonly SeriesSlice<StoredValues>[]): Named[] {
  const [one] = parts;
  if (one === undefined || parts.every(({ length }) => length === 0)) return [];
  const time = joined(parts.map((part) => part.time));
  const columns = Object.entries(one.columns)
    .filter(([, values]) => values instanceof Float64Array || values instanceof BigInt64Array)
    .map(([name]) => name);
  return columns.map((column) => ({
    column,
    line: { time, values: joined(parts.map((part) => part.numbers(column))) },
  }));
}

function joined(parts: readonly Float64Array[]): Float64Array {
  const all = new Float64Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function labelsOf(column: string, { values }: Line): string[] {
  const finite = values.filter(Number.isFinite);
  let [low, high] = [finite[0] ?? 0, finite[0] ?? 0];
  for (const value of finite) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [column, numberText(low), numberText(high)];
}

/** As short as it is told apart by. */
function numberText(value: number): string {
  return String(Number(value.toPrecision(9)));
}

function timesOf(time: Float64Array, margin: number, width: number): string {
  const [begin, end] = [time[0] as number, time.at(-1) as number].map(formatTime) as [
    string,
    string,
  ];
  const space = width - begin.length - end.length;
  const line = space > 0 ? begin + " ".repeat(space) + end : `${begin} to ${end}`;
  return `${"".padStart(margin)} ${line}`;
}
