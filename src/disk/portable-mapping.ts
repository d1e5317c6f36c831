/** An immutable file read by position: `node:fs` cannot map, and needs no guard against SIGBUS. */
import * as fs from "node:fs";
import { promisify } from "node:util";
import type { DiskMapping } from "./disk.js";
import { systemError, withPath } from "./system-error.js";

const open = promisify(fs.open);
const fstat = promisify(fs.fstat);

/** Opens a file for `copy`. */
export async function mapByReading(path: string): Promise<DiskMapping> {
  const fd = await open(path, fs.constants.O_RDONLY);
  try {
    const stats = await fstat(fd);
    if (!stats.isFile()) throw systemError("EINVAL", "mmap", path);
    return new ReadMapping(path, fd, stats.size);
  } catch (error) {
    fs.closeSync(fd);
    throw withPath(error, path);
  }
}

class ReadMapping implements DiskMapping {
  readonly length: number;
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string, fd: number, length: number) {
    this.#path = path;
    this.#fd = fd;
    this.length = length;
  }

  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void {
    if (this.#fd === undefined) throw systemError("EBADF", "read", this.#path);
    if (!isRange(offset, length, this.length)) throw new RangeError("outside the mapped file");
    if (!isRange(targetStart, length, target.length)) throw new RangeError("outside the target");
    try {
      for (let done = 0; done < length; ) {
        const left = length - done;
        const bytes = fs.readSync(this.#fd, target, targetStart + done, left, offset + done);
        // The file has become shorter than it was.
        if (bytes === 0) throw systemError("EIO", "read", this.#path);
        done += bytes;
      }
    } catch (error) {
      throw withPath(error, this.#path);
    }
  }

  close(): void {
    if (this.#fd === undefined) return;
    fs.closeSync(this.#fd);
    this.#fd = undefined;
  }
}

function isRange(from: number, length: number, bound: number): boolean {
  return (
    Number.isSafeInteger(from) &&
    Number.isSafeInteger(length) &&
    from >= 0 &&
    length >= 0 &&
    from + length <= bound
  );
}
