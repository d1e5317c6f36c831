/** Reads all of a file that the device gives: what it refuses is zeros, and told. */
import { errnoCode } from "../base/errors.js";
import type { DiskFile } from "../disk/disk.js";

const PIECE_BYTES = 1024 * 1024;
/** What is refused is narrowed down to pages of this size. */
const PAGE_BYTES = 4096;

export class SalvageReader {
  readonly #file: DiskFile;
  readonly #onUnreadable: (offset: number, code: string) => void;
  #piece: Uint8Array = new Uint8Array(0);
  #from = 0;

  constructor(file: DiskFile, onUnreadable: (offset: number, code: string) => void) {
    this.#file = file;
    this.#onUnreadable = onUnreadable;
  }

  /** The bytes of a range, fewer only at the end of the file. */
  async read(offset: number, length: number): Promise<Uint8Array> {
    const at = offset - this.#from;
    if (at >= 0 && at + length <= this.#piece.length) return this.#piece.subarray(at, at + length);
    const wanted = Math.max(PIECE_BYTES, length);
    const piece = await this.#tryRead(offset, wanted);
    this.#piece = typeof piece === "string" ? await this.#readPages(offset, wanted) : piece;
    this.#from = offset;
    return this.#piece.subarray(0, length);
  }

  async #readPages(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    for (let done = 0; done < length; ) {
      const wanted = Math.min(PAGE_BYTES - ((offset + done) % PAGE_BYTES), length - done);
      const page = await this.#tryRead(offset + done, wanted);
      if (typeof page === "string") {
        this.#onUnreadable(offset + done, page);
      } else {
        bytes.set(page, done);
        if (page.length < wanted) return bytes.subarray(0, done + page.length);
      }
      done += wanted;
    }
    return bytes;
  }

  /** The bytes, or the code of the system's error. */
  async #tryRead(offset: number, length: number): Promise<Uint8Array | string> {
    try {
      return await this.#file.read(offset, length);
    } catch (error) {
      const code = errnoCode(error);
      if (code === undefined) throw error;
      return code;
    }
  }
}
