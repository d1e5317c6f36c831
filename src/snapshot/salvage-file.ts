/** What of a damaged file of a run is whole, and between which keys rows are lost. */
import { errnoCode, isHoldfastError } from "../base/errors.js";
import { compareBytes, Entries } from "../run/entries.js";
import { BLOCK_KIND, runFileName } from "../run/format.js";
import { openDirect } from "../run/read-back.js";
import { walkBlocks } from "../run/walk.js";
import { beginWalk, type SalvageOptions } from "./salvage.js";

/** From one full key to another, both included; undefined: all keys there are. */
export interface KeyRange {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

/** A place of a file that cannot be had. */
export interface BadPlace {
  readonly file: string;
  readonly offset: number;
  /** 0 where nobody knows how much it is. */
  readonly bytes: number;
  readonly what: string;
  /** Rows between these keys are lost; undefined: no row is. */
  readonly rows: KeyRange | undefined;
}

/** Blocks of rows that are whole, in the order of their keys. */
type Visit = (entries: Entries) => Promise<void>;

/** Visits all rows that can be had of a file. Throws only what the disk does with good files. */
export async function salvageFile(options: SalvageOptions, visit: Visit): Promise<BadPlace[]> {
  const { disk, directory, file } = options;
  const path = `${directory}/${runFileName(file.id)}`;
  const whole = { file: path, offset: 0, bytes: file.bytes, rows: rangeOf(file) };
  try {
    const handle = await openDirect(disk, path);
    try {
      const walking = await beginWalk(options, path, handle);
      return await new FileSalvage(options, path, visit).run(walking);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (isHoldfastError(error, "CORRUPT_RUN")) return [{ ...whole, what: reasonIn(error.message) }];
    // As the system has it, or as the cause of an error of this package.
    const code = errnoCode(isHoldfastError(error, "IO") ? error.cause : error);
    if (code === "ENOENT") return [{ ...whole, what: "the file is not there" }];
    if (code !== "EIO") throw error;
    return [{ ...whole, what: `the device refuses to read it (${(error as Error).message})` }];
  }
}

function rangeOf({ firstKey, lastKey }: SalvageOptions["file"]): KeyRange {
  return { from: firstKey, to: lastKey };
}

/** Without file and offset, which stand beside it. */
function reasonIn(message: string): string {
  return message.slice(message.lastIndexOf(": ") + 2);
}

type Pending = Omit<BadPlace, "rows">;

class FileSalvage {
  readonly #options: SalvageOptions;
  readonly #path: string;
  readonly #visit: Visit;
  readonly #places: BadPlace[] = [];
  /** Behind the last whole block of rows. */
  #pending: Pending[] = [];
  #lastKey: Uint8Array | undefined;
  #found = 0;

  constructor(options: SalvageOptions, path: string, visit: Visit) {
    this.#options = options;
    this.#path = path;
    this.#visit = visit;
  }

  async run(walking: Parameters<typeof walkBlocks>[0]): Promise<BadPlace[]> {
    for await (const block of walkBlocks(walking)) {
      const { offset } = block;
      if (!block.ok) this.#bad(offset, block.length, block.what);
      else if (block.kind === BLOCK_KIND.data) await this.#rows(block);
    }
    return this.#finish(walking.end);
  }

  async #rows(block: { offset: number; length: number; raw: Buffer }): Promise<void> {
    const entries = Entries.of(block.raw, block.offset);
    if (entries === undefined || !this.#ascends(entries)) {
      this.#bad(block.offset, block.length, "the block is not a list of keys in their order");
      return;
    }
    const { bytes, count } = entries;
    this.#settle(Uint8Array.from(bytes.subarray(entries.keyStart(0), entries.keyEnd(0))));
    await this.#visit(entries);
    const last = bytes.subarray(entries.keyStart(count - 1), entries.keyEnd(count - 1));
    this.#lastKey = Uint8Array.from(last);
    this.#found += count;
  }

  #ascends(entries: Entries): boolean {
    const { bytes, count } = entries;
    let last = this.#lastKey;
    for (let i = 0; i < count; i++) {
      const key = bytes.subarray(entries.keyStart(i), entries.keyEnd(i));
      if (last !== undefined && compareBytes(last, 0, last.length, key, 0, key.length) >= 0) {
        return false;
      }
      last = key;
    }
    return count > 0;
  }

  #bad(offset: number, bytes: number, what: string): void {
    this.#pending.push({ file: this.#path, offset, bytes, what });
  }

  /** Rows of what is pending are before that key. */
  #settle(to: Uint8Array): void {
    const from = this.#lastKey ?? this.#options.file.firstKey;
    for (const place of this.#pending) this.#places.push({ ...place, rows: { from, to } });
    this.#pending = [];
  }

  /** With as many rows as the manifest says, none is lost, whatever is damaged. */
  #finish(end: number): BadPlace[] {
    const { rows, tombstones, bytes, lastKey } = this.#options.file;
    const isWhole = this.#found === rows + tombstones;
    const isEnd = this.#lastKey !== undefined && Buffer.compare(this.#lastKey, lastKey) === 0;
    if (isEnd && (this.#places.length > 0 || isWhole)) {
      for (const place of this.#pending) this.#places.push({ ...place, rows: undefined });
      this.#pending = [];
    } else if (!isWhole && !isEnd && this.#pending.length === 0) {
      this.#bad(end, Math.max(0, bytes - end), "rows are missing");
    }
    // Missing in a place that nothing points to: it may be any of them.
    if (!isWhole && isEnd && this.#places.every((place) => place.rows === undefined)) {
      const { file } = this.#options;
      const what = "rows are missing";
      this.#places.push({ file: this.#path, offset: 0, bytes: 0, what, rows: rangeOf(file) });
    }
    this.#settle(lastKey);
    return this.#places.map((place) => (isWhole ? { ...place, rows: undefined } : place));
  }
}
