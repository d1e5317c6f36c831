/** Files of rows: JSON (an array), JSON lines or CSV; read piece by piece. */
import { createReadStream } from "node:fs";
import { stat } from "node:fs/promises";
import { HoldfastError } from "../base/errors.js";
import {
  ArraySplitter,
  LineSplitter,
  type RowText as Piece,
  type RowSplitter,
} from "./split-rows.js";

export const ROW_FORMATS = ["json", "jsonl", "csv"] as const;
export type RowFormat = (typeof ROW_FORMATS)[number];

const EXTENSIONS: Readonly<Record<string, RowFormat>> = {
  json: "json",
  jsonl: "jsonl",
  ndjson: "jsonl",
  csv: "csv",
};

/** By its option, or else by the extension of the file. Throws INVALID_ARGUMENT. */
export function rowFormat(option: string | undefined, file: string | undefined): RowFormat {
  const extension = /\.([a-z]+)$/i.exec(file ?? "")?.[1]?.toLowerCase() ?? "";
  const format = option ?? EXTENSIONS[extension];
  if ((ROW_FORMATS as readonly (string | undefined)[]).includes(format)) return format as RowFormat;
  const what = option === undefined ? "the file's extension tells no format" : `got ${option}`;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `--format is one of ${ROW_FORMATS.join(", ")}; ${what}`,
  );
}

/** What tells that a file is still the one it was. */
export interface FileStamp {
  readonly bytes: number;
  readonly modifiedMillis: number;
}

/** Throws INVALID_ARGUMENT for what cannot be read twice, such as a pipe. */
export async function stampOf(file: string): Promise<FileStamp> {
  const stats = await stat(file);
  if (stats.isFile()) return { bytes: stats.size, modifiedMillis: stats.mtimeMs };
  const message = `${file} is not a file: it is read twice, first to check it`;
  throw new HoldfastError("INVALID_ARGUMENT", message, { file });
}

/** Rows as texts, in lists of a piece of the file each. Throws INVALID_ARGUMENT. */
export async function* readRows(
  file: string,
  format: RowFormat,
  onBytes: (bytes: number) => void,
): AsyncGenerator<readonly Piece[], void, void> {
  let rows: Piece[] = [];
  const splitter = splitterOf(file, format, (row) => rows.push(row));
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let bytes = 0;
  for await (const piece of createReadStream(file, { highWaterMark: 256 * 1024 })) {
    const chunk = piece as Uint8Array;
    splitter.push(decode(file, bytes, () => decoder.decode(chunk, { stream: true })));
    bytes += chunk.length;
    onBytes(bytes);
    yield rows;
    rows = [];
  }
  splitter.push(decode(file, bytes, () => decoder.decode()));
  splitter.end();
  yield rows;
}

function splitterOf(file: string, format: RowFormat, emit: (row: Piece) => void): RowSplitter {
  return format === "json"
    ? new ArraySplitter(file, emit)
    : new LineSplitter(file, emit, format === "csv");
}

function decode(file: string, offset: number, read: () => string): string {
  try {
    return read();
  } catch (error) {
    const message = `${file} is not UTF-8 behind byte ${offset}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file, offset }, error);
  }
}
