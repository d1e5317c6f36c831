/** A disk that is one file in memory, for tests that open it many thousand times. */

import { portableChecksum } from "../../src/disk/checksum.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import type { Disk, DiskFile, DiskMapping } from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { nativeDisk } from "../support/disks.js";

/** Refuses to read what overlaps `bad`, as often as `times` says. */
export interface MemoryOptions {
  readonly bad?: { readonly from: number; readonly to: number; times: number };
  /** Called before every read of the mapping. */
  readonly onCopy?: () => void;
}

const { checksum, compressor } = nativeDisk("threads") ?? {
  checksum: portableChecksum,
  compressor: portableCompressor,
};

/** Every path of it is this content. */
export function memoryDisk(content: Uint8Array, options: MemoryOptions = {}): Disk {
  const { bad } = options;
  const check = (offset: number, length: number): void => {
    if (bad === undefined || offset >= bad.to || offset + length <= bad.from) return;
    if (bad.times === 0) return;
    bad.times--;
    throw systemError("EIO", "read", "/memory");
  };
  const mapping: DiskMapping = {
    length: content.length,
    copy(offset, length, target, targetStart) {
      options.onCopy?.();
      if (offset < 0 || offset + length > content.length) throw new RangeError("outside");
      check(offset, length);
      target.set(content.subarray(offset, offset + length), targetStart);
    },
    close() {},
  };
  const file: DiskFile = {
    path: "/memory/0000000000000007.run",
    size: async () => content.length,
    async read(offset, length) {
      check(offset, length);
      return content.slice(offset, offset + length);
    },
    close: async () => {},
    write: unused,
    writeVerified: unused,
    isNamed: unused,
    zeroFill: unused,
    truncate: unused,
    sync: unused,
  };
  const disk: Partial<Disk> = {
    checksum,
    compressor,
    map: async () => mapping,
    open: async () => file,
  };
  return disk as Disk;
}

async function unused(): Promise<never> {
  throw systemError("EBADF", "write", "/memory");
}
