/** A slot that is open for writing, for as long as the store is. */
import { alignUp } from "../base/bytes.js";
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import { MANIFEST_BLOCK_BYTES, MANIFEST_SLOT_BYTES } from "./format.js";

export class SlotFile {
  readonly #file: DiskFile;
  #size: number;
  /** Its first block, as it was last written and read back; undefined before, or if that failed. */
  #firstBlock: Uint8Array | undefined;

  private constructor(file: DiskFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  /** Creates it if it is not there. */
  static async open(disk: Disk, path: string): Promise<SlotFile> {
    const file = await disk.open(path, { write: true, create: true, direct: true });
    try {
      return new SlotFile(file, await file.size());
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /**
   * Whether the device has, under the name of the slot, what was last written here. The first block
   * tells: it has who wrote it and when, and in the header the checksum of all the rest.
   */
  async isAsWritten(): Promise<boolean> {
    const expected = this.#firstBlock;
    if (expected === undefined) return false;
    const [block, isNamed] = await Promise.all([
      this.#file.read(0, expected.length),
      this.#file.isNamed(),
    ]);
    return isNamed && Buffer.compare(block, expected) === 0;
  }

  /** Whether the name of the slot leads to this file. */
  isNamed(): Promise<boolean> {
    return this.#file.isNamed();
  }

  /** Resolves when the slot has these bytes, durable and read back from the device. */
  async write(bytes: Uint8Array): Promise<void> {
    this.#firstBlock = undefined;
    await this.#makeRoom(bytes.length);
    if (!(await this.#file.writeVerified(0, bytes))) {
      throw new HoldfastError("IO", "the manifest does not read back as it was written", {
        file: this.#file.path,
      });
    }
    this.#firstBlock = bytes.slice(0, MANIFEST_BLOCK_BYTES);
  }

  /** What goes wrong with that harms nobody: all that counts was read back from the device. */
  async close(): Promise<void> {
    await this.#file.close().catch(() => {});
  }

  /**
   * A slot has its room long before it needs it, so that a full disk does not keep a change from
   * being written: it may be the one that gives room back. Fails only if the manifest itself does
   * not fit.
   */
  async #makeRoom(needed: number): Promise<void> {
    const size = this.#size;
    const wanted = alignUp(2 * needed, MANIFEST_SLOT_BYTES);
    if (size >= wanted) return;
    try {
      await this.#file.zeroFill(size, wanted - size);
    } catch (error) {
      const code = errnoCode(error);
      if (size < needed || (code !== "ENOSPC" && code !== "EDQUOT")) throw error;
      return;
    }
    await this.#file.sync();
    this.#size = wanted;
  }
}
