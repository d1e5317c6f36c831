// A file system of some megabytes that can be filled to its last block; it takes root to make one.
import { execFileSync } from "node:child_process";
import { appendFileSync, closeSync, mkdirSync, openSync, rmSync, truncateSync } from "node:fs";
import { join } from "node:path";

const PIECE = Buffer.alloc(64 * 1024, 1);

export class LoopDisk {
  directory;
  #filler;

  /** Throws where none can be made. */
  constructor(parent, megabytes) {
    this.directory = join(parent, "mounted");
    this.#filler = join(this.directory, "filler");
    const image = join(parent, "image");
    mkdirSync(this.directory);
    closeSync(openSync(image, "w"));
    truncateSync(image, megabytes * 1024 * 1024);
    execFileSync("mkfs.ext4", ["-q", "-m", "0", image], { stdio: "pipe" });
    execFileSync("mount", ["-o", "loop", image, this.directory], { stdio: "pipe" });
  }

  fill() {
    try {
      for (;;) appendFileSync(this.#filler, PIECE);
    } catch (error) {
      if (error.code !== "ENOSPC") throw error;
    }
  }

  empty() {
    rmSync(this.#filler, { force: true });
  }

  unmount() {
    execFileSync("umount", [this.directory], { stdio: "pipe" });
  }
}
