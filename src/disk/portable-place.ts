/** What `node:fs` can tell about the file system under a directory. */
import * as fs from "node:fs/promises";
import type { PlaceInfo } from "./disk.js";

/** Type numbers of Linux (statfs(2), linux/magic.h). */
const LINUX_NAMES: ReadonlyMap<number, string> = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0x2fc12fc1, "zfs"],
  [0xca451a4e, "bcachefs"],
  [0x794c7630, "overlay"],
  [0x01021994, "tmpfs"],
  [0x858458f6, "ramfs"],
  [0x6969, "nfs"],
  [0xff534d42, "cifs"],
  [0xfe534d42, "smb2"],
  [0x01021997, "9p"],
  [0x65735546, "fuse"],
  [0x6a656a63, "virtiofs"],
  [0x00c36400, "ceph"],
  [0x5346414f, "afs"],
]);

/** Type numbers of macOS; they are not promised, but have not changed since these exist. */
const MACOS_NAMES: ReadonlyMap<number, string> = new Map([
  [0x1a, "apfs"],
  [0x11, "hfs"],
]);

const NETWORK = new Set(["nfs", "cifs", "smb2", "9p", "ceph", "afs"]);
const VOLATILE = new Set(["tmpfs", "ramfs"]);

/** `fuse` can be anything, so it counts as unknown. */
const UNSURE = new Set(["fuse", "virtiofs"]);

/** Describes the place with what statfs says; the rest is the careful default. */
export async function describePlace(directory: string): Promise<PlaceInfo> {
  const stats = await fs.statfs(directory);
  const type = stats.type >>> 0;
  const names = { linux: LINUX_NAMES, darwin: MACOS_NAMES }[process.platform as string];
  const name = names?.get(type);
  return {
    fileSystem: name ?? `unknown (0x${type.toString(16)})`,
    network: name !== undefined && NETWORK.has(name),
    volatile: name !== undefined && VOLATILE.has(name),
    known: name !== undefined && !UNSURE.has(name),
    directProven: false,
    directAlignment: 0,
    physicalBlockBytes: 4096,
    writeCache: "unknown",
    freeBytes: stats.bavail * stats.bsize,
  };
}
