/** The disk with the addon: io_uring where it is to be had, else threads. Linux only. */
import { randomFillSync } from "node:crypto";
import { assert } from "../base/assert.js";
import { errnoCode } from "../base/errors.js";
import {
  type Checksum,
  type CommitQueue,
  type CommitQueueOptions,
  type Compressor,
  type Disk,
  type DiskFile,
  type DiskInfo,
  type DiskLock,
  type DiskMapping,
  type Liveness,
  type OpenOptions,
  type PlaceInfo,
  type ProcessIdentity,
  WRITE_METHODS,
} from "./disk.js";
import { isAlive, ownIdentity } from "./identity.js";
import { type Addon, addonError, loadAddon, type Seam } from "./native-addon.js";
import { NativeMapper, openNativeFile } from "./native-file.js";
import { NativeLock } from "./native-lock.js";
import { NativeQueue } from "./native-queue.js";
import * as nodeFiles from "./node-files.js";
import { describePlace } from "./portable-place.js";
import { systemClock, systemScheduler } from "./runtime.js";

/** How writes are carried out. */
export type NativeBackend = "io_uring" | "threads";

/** How to load the native disk. */
export interface NativeDiskOptions {
  /** Default: io_uring, or threads where the system refuses it. */
  readonly backend?: NativeBackend;
  /** Loads the build in which tests can inject faults, from the repository only. */
  readonly testSeam?: boolean;
}

/** Takes io_uring unless it is refused here, as it is inside many containers. */
function chooseBackend(addon: Addon, wanted: NativeBackend | undefined): DiskInfo {
  if (wanted === "threads") {
    return { kind: "native", backend: "threads", reason: "threads were asked for" };
  }
  const result = addon.probeRing();
  if (result === 0) return { kind: "native", backend: "io_uring" };
  return threadsBecause(addonError(result, "io_uring_setup"));
}

/** Ways in which a system refuses a ring, as opposed to a mistake in what was asked for. */
const REFUSALS: ReadonlySet<string> = new Set(["EPERM", "EACCES", "ENOSYS", "EINVAL", "ENOMEM"]);

function threadsBecause(error: Error): DiskInfo {
  const reason = `io_uring is refused here: ${error.message}`;
  return { kind: "native", backend: "threads", reason };
}

function nativeChecksum(addon: Addon): Checksum {
  return {
    crc32c: (bytes, from, to, seed = 0) => addon.crc32c(bytes, from, to, seed),
    store: addon.storeChecksums,
    verify: addon.verifyChecksums,
  };
}

class NativeDisk implements Disk {
  readonly clock = systemClock;
  readonly scheduler = systemScheduler;
  readonly writeMethods = WRITE_METHODS;
  readonly checksum: Checksum;
  readonly compressor: Compressor;
  readonly #addon: Addon;
  readonly #mapper: NativeMapper;
  #info: DiskInfo;

  constructor(addon: Addon, info: DiskInfo) {
    this.#addon = addon;
    this.#mapper = new NativeMapper(addon);
    this.#info = info;
    this.checksum = nativeChecksum(addon);
    this.compressor = { compress: addon.compress, decompress: addon.decompress };
  }

  get info(): DiskInfo {
    return this.#info;
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

  async describe(directory: string): Promise<PlaceInfo> {
    const [place, more] = await Promise.all([
      describePlace(directory),
      this.#addon.place(directory),
    ]);
    if (typeof more === "number") throw addonError(more, "stat", directory);
    return {
      ...place,
      directProven: more.directAlignment > 0,
      directAlignment: more.directAlignment,
      physicalBlockBytes: more.physicalBlockBytes || place.physicalBlockBytes,
      writeCache: more.writeCache || place.writeCache,
    };
  }

  createDirectory(path: string): Promise<void> {
    return nodeFiles.createDirectory(path);
  }

  list(path: string): Promise<string[]> {
    return nodeFiles.listDirectory(path);
  }

  open(path: string, options?: OpenOptions): Promise<DiskFile> {
    return openNativeFile(this.#addon, path, options);
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
    return this.#mapper.map(path);
  }

  lock(path: string): Promise<DiskLock | undefined> {
    return NativeLock.take(this.#addon, path);
  }

  openCommitQueue(options: CommitQueueOptions): CommitQueue {
    const { lock } = options;
    assert(lock instanceof NativeLock, "the lock must come from this disk");
    if (this.#info.backend !== "io_uring") {
      return new NativeQueue(this.#addon, false, lock, options);
    }
    try {
      return new NativeQueue(this.#addon, true, lock, options);
    } catch (error) {
      if (!REFUSALS.has(errnoCode(error) ?? "")) throw error;
      // The probe was let through, but a ring of this size is not: memory is counted, too.
      const queue = new NativeQueue(this.#addon, false, lock, options);
      this.#info = threadsBecause(error as Error);
      return queue;
    }
  }
}

/**
 * The native disk. Throws an `Error` that says why where the addon cannot be loaded; the portable
 * disk then does the same, slower.
 */
export function loadNativeDisk(options: NativeDiskOptions = {}): Disk {
  const addon = loadAddon(options.testSeam === true);
  return new NativeDisk(addon, chooseBackend(addon, options.backend));
}

/** For tests: the faults of the build with the seam. */
export function nativeSeam(): Seam {
  const { seam } = loadAddon(true);
  assert(seam !== undefined, "the library was built without the seam");
  return seam;
}
