/**
 * A hash that stands for a piece of history: each transaction is hashed together with the hash of
 * all before it. Whoever keeps one elsewhere can tell later that nothing up to there was rewritten,
 * by whatever hand: checksums tell of accidents only. docs/format.md is normative.
 */
import { createHash } from "node:crypto";
import { setUint53, toHex, viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { HISTORY_HASH_BYTES } from "../base/limits.js";
import { RECORD_AT } from "./format.js";
import type { LogRecord } from "./record.js";

/** Before the writer's id: the sequence, and how long that id is. */
const HEAD_BYTES = 12;
const WRITER_BYTES_AT = 8;

export class HistoryHash {
  #hash: Uint8Array;
  readonly #head = new Uint8Array(HEAD_BYTES);
  readonly #view = viewOf(this.#head);
  #writer = "";
  #writerBytes: Uint8Array = new Uint8Array(0);

  /** `base`: the hash of what is before; not given where it begins with nothing. */
  constructor(base: Uint8Array = new Uint8Array(HISTORY_HASH_BYTES)) {
    this.#hash = base;
  }

  add(record: LogRecord, writer: string): void {
    if (writer !== this.#writer) {
      this.#writer = writer;
      this.#writerBytes = new TextEncoder().encode(writer);
    }
    setUint53(this.#view, 0, record.sequence);
    this.#view.setUint32(WRITER_BYTES_AT, this.#writerBytes.length, true);
    const { bytes, start, operationsEnd } = record;
    this.#hash = createHash("sha256")
      .update(this.#hash)
      .update(this.#head)
      .update(this.#writerBytes)
      .update(bytes.subarray(start + RECORD_AT.recordBytes, operationsEnd))
      .digest();
  }

  get bytes(): Uint8Array {
    return this.#hash;
  }

  /** 64 hex digits. */
  get head(): string {
    return toHex(this.#hash);
  }
}

/** Throws INVALID_ARGUMENT for what is no hash. */
export function checkHash(name: string, hash: unknown): asserts hash is string {
  if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return;
  throw new HoldfastError("INVALID_ARGUMENT", `${name} is a hash of 64 hex digits (0-9, a-f)`);
}
