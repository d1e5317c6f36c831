/** A file system of some megabytes that can be filled to the last block; it takes root to make one. */
import { closeSync, openSync, rmSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { LoopImage } from "../support/loop-image.js";

const FILLER_PIECE_BYTES = 64 * 1024;

export class SmallDisk {
  readonly #image: LoopImage;
  readonly #filler: string;
  #fillerBytes = 0;

  private constructor(image: LoopImage) {
    this.#image = image;
    this.#filler = join(image.directory, "filler");
  }

  /** Undefined, and a loud word why, where none can be made. */
  static make(megabytes: number): SmallDisk | undefined {
    const image = LoopImage.make("a full file system", { megabytes });
    return image && new SmallDisk(image);
  }

  get directory(): string {
    return this.#image.directory;
  }

  get freeBytes(): number {
    return this.#image.freeBytes;
  }

  /** Leaves about that much free. */
  fill(leaveBytes: number): void {
    const fd = openSync(this.#filler, "a");
    const piece = Buffer.alloc(FILLER_PIECE_BYTES, 1);
    try {
      for (;;) this.#fillerBytes += writeSync(fd, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
    this.#fillerBytes = Math.max(0, this.#fillerBytes - leaveBytes);
    truncateSync(this.#filler, this.#fillerBytes);
  }

  empty(): void {
    rmSync(this.#filler, { force: true });
    this.#fillerBytes = 0;
  }

  remove(): void {
    this.#image.remove();
  }
}
