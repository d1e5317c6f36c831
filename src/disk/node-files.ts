/**
 * Directories and plain files over `node:fs`: shared by the portable disk and the native one, which
 * differ only in how the log is written.
 */
import { type BigIntStats, constants } from "node:fs";
import * as fs from "node:fs/promises";
import { errnoCode } from "../base/errors.js";
import type { DiskFile, OpenOptions } from "./disk.js";
import { systemError, withPath } from "./system-error.js";

/** Zeros are written in pieces of this size: large enough to be fast, small enough to keep. */
const ZERO_CHUNK_BYTES = 1024 * 1024;

/** One read or write call of Node.js takes at most 2^31 - 1 bytes. */
const CALL_BYTES_MAX = 1024 * 1024 * 1024;

let zeros: Uint8Array | undefined;

/** Creates a directory and its parents; no error if it is there. */
export async function createDirectory(path: string): Promise<void> {
  try {
    // The recursive form says ENOENT where there is no room, or no leave to write.
    await fs.mkdir(path);
  } catch (error) {
    const code = errnoCode(error);
    if (code !== "ENOENT" && code !== "EEXIST") throw error;
    await fs.mkdir(path, { recursive: true });
  }
}

/** Names of the entries of a directory, sorted by their code units. */
export async function listDirectory(path: string): Promise<string[]> {
  return (await fs.readdir(path)).sort();
}

export async function rename(from: string, to: string): Promise<void> {
  await fs.rename(from, to);
}

export async function remove(path: string): Promise<void> {
  await fs.unlink(path);
}

export async function removeDirectory(path: string): Promise<void> {
  await fs.rmdir(path);
}

export async function link(from: string, to: string): Promise<void> {
  await fs.link(from, to);
}

/** By reflink where the file system has that. */
export async function copy(from: string, to: string): Promise<void> {
  await fs.copyFile(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
  const handle = await fs.open(to, constants.O_RDWR);
  try {
    await handle.sync();
  } catch (error) {
    throw withPath(error, to);
  } finally {
    await handle.close();
  }
}

/** Makes creations, renames and removals in a directory durable. */
export async function syncDirectory(path: string): Promise<void> {
  // Windows opens no directories as files, and orders their changes by its own journal.
  if (process.platform === "win32") {
    await fs.access(path);
    return;
  }
  const handle = await fs.open(path, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } catch (error) {
    // Some file systems have no sync for directories and say so. Any other failure is a failure.
    if (errnoCode(error) !== "EINVAL" && errnoCode(error) !== "ENOTSUP")
      throw withPath(error, path);
  } finally {
    await handle.close();
  }
}

function openFlags(options: OpenOptions): number {
  let flags = options.write ? constants.O_RDWR : constants.O_RDONLY;
  if (options.create) flags |= constants.O_CREAT;
  if (options.create && options.exclusive) flags |= constants.O_EXCL;
  if (options.append) flags |= constants.O_APPEND;
  return flags;
}

/**
 * Opens a file. `direct` is not honoured: JavaScript has no say in the alignment of its memory, so
 * reads come through the page cache here.
 */
export async function openFile(path: string, options: OpenOptions = {}): Promise<NodeFile> {
  const handle = await fs.open(path, openFlags(options), 0o644);
  return new NodeFile(path, handle, options.append === true);
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await fs.stat(path, { bigint: true });
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

export class NodeFile implements DiskFile {
  readonly path: string;
  readonly handle: fs.FileHandle;
  readonly #append: boolean;
  /** What it is does not change while it is open. */
  #stats: BigIntStats | undefined;

  constructor(path: string, handle: fs.FileHandle, append: boolean) {
    this.path = path;
    this.handle = handle;
    this.#append = append;
  }

  async size(): Promise<number> {
    return (await this.#named(this.handle.stat())).size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    let done = 0;
    while (done < length) {
      const wanted = Math.min(length - done, CALL_BYTES_MAX);
      const reading = this.handle.read(bytes, done, wanted, offset + done);
      const { bytesRead } = await this.#named(reading);
      if (bytesRead === 0) return bytes.slice(0, done);
      done += bytesRead;
    }
    return bytes;
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    let done = 0;
    while (done < bytes.length) {
      const wanted = Math.min(bytes.length - done, CALL_BYTES_MAX);
      // With a position, appending is left to the platform: macOS would write at the position.
      const position = this.#append ? null : offset + done;
      const writing = this.handle.write(bytes, done, wanted, position);
      const { bytesWritten } = await this.#named(writing);
      if (bytesWritten === 0) throw systemError("EIO", "write", this.path);
      done += bytesWritten;
    }
  }

  async writeVerified(offset: number, bytes: Uint8Array): Promise<boolean> {
    await this.write(offset, bytes);
    await this.sync();
    return Buffer.compare(await this.read(offset, bytes.length), bytes) === 0;
  }

  async zeroFill(offset: number, length: number): Promise<void> {
    zeros ??= new Uint8Array(ZERO_CHUNK_BYTES);
    for (let done = 0; done < length; done += ZERO_CHUNK_BYTES) {
      const chunk = zeros.subarray(0, Math.min(ZERO_CHUNK_BYTES, length - done));
      await this.write(offset + done, chunk);
    }
  }

  async truncate(length: number): Promise<void> {
    await this.#named(this.handle.truncate(length));
  }

  /** On macOS libuv's fsync is F_FULLFSYNC, which flushes the drive as well. */
  async sync(): Promise<void> {
    await this.#named(this.handle.sync());
  }

  async isNamed(): Promise<boolean> {
    const own = this.#stats ?? this.#named(this.handle.stat({ bigint: true }));
    const [stats, there] = await Promise.all([own, statOf(this.path)]);
    this.#stats = stats;
    return there !== undefined && there.dev === stats.dev && there.ino === stats.ino;
  }

  async close(): Promise<void> {
    await this.#named(this.handle.close());
  }

  async #named<T>(operation: Promise<T>): Promise<T> {
    try {
      return await operation;
    } catch (error) {
      throw withPath(error, this.path);
    }
  }
}
