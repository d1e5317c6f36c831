/** Keeps encoded rows in few large pieces of memory, free of the segments they were read from. */

const CHUNK_BYTES = 1024 * 1024;

export class Arena {
  #chunk = Buffer.alloc(0);
  #used = 0;
  /** Where the last copy stands. */
  bytes: Uint8Array = this.#chunk;
  start = 0;
  end = 0;

  /** Copies source[from, to); the place is left in `bytes`, `start` and `end`. */
  copy(source: Buffer, from: number, to: number): void {
    const length = to - from;
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, length));
      this.#used = 0;
    }
    source.copy(this.#chunk, this.#used, from, to);
    this.bytes = this.#chunk;
    this.start = this.#used;
    this.end = this.#used + length;
    this.#used = this.end;
  }
}
