/** What the log holds behind the runs: all of it where there are none. */
import { OPERATION } from "../log/format.js";
import { type LogOperation, type LogRecord, walkOperations } from "../log/record.js";
import { TABLE_ID_BYTES } from "../store/layers.js";

/** What opening has to read back. */
export interface ReplayLoad {
  readonly transactions: number;
  readonly operations: number;
  readonly bytes: number;
}

export class TailRows {
  readonly #runsThrough: number;
  /** Full keys as text, one character a byte; whether the newest operation left a row. */
  readonly #keys = new Map<string, boolean>();
  #transactions = 0;
  #operations = 0;
  #bytes = 0;

  constructor(runsThrough: number) {
    this.#runsThrough = runsThrough;
  }

  get load(): ReplayLoad {
    return { transactions: this.#transactions, operations: this.#operations, bytes: this.#bytes };
  }

  get keys(): ReadonlyMap<string, boolean> {
    return this.#keys;
  }

  /** Of a frame with that last transaction. */
  frame(lastSequence: number, frameBytes: number): void {
    if (lastSequence > this.#runsThrough) this.#bytes += frameBytes;
  }

  /** What is malformed is told elsewhere. */
  record(record: LogRecord): void {
    if (record.sequence <= this.#runsThrough) return;
    this.#transactions++;
    walkOperations(record, (operation) => this.#operation(record, operation));
  }

  #operation(record: LogRecord, { kind, tableId, keyStart, keyEnd }: LogOperation): void {
    this.#operations++;
    if (kind === OPERATION.declare) return;
    const { buffer, byteOffset } = record.bytes;
    const key = Buffer.from(buffer, byteOffset + keyStart, keyEnd - keyStart).toString("latin1");
    this.#keys.set(tablePrefix(tableId) + key, kind !== OPERATION.delete);
  }
}

export function tablePrefix(tableId: number): string {
  return String.fromCharCode(tableId >>> 8, tableId & 0xff);
}

/** The table of a full key. */
export function tableOf(fullKey: string): number {
  return (fullKey.charCodeAt(0) << 8) | fullKey.charCodeAt(TABLE_ID_BYTES - 1);
}
