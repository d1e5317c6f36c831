/** The disks under test, and an eye on how their lock behaves. */
import type { Disk } from "../../src/disk/disk.js";
import { portableDisk } from "../../src/disk/portable.js";
import { nativeDisk } from "../support/disks.js";

export type KillBackend = "io_uring" | "threads" | "portable";
export const KILL_BACKENDS: readonly KillBackend[] = ["io_uring", "threads", "portable"];

/** The disk of that back end; undefined, and a loud warning, where it is not to be had. */
export function diskOf(backend: KillBackend): Disk | undefined {
  return backend === "portable" ? portableDisk() : nativeDisk(backend);
}

/** Counts how often one has to wait for the kernel's lock, and for how long. */
export class LockWatch {
  waits = 0;
  millisMax = 0;
  readonly disk: Disk;

  /** `onLocked` is called as soon as the lock is taken, before anybody makes use of that. */
  constructor(disk: Disk, onLocked: () => Promise<void> = async () => {}) {
    const lock = this.#counted(disk, onLocked);
    this.disk = new Proxy(disk, {
      get: (target, name) => {
        if (name === "lock") return lock;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  }

  #counted(disk: Disk, onLocked: () => Promise<void>): Disk["lock"] {
    let refusedSince: number | undefined;
    return async (path) => {
      const taken = await disk.lock(path);
      if (taken === undefined) {
        if (refusedSince === undefined) this.waits++;
        refusedSince ??= performance.now();
        return undefined;
      }
      if (refusedSince !== undefined) {
        this.millisMax = Math.max(this.millisMax, performance.now() - refusedSince);
        refusedSince = undefined;
      }
      await onLocked();
      return taken;
    };
  }
}
