/** Changing the manifest while the store is open. */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { encodeManifest, MANIFEST_SLOT_NAMES, type Manifest, manifestContent } from "./format.js";
import { ManifestMemo, readManifestSlots } from "./manifest.js";
import { SlotFile } from "./slot-file.js";

/** Holds the current manifest and publishes changes, one after the other. To be closed. */
export class ManifestKeeper {
  readonly #disk: Disk;
  readonly #directory: string;
  #current: Manifest;
  #newestSlot: number;
  /** What was last tried to be written: after a failure it may be there all the same. */
  #attempted: Manifest | undefined;
  #queue: Promise<unknown> = Promise.resolve();
  #closed = false;
  readonly #memo: ManifestMemo;
  /** Open from the first change on. After a failure they are opened anew. */
  readonly #files: (SlotFile | undefined)[] = MANIFEST_SLOT_NAMES.map(() => undefined);

  constructor(
    disk: Disk,
    directory: string,
    current: Manifest,
    newestSlot: number,
    memo = new ManifestMemo(),
  ) {
    this.#memo = memo;
    this.#disk = disk;
    this.#directory = directory;
    this.#current = current;
    this.#newestSlot = newestSlot;
  }

  get current(): Manifest {
    return this.#current;
  }

  /**
   * Publishes `edit(current)` under the next generation. Resolves when both slots carry it, durable
   * and read back. Changes asked for meanwhile wait their turn.
   *
   * Errors: what `edit` throws, and what `assertPublishable` does, after which nothing has changed;
   * FENCED if another writer has published; MISSING_FILE if the directory does not have the
   * manifest any more; IO or DISK_FULL if a slot could not be written, in
   * which case either manifest may be in force afterwards, and nothing may depend on either;
   * CLOSED.
   */
  publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    if (this.#closed) {
      return Promise.reject(new HoldfastError("CLOSED", "the manifest is not ours any more"));
    }
    const next = this.#queue.then(() => this.#publish(edit));
    this.#queue = next.catch(() => {});
    return next;
  }

  /**
   * Throws MISSING_FILE if the directory was removed or renamed, and FENCED if another writer has
   * published: nothing may then be made, written or removed there by its name. Where the system
   * does not tell, nothing is thrown.
   */
  assertOurs(): Promise<void> {
    const next = this.#queue.then(async () => {
      if (!(await this.#isNamed())) await this.#assertStillOurs(false);
    });
    this.#queue = next.catch(() => {});
    return next;
  }

  /** Waits for what is under way, and closes the slots: they may be another one's from now on. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#queue;
    await this.#closeFiles();
  }

  async #publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    if (!(await this.#isAsWritten())) {
      const isNamed = await this.#isNamed();
      await this.#closeFiles();
      await this.#assertStillOurs(isNamed);
    }
    const before = this.#current;
    const manifest = { ...edit(before), generation: before.generation + 1 };
    this.#attempted = manifest;
    const bytes = encodeManifest(manifest, this.#disk.checksum, before);
    this.#memo.forget();
    // The slot that is not the newest goes first: until it is durable the newest stays untouched.
    const first = 1 - this.#newestSlot;
    await this.#write(first, bytes);
    this.#newestSlot = first;
    this.#current = manifest;
    await this.#write(1 - first, bytes);
    return manifest;
  }

  /** The usual case: both slots are what was written last. */
  async #isAsWritten(): Promise<boolean> {
    try {
      const same = this.#files.map((file) => file?.isAsWritten() ?? false);
      return (await Promise.all(same)).every((one) => one);
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      // What does not read well is looked at more closely.
      return false;
    }
  }

  /** Whether a slot that is open is in the directory; so it counts where that cannot be told. */
  async #isNamed(): Promise<boolean> {
    const open = this.#files.filter((file) => file !== undefined);
    const named = await Promise.allSettled(open.map((file) => file.isNamed()));
    return named.some((one) => one.status === "rejected" || one.value);
  }

  /**
   * The last line of defence against a lock that lies. `isNamed`: a slot is known to be in the
   * directory, so that what is missing there is to be written anew.
   */
  async #assertStillOurs(isNamed: boolean): Promise<void> {
    const { slots, newest } = await readManifestSlots(this.#disk, this.#directory, this.#memo);
    const other = 1 - this.#newestSlot;
    // What has rotted is written first: the other one is all there is.
    if (slots[this.#newestSlot]?.state !== "valid" && slots[other]?.state === "valid") {
      this.#newestSlot = other;
    }
    if (newest === undefined && !isNamed && slots.some(({ state }) => state === "missing")) {
      throw new HoldfastError(
        "MISSING_FILE",
        `${this.#directory} does not have the manifest of this store any more: it was removed, ` +
          "renamed, or is another directory",
        { file: this.#directory },
      );
    }
    if (newest === undefined) return;
    const older = newest.generation < this.#current.generation;
    // That of another store, made at the place of this one, begins to count anew.
    if (older && newest.storeId === this.#current.storeId) return;
    const known = [this.#current, this.#attempted];
    if (known.some((one) => one !== undefined && isSameWriting(newest, one))) return;
    throw new HoldfastError(
      "FENCED",
      `another writer (${newest.writer.writerId}, pid ${newest.writer.pid} on ` +
        `${newest.writer.host}) has taken over this store`,
      { file: this.#directory },
    );
  }

  async #write(slot: number, bytes: Uint8Array): Promise<void> {
    const path = `${this.#directory}/${MANIFEST_SLOT_NAMES[slot]}`;
    try {
      const file = this.#files[slot] ?? (await SlotFile.open(this.#disk, path));
      this.#files[slot] = file;
      await file.write(bytes);
    } catch (error) {
      await this.#closeFiles();
      throw describeFailure(error, path);
    }
  }

  async #closeFiles(): Promise<void> {
    const open = this.#files.filter((file) => file !== undefined);
    this.#files.fill(undefined);
    await Promise.all(open.map((file) => file.close()));
  }
}

/**
 * Throws if a manifest could not be published whatever the disk does: an AssertionError if it would
 * not be read back, which is a mistake of the program, or a RangeError if it is too large. `before`
 * is one of which that is known.
 */
export function assertPublishable(manifest: Manifest, before: Manifest): void {
  manifestContent(manifest, before);
}

/** Writes the first manifest of a new store to both slots. */
export async function createManifest(
  disk: Disk,
  directory: string,
  manifest: Manifest,
): Promise<void> {
  const bytes = encodeManifest(manifest, disk.checksum);
  for (const name of MANIFEST_SLOT_NAMES) {
    const path = `${directory}/${name}`;
    try {
      const file = await SlotFile.open(disk, path);
      await file.write(bytes).finally(() => file.close());
    } catch (error) {
      throw describeFailure(error, path);
    }
  }
  await disk.syncDirectory(directory);
}

/** By the same opening, as the same generation: nobody else writes that. */
function isSameWriting(a: Manifest, b: Manifest): boolean {
  return (
    a.generation === b.generation &&
    a.epoch === b.epoch &&
    a.writer.pid === b.writer.pid &&
    a.writer.host === b.writer.host &&
    a.writer.openedMicros === b.writer.openedMicros
  );
}

function describeFailure(error: unknown, file: string): unknown {
  if (error instanceof HoldfastError) return error;
  const code = errnoCode(error);
  const full = code === "ENOSPC" || code === "EDQUOT";
  const message = `writing the manifest failed: ${(error as Error).message}`;
  return new HoldfastError(full ? "DISK_FULL" : "IO", message, { file }, error);
}
