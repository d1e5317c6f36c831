/** A lock by flock, held by the process and by every ring that writes under it. */
import type { DiskLock } from "./disk.js";
import { type Addon, addonError, type LockHandle } from "./native-addon.js";

/** See `DiskLock`. */
export class NativeLock implements DiskLock {
  readonly #addon: Addon;

  private constructor(
    addon: Addon,
    /** For queues. */
    readonly handle: LockHandle,
    readonly path: string,
    readonly strength: "flock" | "none",
  ) {
    this.#addon = addon;
  }

  static async take(addon: Addon, path: string): Promise<NativeLock | undefined> {
    const taken = await addon.lock(path);
    if (typeof taken !== "number") {
      const [handle, strong] = taken;
      return new NativeLock(addon, handle, path, strong ? "flock" : "none");
    }
    const error = addonError(taken, "flock", path);
    if ("code" in error && error.code === "EAGAIN") return undefined;
    throw error;
  }

  async release(): Promise<void> {
    this.#addon.unlock(this.handle);
  }
}
