/**
 * Rows of a file into a table. The whole file is read and checked before anything is written; then
 * it is read again and put. What fits one transaction is one.
 */
import { HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX, TRANSACTION_OPERATIONS_MAX } from "../base/limits.js";
import type { TableDefinition } from "../codec/schema.js";
import type { Store } from "../store/store.js";
import { KeySet } from "./key-set.js";
import { type FileStamp, type RowFormat, readRows, stampOf } from "./row-file.js";
import { BadRow, type KeyedRow, RowText } from "./row-text.js";

/** Leaves room for headers: about the bytes of one transaction, and of one of many. */
const ONE_TRANSACTION_BYTES = FRAME_BYTES_MAX - 64 * 1024;
const BATCH_BYTES = 512 * 1024;
const BATCH_ROWS = 2_000;

export interface ImportSource {
  readonly file: string;
  readonly format: RowFormat;
  readonly table: TableDefinition;
  /** Members or columns that hold the key; default: see `defaultKeyNames`. */
  readonly keyNames?: readonly string[] | undefined;
}

/** A row that is not taken, with the reason. */
export interface Reject {
  readonly line: number;
  readonly reason: string;
  readonly text: string;
}

/** What the first reading found. */
export interface CheckedFile {
  readonly stamp: FileStamp;
  readonly rows: number;
  readonly rejected: number;
  /** All of it fits one transaction. */
  readonly atomic: boolean;
}

type OnProgress = (bytes: number) => void;

/**
 * Reads all of the file; writes nothing. Throws INVALID_ARGUMENT where rows cannot be told apart:
 * text that is not UTF-8, an array without an end, a header that does not fit the table.
 */
export async function checkRows(
  source: ImportSource,
  onReject: (reject: Reject) => void,
  onProgress: OnProgress,
): Promise<CheckedFile> {
  const stamp = await stampOf(source.file);
  let rows = 0;
  let rejected = 0;
  let bytes = 0;
  const reject = (one: Reject) => {
    rejected++;
    onReject(one);
  };
  for await (const row of goodRows(source, reject, onProgress)) {
    rows++;
    bytes += row.bytes;
  }
  const atomic = rows <= TRANSACTION_OPERATIONS_MAX && bytes <= ONE_TRANSACTION_BYTES;
  return { stamp, rows, rejected, atomic };
}

export interface Imported {
  readonly rows: number;
  /** Of them, those whose key had a row before. */
  readonly replaced: number;
  readonly transactions: number;
}

/**
 * Puts the good rows, in their order, and resolves when all are durable. Where it is cut short, or
 * throws, the rows up to some place of the file are in the table; doing it again makes it whole.
 */
export async function putRows(
  store: Store,
  source: ImportSource,
  { stamp, atomic }: CheckedFile,
  onProgress: OnProgress,
): Promise<Imported> {
  const table = store.table(source.table);
  const put = { rows: 0, replaced: 0, transactions: 0 };
  let batch: SizedRow[] = [];
  let batchBytes = 0;
  const flush = async () => {
    const rows = batch;
    [batch, batchBytes] = [[], 0];
    if (rows.length === 0) return;
    for (const { key } of rows) if (table.has(key)) put.replaced++;
    await store.transact((tx) => {
      for (const { key, row } of rows) tx.put(source.table, key, row);
    });
    put.rows += rows.length;
    put.transactions++;
  };
  await assertSame(source.file, stamp, put.rows);
  for await (const row of goodRows(source, () => {}, onProgress)) {
    const full = batchBytes + row.bytes > BATCH_BYTES || batch.length >= BATCH_ROWS;
    if (full && !atomic) await flush();
    batch.push(row);
    batchBytes += row.bytes;
  }
  await assertSame(source.file, stamp, put.rows);
  await flush();
  await store.durable();
  return put;
}

async function assertSame(file: string, before: FileStamp, rows: number): Promise<void> {
  const now = await stampOf(file);
  if (now.bytes === before.bytes && now.modifiedMillis === before.modifiedMillis) return;
  const done = rows === 0 ? "nothing was written" : `${rows} rows are in; import it again`;
  const message = `${file} was changed while it was read: ${done}`;
  throw new HoldfastError("INVALID_ARGUMENT", message, { file });
}

type SizedRow = KeyedRow & { readonly bytes: number };

/** Of two rows with one key only the first is good: which one was meant nobody can tell. */
async function* goodRows(
  { file, format, table, keyNames }: ImportSource,
  onReject: (reject: Reject) => void,
  onProgress: OnProgress,
): AsyncGenerator<SizedRow, void, void> {
  const text = new RowText(table, keyNames);
  const keys = new KeySet();
  let hasHeader = format !== "csv";
  for await (const pieces of readRows(file, format, onProgress)) {
    for (const piece of pieces) {
      if (!hasHeader) {
        hasHeader = true;
        readHeader(text, file, piece);
        continue;
      }
      try {
        const row = format === "csv" ? text.fromCsv(piece.text) : text.fromJson(piece.text);
        if (!keys.add(text.keyBytes(row.key))) throw new BadRow("its key stood before in the file");
        yield { ...row, bytes: text.sizeOf(row) };
      } catch (error) {
        if (!(error instanceof BadRow)) throw error;
        onReject({ line: piece.line, reason: error.message, text: piece.text });
      }
    }
  }
  if (!hasHeader) throw new HoldfastError("INVALID_ARGUMENT", `${file} has no header`, { file });
}

function readHeader(text: RowText, file: string, { line, text: header }: Piece): void {
  try {
    text.readHeader(header);
  } catch (error) {
    if (!(error instanceof BadRow)) throw error;
    const message = `${file}, line ${line}: ${error.message}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file });
  }
}

interface Piece {
  readonly line: number;
  readonly text: string;
}
