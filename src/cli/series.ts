/** `holdfast series`: the rows of a series, as a table, a file, candles or a drawing. */
import { type Command, InvalidArgumentError } from "commander";
import { HoldfastError } from "../base/errors.js";
import { ohlcv } from "../series/resample.js";
import type { SeriesSlice } from "../series/slice.js";
import { csvCell } from "./csv-text.js";
import { asJson, asText, pointOf } from "./history-text.js";
import { formatBytes, formatNumber, formatTable, formatTime, write, writeLine } from "./output.js";
import { countOf } from "./range-flags.js";
import { plotOf } from "./series-plot.js";
import { type StoredSeries, type StoredValues, seriesNamed, withSeries } from "./stored-series.js";

/** Rows in one table of the terminal: columns are as wide as these need. */
const PAGE_ROWS = 500;

/** Rows that are printed where nothing says which. */
const LAST_DEFAULT = 20;

const UNIT_MICROS: Readonly<Record<string, number>> = {
  us: 1,
  ms: 1_000,
  s: 1_000_000,
  m: 60_000_000,
  h: 3_600_000_000,
  d: 86_400_000_000,
};

/** So many rows, or so many microseconds. */
type Last = { readonly rows: number } | { readonly micros: number };

interface Flags {
  readonly last?: Last;
  readonly from?: number;
  readonly to?: number;
  readonly at?: string;
  readonly columns?: readonly string[];
  readonly every?: number;
  readonly limit?: number;
  readonly plot?: boolean;
  readonly json?: boolean;
  readonly csv?: boolean;
}

/** Adds the command to a program. */
export function registerSeries(program: Command): void {
  program
    .command("series")
    .summary("print or draw a time series")
    .description(
      "Prints the series of a store, or rows of one: the last 20, or those that the options\n" +
        "say. Times are ISO 8601 (UTC) or microseconds, durations 500ms, 30s, 5m, 1h or 7d.\n" +
        "Reads only; needs neither the application nor the lock. Exit codes: 0 printed,\n" +
        "1 failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("[name]", "name of the series")
    .option(
      "--last <rows|duration>",
      "the newest rows, or those of so long before the newest",
      lastOf,
    )
    .option("--from <time>", "rows at or behind this time", timeFrom)
    .option("--to <time>", "rows before this time", timeFrom)
    .option("--at <point>", "the series as it was: a sequence, a time, or a snapshot")
    .option("--columns <names>", "only these columns, with commas between them", namesOf)
    .option(
      "--every <duration>",
      "candles of the first column, with the volume of the second if there is one",
      durationOf,
    )
    .option("--limit <count>", "print at most so many rows", countOf)
    .option("--plot", "draw the columns of numbers over time")
    .option("--json", "one JSON object a line")
    .option("--csv", "comma-separated values, the time in microseconds")
    .action(async (directory: string, name: string | undefined, flags: Flags) => {
      checkFlags(flags);
      await withSeries(directory, flags.at, async (all) => {
        if (name === undefined) return printAll(all, flags);
        const slices = slicesFor(seriesNamed(all, name), flags);
        await (flags.plot === true ? printPlot(name, slices) : printRows(slices, flags));
      });
    });
}

function checkFlags({ plot, json, csv, last, from }: Flags): void {
  if ([plot, json, csv].filter((flag) => flag === true).length > 1) {
    throw new HoldfastError("INVALID_ARGUMENT", "--plot, --json and --csv: only one of them");
  }
  if (last !== undefined && from !== undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", "--last and --from: only one of them");
  }
}

type Slices = AsyncIterable<SeriesSlice<StoredValues>> | Iterable<SeriesSlice<StoredValues>>;

/** The rows that the flags ask for. */
function slicesFor(stored: StoredSeries, flags: Flags): Slices {
  const { series } = stored;
  const { from, to, columns, limit, every } = flags;
  const names = columns === undefined ? {} : { columns };
  const until = to === undefined ? {} : { lt: to };
  const last = flags.last ?? (isBounded(flags) ? undefined : { rows: LAST_DEFAULT });
  if (last !== undefined && "rows" in last && every === undefined) {
    return [series.last(last.rows, { ...names, ...until })];
  }
  const begin = last !== undefined && "micros" in last ? beginOf(stored, last.micros, to) : from;
  const times = { ...until, ...(begin !== undefined && { gte: begin }) };
  if (every !== undefined) return [candles(stored, every, times, columns)];
  return series.slices({ ...times, ...names, ...(limit !== undefined && { limit }) });
}

/** Something says which rows, so that none are left out. */
function isBounded({ from, to, limit, plot, json, csv, every }: Flags): boolean {
  return [from, to, limit, plot, json, csv, every].some((flag) => flag !== undefined);
}

/** Where a duration begins that ends with the newest row. */
function beginOf({ series }: StoredSeries, micros: number, to: number | undefined) {
  const newest = series.at(to === undefined ? Number.POSITIVE_INFINITY : to - 1)?.time;
  return newest === undefined ? undefined : newest - micros + 1;
}

function candles(
  { definition, series }: StoredSeries,
  every: number,
  times: { readonly gte?: number; readonly lt?: number },
  columns: readonly string[] | undefined,
): SeriesSlice<StoredValues> {
  const numbers = definition.columns.filter(({ kind }) => kind !== "string" && kind !== "boolean");
  const [price = numbers[0]?.name ?? "", quantity] = columns ?? [];
  const { volume: _, ...prices } = ohlcv(price, "");
  const aggregates = quantity === undefined ? prices : ohlcv(price, quantity);
  return series.resample(every, aggregates, times);
}

// ---- printing ----------------------------------------------------------------------------------

async function printAll(all: readonly StoredSeries[], { json }: Flags): Promise<void> {
  const rows = all.map(({ definition, series, sealedRows, sealedBytes }) => {
    const { time } = series.last(1, { columns: [] });
    const oldest = series.range({ limit: 1, columns: [] }).time[0];
    const columns = definition.columns.map(({ name }) => name);
    const { name, capacity } = definition;
    const count = series.count();
    return { name, count, oldest, newest: time[0], sealedRows, sealedBytes, columns, capacity };
  });
  if (json === true) {
    for (const row of rows) await writeLine(JSON.stringify(row));
    return;
  }
  if (rows.length === 0) return writeLine("there are no series");
  const titles = ["series", "rows", "from", "to", "sealed", "bytes a row", "columns"];
  const right = new Set(["rows", "sealed", "bytes a row"]);
  const lines = rows.map((row) => [
    row.name,
    formatNumber(row.count),
    row.oldest === undefined ? "-" : formatTime(row.oldest),
    row.newest === undefined ? "-" : formatTime(row.newest),
    formatBytes(row.sealedBytes),
    row.sealedRows === 0 ? "-" : (row.sealedBytes / row.sealedRows).toFixed(2),
    row.columns.join(", "),
  ]);
  await write(
    formatTable(
      titles.map((title) => ({ title, right: right.has(title) })),
      lines,
    ),
  );
}

async function printRows(slices: Slices, { json, csv }: Flags): Promise<void> {
  let isFirst = true;
  for await (const slice of slices) {
    const names = Object.keys(slice.columns);
    if (csv === true && isFirst) await writeLine(["time", ...names].map(csvCell).join(","));
    isFirst = false;
    for (let from = 0; from < slice.length; from += PAGE_ROWS) {
      const rows = Array.from(
        { length: Math.min(PAGE_ROWS, slice.length - from) },
        (_, i) => slice.row(from + i) as StoredValues & { time: number },
      );
      if (json === true)
        await write(rows.map((row) => `${JSON.stringify(asJson(row))}\n`).join(""));
      else if (csv === true) await write(rows.map((row) => `${csvLine(row, names)}\n`).join(""));
      else await write(tableOf(rows, names));
    }
  }
}

function csvLine(row: StoredValues, names: readonly string[]): string {
  return ["time", ...names].map((name) => csvCell(String(asJson(row[name])))).join(",");
}

function tableOf(rows: readonly (StoredValues & { time: number })[], names: readonly string[]) {
  const columns = names.map((title) => ({ title, right: typeof rows[0]?.[title] !== "string" }));
  const lines = rows.map((row) => [
    formatTime(row.time),
    ...names.map((name) => asText(row[name])),
  ]);
  return formatTable([{ title: "time" }, ...columns], lines);
}

async function printPlot(name: string, slices: Slices): Promise<void> {
  const parts: SeriesSlice<StoredValues>[] = [];
  for await (const slice of slices) parts.push(slice);
  await write(plotOf(name, parts, process.stdout.columns ?? 100));
}

// ---- flags -------------------------------------------------------------------------------------

function durationOf(text: string): number {
  const [, count, unit] = /^(\d+)(us|ms|s|m|h|d)$/.exec(text) ?? [];
  const micros = Number(count) * (UNIT_MICROS[unit ?? ""] ?? Number.NaN);
  if (Number.isSafeInteger(micros) && micros > 0) return micros;
  throw new InvalidArgumentError("It must be a duration, like 500ms, 30s, 5m, 1h or 7d.");
}

function lastOf(text: string): Last {
  if (/^\d+$/.test(text)) return { rows: countOf(text) };
  return { micros: durationOf(text) };
}

function timeFrom(text: string): number {
  const point = readPoint(text);
  if (typeof point === "number") return point;
  if (typeof point === "object" && typeof point.time === "number") return point.time;
  throw new InvalidArgumentError("It must be a time, or microseconds since 1970.");
}

function readPoint(text: string) {
  try {
    return pointOf(text);
  } catch (error) {
    if (error instanceof HoldfastError) return undefined;
    throw error;
  }
}

function namesOf(text: string): readonly string[] {
  return text.split(",").map((name) => name.trim());
}
