/** Reads a whole file from its beginning to its end, in large pieces. */
import type { DiskFile } from "../disk/disk.js";
import { systemRefused } from "./errors.js";

const PIECE_BYTES = 1024 * 1024;

export class SequentialReader {
  readonly #file: DiskFile;
  #piece: Uint8Array = new Uint8Array(0);
  #from = 0;

  constructor(file: DiskFile) {
    this.#file = file;
  }

  /** The bytes of a range, fewer only at the end of the file; valid for as long as wanted. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const at = offset - this.#from;
    if (at < 0 || at + length > this.#piece.length) {
      try {
        this.#piece = await this.#file.read(offset, Math.max(PIECE_BYTES, length));
      } catch (error) {
        throw systemRefused(this.#file.path, "reading", error, offset);
      }
      this.#from = offset;
      return this.#piece.subarray(0, length);
    }
    return this.#piece.subarray(at, at + length);
  }
}
