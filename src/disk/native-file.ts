/** Files of the native disk: those of `node:fs`, with direct reads and zeros from the addon. */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { errnoCode } from "../base/errors.js";
import type { DiskFile, DiskMapping, OpenOptions } from "./disk.js";
import { type Addon, addonError, type MappingHandle } from "./native-addon.js";
import { NodeFile, openFile } from "./node-files.js";

const PAGE_BYTES = 4096;

/**
 * Zeros and what is verified are written, and direct reads made, through a second descriptor past
 * the page cache; all else goes through the first. The kernel keeps the two in step. A file that is
 * only read, directly, has one for both.
 */
class NativeFile implements DiskFile {
  readonly path: string;
  readonly #addon: Addon;
  readonly #file: NodeFile;
  readonly #second: fs.FileHandle;
  readonly #readsDirectly: boolean;
  /** Operations on the second descriptor: its number may go to another file once it is closed. */
  readonly #running = new Set<Promise<unknown>>();

  constructor(addon: Addon, file: NodeFile, second: fs.FileHandle, readsDirectly: boolean) {
    this.path = file.path;
    this.#addon = addon;
    this.#file = file;
    this.#second = second;
    this.#readsDirectly = readsDirectly;
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  async read(offset: number, length: number, reuse?: Uint8Array): Promise<Uint8Array> {
    if (!this.#readsDirectly || length === 0) return this.#file.read(offset, length);
    if (reuse !== undefined && canTake(reuse, offset, length)) {
      const target = reuse.subarray(0, length);
      const count = await this.#run(this.#addon.readInto(this.#second.fd, offset, target));
      if (count < 0) throw addonError(count, "read", this.path);
      return target.subarray(0, count);
    }
    return this.#readDirectly(offset, length);
  }

  async #readDirectly(offset: number, length: number): Promise<Uint8Array> {
    const bytes = await this.#run(this.#addon.read(this.#second.fd, offset, length));
    if (typeof bytes === "number") throw addonError(bytes, "read", this.path);
    return bytes;
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#file.write(offset, bytes);
  }

  async writeVerified(offset: number, bytes: Uint8Array): Promise<boolean> {
    const result = await this.#run(this.#addon.writeVerified(this.#second.fd, offset, bytes));
    if (result >= 0) return result === 0;
    const error = addonError(result, "write", this.path);
    if (errnoCode(error) !== "EINVAL") throw error;
    // Not aligned: it is written through the page cache, and read past it all the same.
    await this.#file.write(offset, bytes);
    await this.#file.sync();
    return Buffer.compare(await this.#readDirectly(offset, bytes.length), bytes) === 0;
  }

  async zeroFill(offset: number, length: number): Promise<void> {
    const result = await this.#run(this.#addon.zeroFill(this.#second.fd, offset, length));
    if (result === 0) return;
    const error = addonError(result, "write", this.path);
    // Not aligned: the space is reserved, the zeros go through the page cache.
    if (errnoCode(error) !== "EINVAL") throw error;
    await this.#file.zeroFill(offset, length);
  }

  truncate(length: number): Promise<void> {
    return this.#file.truncate(length);
  }

  sync(): Promise<void> {
    return this.#file.sync();
  }

  isNamed(): Promise<boolean> {
    return this.#file.isNamed();
  }

  async close(): Promise<void> {
    await Promise.allSettled(this.#running);
    if (this.#second !== this.#file.handle) await this.#second.close();
    await this.#file.close();
  }

  async #run<T>(operation: Promise<T>): Promise<T> {
    this.#running.add(operation);
    try {
      return await operation;
    } finally {
      this.#running.delete(operation);
    }
  }
}

/** Direct reads of every device known can go there: what `read` has given begins at a page. */
function canTake(target: Uint8Array, offset: number, length: number): boolean {
  const { byteOffset } = target;
  return length <= target.length && (byteOffset | offset | length) % PAGE_BYTES === 0;
}

/** Direct where the file system takes that. */
async function openSecond(path: string, options: OpenOptions): Promise<fs.FileHandle> {
  const access = options.write ? constants.O_RDWR : constants.O_RDONLY;
  try {
    return await fs.open(path, access | constants.O_DIRECT);
  } catch (error) {
    if (errnoCode(error) !== "EINVAL") throw error;
    return await fs.open(path, access);
  }
}

/** Opens a file; see `Disk.open`. */
export async function openNativeFile(
  addon: Addon,
  path: string,
  options: OpenOptions = {},
): Promise<DiskFile> {
  if (!options.write && options.direct) {
    // One descriptor does for both: an opening reads several files so, and waits for each.
    const only = await openSecond(path, options);
    return new NativeFile(addon, new NodeFile(path, only, false), only, true);
  }
  const file = await openFile(path, options);
  if (!options.write) return file;
  try {
    const second = await openSecond(path, options);
    return new NativeFile(addon, file, second, options.direct === true);
  } catch (error) {
    await file.close();
    throw error;
  }
}

class NativeMapping implements DiskMapping {
  readonly length: number;
  readonly #addon: Addon;
  readonly #handle: MappingHandle;
  readonly #path: string;

  constructor(addon: Addon, handle: MappingHandle, length: number, path: string) {
    this.#addon = addon;
    this.#handle = handle;
    this.length = length;
    this.#path = path;
  }

  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void {
    const result = this.#addon.copy(this.#handle, offset, length, target, targetStart);
    if (result < 0) throw addonError(result, "read", this.#path);
  }

  close(): void {
    this.#addon.unmap(this.#handle);
  }
}

/** Files of one job, of which the pool of threads does several side by side. */
const FILES_PER_JOB = 32;

interface Wanted {
  readonly path: string;
  readonly resolve: (mapping: DiskMapping) => void;
  readonly reject: (error: unknown) => void;
}

/** Maps files; those that are asked for one right after the other in one go: see `Disk.map`. */
export class NativeMapper {
  readonly #addon: Addon;
  #wanted: Wanted[] = [];

  constructor(addon: Addon) {
    this.#addon = addon;
  }

  map(path: string): Promise<DiskMapping> {
    return new Promise((resolve, reject) => {
      this.#wanted.push({ path, resolve, reject });
      if (this.#wanted.length === FILES_PER_JOB) void this.#start();
      else if (this.#wanted.length === 1) queueMicrotask(() => void this.#start());
    });
  }

  async #start(): Promise<void> {
    const wanted = this.#wanted;
    this.#wanted = [];
    if (wanted.length === 0) return;
    try {
      const mapped = await this.#addon.map(wanted.map(({ path }) => path));
      mapped.forEach((one, i) => {
        const { path, resolve, reject } = wanted[i] as Wanted;
        if (typeof one === "number") reject(addonError(one, "mmap", path));
        else resolve(new NativeMapping(this.#addon, one[0], one[1], path));
      });
    } catch (error) {
      for (const { reject } of wanted) reject(error);
    }
  }
}
