/** Goes over the keys of one run, whose files follow one another, in one direction. */
import { compareBytes, type Entries } from "./entries.js";
import type { FileCursor } from "./file-cursor.js";
import type { RunFile } from "./run-file.js";

const NONE = { key: Buffer.alloc(0), keyStart: 0, keyEnd: 0 } as FileCursor;

export class RunSource {
  /** 0 for the newest run. */
  readonly age: number;
  /** On the current entry, unless the source is at its end. */
  at: FileCursor = NONE;
  readonly #files: readonly RunFile[];
  readonly #reverse: boolean;
  readonly #keep: boolean;
  readonly #memory: Entries;
  #file = -1;

  /** `memory` is for the block that it stands in. */
  constructor(
    age: number,
    files: readonly RunFile[],
    reverse: boolean,
    keep: boolean,
    memory: Entries,
  ) {
    this.age = age;
    this.#files = files;
    this.#reverse = reverse;
    this.#keep = keep;
    this.#memory = memory;
  }

  /** To the first key in its direction. */
  start(): boolean {
    return this.#files.length > 0 && this.#enter(this.#reverse ? this.#files.length - 1 : 0);
  }

  /** To the first key in its direction that is at `key` or beyond it. */
  seek(key: Uint8Array): boolean {
    const files = this.#files;
    const above = firstFileAt(files, key, key.length);
    if (!this.#reverse) {
      if (above === files.length) return false;
      this.#open(above);
      return this.at.seek(key, 0, key.length);
    }
    const file = files[above];
    if (file !== undefined && startsAtOrBelow(file, key)) {
      this.#open(above);
      return this.at.seekBack(key, 0, key.length);
    }
    return above > 0 && this.#enter(above - 1);
  }

  /** To the next key in its direction. */
  advance(): boolean {
    if (this.#reverse ? this.at.previous() : this.at.next()) return true;
    const next = this.#file + (this.#reverse ? -1 : 1);
    return next >= 0 && next < this.#files.length && this.#enter(next);
  }

  #enter(i: number): boolean {
    this.#open(i);
    return this.#reverse ? this.at.last() : this.at.first();
  }

  #open(i: number): void {
    this.#file = i;
    this.at = this.#files[i]!.cursor(this.#keep, this.#memory);
  }
}

/** Index of the first file whose last key is at or above a key; their number if there is none. */
export function firstFileAt(files: readonly RunFile[], key: Uint8Array, keyEnd: number): number {
  let low = 0;
  let high = files.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const { lastKey } = files[middle]!.file;
    if (compareBytes(lastKey, 0, lastKey.length, key, 0, keyEnd) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

function startsAtOrBelow(file: RunFile, key: Uint8Array): boolean {
  const { firstKey } = file.file;
  return compareBytes(firstKey, 0, firstKey.length, key, 0, key.length) <= 0;
}
