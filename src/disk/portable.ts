/**
 * The disk without the addon: `node:fs` and JavaScript only, on any platform, with files of the
 * same formats. Slower, and without a lock of the kernel: see lock.ts for what excludes others.
 */
import { randomFillSync } from "node:crypto";
import { portableChecksum } from "./checksum.js";
import { portableCompressor } from "./compressor.js";
import type {
  CommitQueue,
  CommitQueueOptions,
  Disk,
  DiskFile,
  DiskInfo,
  DiskLock,
  DiskMapping,
  Liveness,
  OpenOptions,
  PlaceInfo,
  ProcessIdentity,
} from "./disk.js";
import { isAlive, ownIdentity } from "./identity.js";
import * as nodeFiles from "./node-files.js";
import { lockInProcess } from "./portable-lock.js";
import { mapByReading } from "./portable-mapping.js";
import { describePlace } from "./portable-place.js";
import { PORTABLE_WRITE_METHODS, PortableQueue } from "./portable-queue.js";
import { systemClock, systemScheduler } from "./runtime.js";

export interface PortableDiskOptions {
  /** Why the native disk was not taken, for people. */
  readonly reason?: string;
}

class PortableDisk implements Disk {
  readonly info: DiskInfo;
  readonly clock = systemClock;
  readonly scheduler = systemScheduler;
  readonly checksum = portableChecksum;
  readonly compressor = portableCompressor;
  readonly writeMethods = PORTABLE_WRITE_METHODS;

  constructor({ reason }: PortableDiskOptions) {
    const info = { kind: "portable", backend: "node:fs" } as const;
    this.info = reason === undefined ? info : { ...info, reason };
  }

  get self(): ProcessIdentity {
    return ownIdentity();
  }

  randomBytes(length: number): Uint8Array {
    return randomFillSync(new Uint8Array(length));
  }

  isAlive(other: ProcessIdentity): Liveness {
    return isAlive(other);
  }

  describe(directory: string): Promise<PlaceInfo> {
    return describePlace(directory);
  }

  createDirectory(path: string): Promise<void> {
    return nodeFiles.createDirectory(path);
  }

  list(path: string): Promise<string[]> {
    return nodeFiles.listDirectory(path);
  }

  open(path: string, options?: OpenOptions): Promise<DiskFile> {
    return nodeFiles.openFile(path, options);
  }

  rename(from: string, to: string): Promise<void> {
    return nodeFiles.rename(from, to);
  }

  remove(path: string): Promise<void> {
    return nodeFiles.remove(path);
  }

  removeDirectory(path: string): Promise<void> {
    return nodeFiles.removeDirectory(path);
  }

  link(from: string, to: string): Promise<void> {
    return nodeFiles.link(from, to);
  }

  copy(from: string, to: string): Promise<void> {
    return nodeFiles.copy(from, to);
  }

  syncDirectory(path: string): Promise<void> {
    return nodeFiles.syncDirectory(path);
  }

  map(path: string): Promise<DiskMapping> {
    return mapByReading(path);
  }

  lock(path: string): Promise<DiskLock | undefined> {
    return lockInProcess(path);
  }

  openCommitQueue(options: CommitQueueOptions): CommitQueue {
    return new PortableQueue(options);
  }
}

/** The portable disk. Always works. */
export function portableDisk(options: PortableDiskOptions = {}): Disk {
  return new PortableDisk(options);
}
