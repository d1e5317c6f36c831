/**
 * A disk in memory over files that many of them share: what is written goes to copies, and nothing
 * waits for anything. A store is opened on it some hundred times a second.
 */
import { portableChecksum } from "../../src/disk/checksum.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import type {
  Checksum,
  CommitQueue,
  CommitQueueOptions,
  Compressor,
  Disk,
  DiskFile,
  DiskMapping,
  LogFile,
  PlaceInfo,
} from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { nativeDisk } from "../support/disks.js";

/** Contents by path. */
export type Files = ReadonlyMap<string, Uint8Array>;

const native = nativeDisk("threads");

/** The addon's, where there is one: most of the time goes into it. */
export const fastChecksum: Checksum = native?.checksum ?? portableChecksum;
const compressor: Compressor = native?.compressor ?? portableCompressor;
export const fastTools = { checksum: fastChecksum, compressor };

const PLACE: PlaceInfo = {
  fileSystem: "simulated",
  network: false,
  volatile: false,
  known: true,
  directProven: true,
  directAlignment: 512,
  physicalBlockBytes: 512,
  writeCache: "write back",
  freeBytes: Number.MAX_SAFE_INTEGER,
};

const NEVER = new Promise<never>(() => {});

export class ImageDisk implements Disk {
  readonly info = { kind: "simulated", backend: "simulation" } as const;
  readonly checksum = fastChecksum;
  readonly compressor = compressor;
  readonly writeMethods = ["direct-dsync"] as const;
  readonly self = { pid: 1, host: "image", bootId: "", startedAt: "", pidNamespace: "" };
  readonly clock = {
    nowMicros: () => 1_800_000_000_000_000 + this.#ticks++,
    monotonicMicros: () => this.#ticks++,
  };
  readonly scheduler = {
    endOfTurn: (callback: () => void): void => void setImmediate(callback),
    /** Only what somebody waits for; the background has other days. */
    after: (_millis: number, callback: () => void, keepAlive: boolean) => {
      const timer = keepAlive ? setImmediate(callback) : undefined;
      return { cancel: () => clearImmediate(timer) };
    },
  };
  readonly #files: Map<string, Uint8Array>;
  /** Files that no other disk shares. */
  readonly #own = new Set<string>();
  #ticks = 0;
  #stopped = false;

  constructor(files: Files) {
    this.#files = new Map(files);
  }

  /** What is asked for from now on never happens: as after kill -9. */
  stop(): void {
    this.#stopped = true;
  }

  randomBytes(length: number): Uint8Array {
    return new Uint8Array(length).fill(7);
  }

  isAlive(): false {
    return false;
  }

  describe(): Promise<PlaceInfo> {
    return this.#soon(() => PLACE);
  }

  createDirectory(): Promise<void> {
    return this.#soon(() => {});
  }

  list(directory: string): Promise<string[]> {
    return this.#soon(() => {
      const inside = [...this.#files.keys()].filter((path) => path.startsWith(`${directory}/`));
      return inside.map((path) => path.slice(directory.length + 1)).sort();
    });
  }

  open(path: string, options: { create?: boolean; append?: boolean } = {}): Promise<DiskFile> {
    return this.#soon(() => {
      if (!this.#files.has(path)) {
        if (options.create !== true) throw systemError("ENOENT", "open", path);
        this.#set(path, new Uint8Array(0));
      }
      return this.#fileAt(path, options.append === true);
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.#soon(() => this.#set(to, this.#bytesOf(from)));
  }

  copy(from: string, to: string): Promise<void> {
    return this.link(from, to);
  }

  rename(from: string, to: string): Promise<void> {
    return this.#soon(() => {
      this.#set(to, this.#bytesOf(from));
      this.#files.delete(from);
    });
  }

  remove(path: string): Promise<void> {
    return this.#soon(() => {
      if (!this.#files.delete(path)) throw systemError("ENOENT", "unlink", path);
    });
  }

  removeDirectory(): Promise<void> {
    return this.#soon(() => {});
  }

  syncDirectory(): Promise<void> {
    return this.#soon(() => {});
  }

  map(path: string): Promise<DiskMapping> {
    return this.#soon(() => {
      const bytes = this.#bytesOf(path);
      return {
        length: bytes.length,
        copy(offset, length, target, targetStart) {
          if (offset < 0 || offset + length > bytes.length) throw new RangeError("outside");
          target.set(bytes.subarray(offset, offset + length), targetStart);
        },
        close() {},
      };
    });
  }

  lock(path: string) {
    return this.#soon(() => ({ path, strength: "flock", release: async () => {} }) as const);
  }

  openCommitQueue({ slotBytes, slotCount }: CommitQueueOptions): CommitQueue {
    const memory = Array.from({ length: slotCount }, () => new Uint8Array(slotBytes));
    const refuse = (): never => {
      throw new Error("nothing is written to the log of an image");
    };
    return {
      slotCount,
      slot: (index) => memory[index] as Uint8Array,
      openLog: async (path, method): Promise<LogFile> => ({ path, method, close: async () => {} }),
      submit: refuse,
      writeNow: refuse,
      wait: refuse,
      inFlight: 0,
      close: async () => {},
    };
  }

  #soon<T>(action: () => T): Promise<T> {
    if (this.#stopped) return NEVER;
    try {
      return Promise.resolve(action());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #bytesOf(path: string): Uint8Array {
    const bytes = this.#files.get(path);
    if (bytes === undefined) throw systemError("ENOENT", "open", path);
    return bytes;
  }

  #set(path: string, bytes: Uint8Array): void {
    this.#files.set(path, bytes);
    this.#own.add(path);
  }

  #write(path: string, offset: number, bytes: Uint8Array): void {
    const before = this.#bytesOf(path);
    const length = Math.max(before.length, offset + bytes.length);
    if (length > before.length || !this.#own.has(path)) {
      const copy = new Uint8Array(length);
      copy.set(before);
      this.#set(path, copy);
    }
    this.#bytesOf(path).set(bytes, offset);
  }

  #fileAt(path: string, append: boolean): DiskFile {
    const sizeOf = () => this.#bytesOf(path).length;
    return {
      path,
      size: () => this.#soon(sizeOf),
      read: (offset, length) =>
        this.#soon(() => {
          const bytes = this.#bytesOf(path);
          // What is shared never changes, and need not be copied.
          const end = offset + length;
          return this.#own.has(path) ? bytes.slice(offset, end) : bytes.subarray(offset, end);
        }),
      write: (offset, bytes) =>
        this.#soon(() => this.#write(path, append ? sizeOf() : offset, bytes)),
      writeVerified: (offset, bytes) =>
        this.#soon(() => {
          this.#write(path, offset, bytes);
          return true;
        }),
      isNamed: () => this.#soon(() => this.#files.has(path)),
      zeroFill: (offset, length) =>
        this.#soon(() => this.#write(path, offset, new Uint8Array(length))),
      truncate: (length) => this.#soon(() => this.#set(path, this.#bytesOf(path).slice(0, length))),
      sync: () => this.#soon(() => {}),
      close: () => this.#soon(() => {}),
    };
  }
}
