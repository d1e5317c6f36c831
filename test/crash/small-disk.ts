/** A file system of some megabytes that can be filled to the last block; it takes root to make one. */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const FILLER_PIECE_BYTES = 64 * 1024;

export class SmallDisk {
  readonly directory: string;
  readonly #parent: string;
  readonly #filler: string;
  #fillerBytes = 0;

  private constructor(parent: string, directory: string) {
    this.#parent = parent;
    this.directory = directory;
    this.#filler = join(directory, "filler");
  }

  /** Undefined, and a loud word why, where none can be made. */
  static make(megabytes: number): SmallDisk | undefined {
    const parent = mkdtempSync(join(tmpdir(), "holdfast-small-"));
    const directory = join(parent, "mounted");
    const image = join(parent, "image");
    try {
      mkdirSync(directory);
      closeSync(openSync(image, "w"));
      truncateSync(image, megabytes * 1024 * 1024);
      // Without blocks that are kept for root, who runs this.
      execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { stdio: "pipe" });
      execFileSync("mount", ["-o", "loop", image, directory], { stdio: "pipe" });
    } catch (error) {
      console.warn(`SKIPPED: a full file system: ${(error as Error).message.split("\n")[0]}`);
      rmSync(parent, { recursive: true, force: true });
      return undefined;
    }
    return new SmallDisk(parent, directory);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
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
    execFileSync("umount", [this.directory], { stdio: "pipe" });
    rmSync(this.#parent, { recursive: true });
  }
}
