/** The disks of this machine that the tests can run on. */
import type { Disk } from "../../src/disk/disk.js";
import { loadNativeDisk, type NativeBackend } from "../../src/disk/native.js";
import { portableDisk } from "../../src/disk/portable.js";

/** The native disk with exactly that back end; says loudly if there is none here. */
export function nativeDisk(backend: NativeBackend, testSeam = false): Disk | undefined {
  const name = `native/${backend}${testSeam ? " with the seam" : ""}`;
  try {
    const disk = loadNativeDisk({ backend, testSeam });
    if (disk.info.backend === backend) return disk;
    console.warn(`SKIPPED: ${name}: ${disk.info.reason ?? "it was not given"}`);
  } catch (error) {
    console.warn(`SKIPPED: ${name}: ${(error as Error).message}`);
  }
  return undefined;
}

/** Every real disk, by name. */
export function realDisks(): Map<string, Disk> {
  const disks = new Map<string, Disk>([["portable", portableDisk()]]);
  for (const backend of ["io_uring", "threads"] as const) {
    const disk = nativeDisk(backend);
    if (disk !== undefined) disks.set(`native/${backend}`, disk);
  }
  return disks;
}
