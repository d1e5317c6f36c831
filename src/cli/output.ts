/** Writing for people and machines, and ending with the truth. */
import { once } from "node:events";
import { HoldfastError } from "../base/errors.js";

/** All is well. */
export const EXIT_SOUND = 0;
/** Damage was found, or what was asked for failed. */
export const EXIT_DAMAGED = 1;
/** There was no looking: wrong usage, no such directory, no permission, not a store. */
export const EXIT_COULD_NOT_LOOK = 2;

/** A reader that goes away (`| head`) is no error: nobody wants the rest. */
export function endWhenReaderLeaves(): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") throw error;
    process.exit();
  });
}

/** Writes text to stdout, and waits where the reader is slower than we are. */
export async function write(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, "drain");
}

export async function writeLine(text: string): Promise<void> {
  await write(`${text}\n`);
}

/** One line on stderr for any error; the stack only for what should never happen. */
export function describeError(error: unknown): string {
  if (error instanceof HoldfastError) return `holdfast: ${error.code}: ${error.message}`;
  if (!(error instanceof Error)) return `holdfast: ${String(error)}`;
  const code = systemCode(error);
  if (code !== undefined) return `holdfast: IO: ${error.message}`;
  return `holdfast: this is a mistake in holdfast: ${error.stack ?? error.message}`;
}

const COULD_NOT_BEGIN = new Set([
  "NOT_A_STORE",
  "INVALID_ARGUMENT",
  "FORMAT_VERSION",
  "BACKUP_NOT_FOUND",
  "BACKUP_FOREIGN",
]);

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof HoldfastError)) return EXIT_COULD_NOT_LOOK;
  return COULD_NOT_BEGIN.has(error.code) ? EXIT_COULD_NOT_LOOK : EXIT_DAMAGED;
}

function systemCode(error: Error): string | undefined {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}

export interface Column {
  readonly title: string;
  /** Numbers stand to the right. */
  readonly right?: boolean;
}

/** A table in columns, with a line end after each row. */
export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): string {
  const widths = columns.map((column, i) =>
    Math.max(column.title.length, ...rows.map((row) => row[i]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    columns
      .map((column, i) => {
        const cell = cells[i] ?? "";
        const width = widths[i] ?? 0;
        return column.right ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  const head = line(columns.map((column) => column.title));
  return [head, ...rows.map(line)].map((text) => `${text}\n`).join("");
}

/** Labels and texts, in two columns. */
export function formatPairs(pairs: readonly (readonly [string, string])[]): string {
  const width = Math.max(...pairs.map(([label]) => label.length)) + 2;
  return pairs.map(([label, text]) => `${label.padEnd(width)}${text}\n`).join("");
}

export function formatNumber(value: number): string {
  return value.toLocaleString("en-US");
}

export function formatBytes(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`;
}

/** ISO 8601 with microseconds, UTC. */
export function formatTime(micros: number): string {
  const seconds = Math.floor(micros / 1e6);
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return `${micros} µs`;
  const fraction = String(micros - seconds * 1e6).padStart(6, "0");
  return `${date.toISOString().slice(0, -5)}.${fraction}Z`;
}

export function formatRange(first: number, last: number | undefined): string {
  if (last === undefined) return `${first} and on, if there were any`;
  if (last < first) return "none";
  return first === last ? String(first) : `${first} to ${last}`;
}
