/** Rows and operations that are not in the new store, as JSON lines beside it. */
import { closeSync, fsyncSync, openSync, writeFileSync } from "node:fs";
import { toHex } from "../base/bytes.js";
import { compileGenericReader, readWithoutSchema } from "../codec/generic.js";
import type { SchemaDescription } from "../codec/schema-description.js";
import type { Json } from "../codec/value-json.js";
import type { LogRecord } from "../log/record.js";
import type { ManifestTable } from "../manifest/format.js";
import type { SalvagedRow } from "../snapshot/salvage-rows.js";
import type { RowChecker } from "./check-rows.js";
import { formatTime } from "./output.js";
import type { ReadableTables } from "./readable-tables.js";

const PIECE_CHARS = 256 * 1024;

/** A file that is there only if there is something in it. */
export class JsonLines {
  lines = 0;
  readonly path: string;
  #file: number | undefined;
  #text = "";

  constructor(path: string) {
    this.path = path;
  }

  add(value: object): void {
    this.lines++;
    this.#text += `${JSON.stringify(value)}\n`;
    if (this.#text.length >= PIECE_CHARS) this.#write();
  }

  /** Durable after that. */
  end(): void {
    if (this.lines === 0) return;
    const file = this.#write();
    fsyncSync(file);
    closeSync(file);
  }

  #write(): number {
    this.#file ??= openSync(this.path, "w");
    writeFileSync(this.#file, this.#text);
    this.#text = "";
    return this.#file;
  }
}

/** One line for each operation of a transaction. */
export function addRecord(lines: JsonLines, tables: ReadableTables, record: LogRecord): void {
  const { sequence, timeMicros } = record;
  const time = formatTime(timeMicros);
  tables.walk(record, (operation) => lines.add({ sequence, time, ...operation }));
}

/** Rows of runs by the schemas of their tables. */
export class RowReader {
  readonly #rows: RowChecker;
  readonly #readers = new Map<string, (bytes: Uint8Array) => Json>();

  constructor(rows: RowChecker, tables: readonly ManifestTable[]) {
    this.#rows = rows;
    for (const { id, schemas } of tables) {
      for (const schema of schemas as readonly SchemaDescription[]) {
        try {
          const read = compileGenericReader(schema);
          const of = (bytes: Uint8Array) => read(bytes, 0, bytes.length);
          this.#readers.set(`${id} ${schema.version}`, of);
        } catch {
          // It is no schema: its rows are shown raw.
        }
      }
    }
  }

  /** Never throws: what cannot be decoded is shown as it stands. */
  describe({ key, schemaVersion, row, firstSequence, lastSequence }: SalvagedRow) {
    const id = ((key[0] as number) << 8) | (key[1] as number);
    const sequences = { first: firstSequence, last: lastSequence };
    const place = { ...this.#rows.describe(key), version: schemaVersion };
    return { sequences, ...place, row: this.#read(`${id} ${schemaVersion}`, row) };
  }

  #read(reader: string, row: Uint8Array): Json {
    try {
      return (this.#readers.get(reader) ?? readRaw)(row);
    } catch {
      return `0x${toHex(row)}`;
    }
  }
}

function readRaw(row: Uint8Array): Json {
  return readWithoutSchema(row, 0, row.length);
}
