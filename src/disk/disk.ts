/**
 * The one boundary to the machine: files, locking, clock, randomness, and the order in which things
 * complete. Everything above it is plain TypeScript and can be run on a simulated machine.
 *
 * Three implementations: native (the addon, with two back ends), portable (`node:fs` only) and, in
 * the tests, simulated. One contract suite runs on all of them (test/contract).
 *
 * Failures are system errors as Node.js throws them: an `Error` with `code` ("EIO", "ENOSPC", ...)
 * and, where they apply, `syscall` and `path`. The layers above wrap them.
 */

/** A way of making a write durable. Which one is best depends on the device; see probe.ts. */
export type WriteMethod =
  /** O_DIRECT and RWF_DSYNC: past the page cache, durable when it completes. */
  | "direct-dsync"
  /** Through the page cache, durable when it completes (RWF_DSYNC or O_DSYNC). */
  | "buffered-dsync"
  /** Through the page cache, then fdatasync; durable when that completes. */
  | "buffered-fdatasync";

export const WRITE_METHODS: readonly WriteMethod[] = [
  "direct-dsync",
  "buffered-dsync",
  "buffered-fdatasync",
];

export interface DiskInfo {
  readonly kind: "native" | "portable" | "simulated";
  /** "io_uring" or "threads" for native, "node:fs" for portable, "simulation" for simulated. */
  readonly backend: string;
  /** Why this one was taken and not a better one, for people; absent where it is the best. */
  readonly reason?: string;
}

/** What is known about the file system and device under a directory. */
export interface PlaceInfo {
  /**
   * Name of the file system ("ext4", "xfs", "overlay", "tmpfs", "nfs", ... or "unknown (0x...)").
   */
  readonly fileSystem: string;
  /** True for network file systems, whose locks and syncs cannot be trusted. */
  readonly network: boolean;
  /** True for file systems in memory (tmpfs, ramfs): nothing there is durable. */
  readonly volatile: boolean;
  /** False for a file system this package knows nothing about. */
  readonly known: boolean;
  /** O_DIRECT was proven: the alignment is reported and an unaligned write was refused. */
  readonly directProven: boolean;
  /**
   * Required alignment of offset, length and memory of a direct write, in bytes; 0 if not proven.
   */
  readonly directAlignment: number;
  /** Bytes the device writes as one physical unit: frames are aligned to it. 4096 if not known. */
  readonly physicalBlockBytes: number;
  /** "write back", "write through" or "unknown". */
  readonly writeCache: string;
  /** Bytes free for this user. */
  readonly freeBytes: number;
}

export interface OpenOptions {
  /** Open for writing as well. Default: read only. */
  readonly write?: boolean;
  /** Create it if it is not there. */
  readonly create?: boolean;
  /** With `create`: fail with EEXIST if it is there. */
  readonly exclusive?: boolean;
  /** Every write goes to the end, atomically with respect to other appenders on this machine. */
  readonly append?: boolean;
  /**
   * Read past the page cache where the platform can, so that what is read is what the device has
   * and not what a failed write left in memory.
   */
  readonly direct?: boolean;
}

/** An open file. Its operations may run side by side; each is whole or fails. */
export interface DiskFile {
  readonly path: string;
  size(): Promise<number>;
  /**
   * Reads up to `length` bytes; the result is shorter only at the end of the file. It may be read
   * into `reuse`, which an earlier read gave and which nobody needs any more; otherwise the memory
   * is new, and is never written again.
   */
  read(offset: number, length: number, reuse?: Uint8Array): Promise<Uint8Array>;
  /** Writes all of `bytes`, or fails. Durable only after `sync`. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /**
   * Writes all of `bytes`, which the caller leaves alone meanwhile, makes them durable, and reads
   * them back as `direct` does. Gives false if what is read is not what was written. A failure must
   * never be retried, as that of `sync`.
   */
  writeVerified(offset: number, bytes: Uint8Array): Promise<boolean>;
  /** Reserves the range and writes zeros to it, so that later writes need no new space. */
  zeroFill(offset: number, length: number): Promise<void>;
  truncate(length: number): Promise<void>;
  /**
   * Makes content and size durable. A failure must never be retried: what is on disk is unknown.
   */
  sync(): Promise<void>;
  /** False once its path leads to no file, or to another one. */
  isNamed(): Promise<boolean>;
  close(): Promise<void>;
}

/** An immutable file mapped for reading. Never hands out a view of the mapping. */
export interface DiskMapping {
  readonly length: number;
  /**
   * Copies bytes out, synchronously. Throws EIO when the medium or a truncated file cannot give
   * them (never SIGBUS), and a RangeError for a range outside the file as it was when mapped.
   */
  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void;
  close(): void;
}

/** An exclusive lock that the kernel gives back when the process and its writes have ended. */
export interface DiskLock {
  readonly path: string;
  /** "flock" where the kernel excludes others, "none" where only the claims in the file do. */
  readonly strength: "flock" | "none";
  release(): Promise<void>;
}

/** What is needed to tell, later and from another process, whether a process still runs. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly host: string;
  /** Changes with every start of the machine; empty where the platform has none. */
  readonly bootId: string;
  /** Tells two processes with the same pid apart; empty where the platform has none. */
  readonly startedAt: string;
  /** The pid is only meaningful inside this; empty where the platform has none. */
  readonly pidNamespace: string;
}

/**
 * True or false; "ending" for a process that was killed and whose threads still finish what they
 * write; undefined where it cannot be told (another machine or pid namespace).
 */
export type Liveness = boolean | "ending" | undefined;

export interface Timer {
  cancel(): void;
}

export interface Scheduler {
  /** Runs once all that is running now, and every promise continuation it made ready, has run. */
  endOfTurn(callback: () => void): void;
  /** Runs after `millis`. With `keepAlive` the process does not end before. */
  after(millis: number, callback: () => void, keepAlive: boolean): Timer;
}

export interface Clock {
  /** Microseconds since 1970 UTC; may jump both ways. Always a safe integer. */
  nowMicros(): number;
  /** Microseconds from some point; never goes back. May have a fraction. */
  monotonicMicros(): number;
}

export interface Checksum {
  /** CRC32C (Castagnoli) of bytes[from, to), continuing from `seed` (0 to begin), as uint32. */
  crc32c(bytes: Uint8Array, from: number, to: number, seed?: number): number;
  /**
   * For each i < count, in order: stores the CRC32C of bytes[plan[3i], plan[3i+1]) as uint32
   * little-endian at plan[3i+2]. One call for a whole frame.
   */
  store(bytes: Uint8Array, plan: Int32Array, count: number): void;
  /** The same plan, compared: the first i whose stored checksum differs, or -1. */
  verify(bytes: Uint8Array, plan: Int32Array, count: number): number;
}

/**
 * LZ4 blocks with the length of their content before them (uint32 little-endian), from one memory
 * to another. What was written to a target before a refusal means nothing; bytes beyond the length
 * that is given are not touched.
 */
export interface Compressor {
  /** Of source[from, to), to target[targetStart, ...). Their number; 0 for more than `room`. */
  compress(
    source: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    targetStart: number,
    room: number,
  ): number;
  /**
   * The content of source[from, to), to the beginning of the target. Its length; -1 if it does not
   * fit, or if the source, which may be anything, is not the whole of such a block.
   */
  decompress(source: Uint8Array, from: number, to: number, target: Uint8Array): number;
}

/** A segment file opened for durable writes by one method. Made and closed by its queue. */
export interface LogFile {
  readonly path: string;
  readonly method: WriteMethod;
  close(): Promise<void>;
}

/** How a queue tells what became of the writes. */
export interface CompletionHandler {
  /**
   * The write submitted from that slot is durable, or failed with `error`. May be called from
   * inside `wait`. Completions come in any order.
   */
  completed(slot: number, error: Error | undefined): void;
  /**
   * Called from the event loop after one or more completions, again and again while it returns
   * true, each time as a turn of its own: the promise continuations it made ready have run before
   * the next call. Never called from inside `submit`, `writeNow` or `wait`; completions that `wait`
   * reaped are followed by a call in a later turn.
   */
  deliver(): boolean;
}

export interface CommitQueueOptions {
  /** Size of each slot in bytes: a multiple of the alignment. */
  readonly slotBytes: number;
  /** Number of slots; also the most writes that can be in flight. */
  readonly slotCount: number;
  /** The lock that must outlive every write of this queue. */
  readonly lock: DiskLock;
  readonly handler: CompletionHandler;
}

/**
 * Aligned buffers and the durable writes from them. A short write is completed by the queue itself;
 * one that makes no progress is an error. After `submit` the slot belongs to the queue until
 * `completed` was called for it.
 */
export interface CommitQueue {
  readonly slotCount: number;
  /**
   * Memory of a slot, aligned to at least 4096 bytes and zeroed; always the same. To be asked for
   * when it is first needed: what is never written to then takes nothing.
   */
  slot(index: number): Uint8Array;
  /** Opens an existing file for writing. Fails with EINVAL where the method is not to be had. */
  openLog(path: string, method: WriteMethod): Promise<LogFile>;
  /** Starts a durable write of the first `length` bytes of a slot. Returns at once. */
  submit(log: LogFile, slot: number, length: number, offset: number): void;
  /** Writes durably and returns when it is done; throws if it failed. No `completed` follows. */
  writeNow(log: LogFile, slot: number, length: number, offset: number): void;
  /** Blocks until at least one write in flight has completed and its `completed` was called. */
  wait(): void;
  /** Number of submitted writes whose `completed` was not called yet. */
  readonly inFlight: number;
  /** Waits for all writes in flight, then frees everything. Idempotent. */
  close(): Promise<void>;
}

export interface Disk {
  readonly info: DiskInfo;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly checksum: Checksum;
  readonly compressor: Compressor;
  readonly self: ProcessIdentity;
  /** Methods this implementation can try; whether a file system takes them shows on `openLog`. */
  readonly writeMethods: readonly WriteMethod[];

  randomBytes(length: number): Uint8Array;
  isAlive(process: ProcessIdentity): Liveness;
  describe(directory: string): Promise<PlaceInfo>;

  /** Creates a directory and its parents; no error if it is there. */
  createDirectory(path: string): Promise<void>;
  /** Names of the entries of a directory, sorted. ENOENT if it is not there. */
  list(path: string): Promise<string[]>;
  open(path: string, options?: OpenOptions): Promise<DiskFile>;
  rename(from: string, to: string): Promise<void>;
  /** Removes the name; the file stays under any other that it has. */
  remove(path: string): Promise<void>;
  /** Removes a directory that has nothing in it; ENOTEMPTY for another, ENOENT if there is none. */
  removeDirectory(path: string): Promise<void>;
  /**
   * Gives a file a second name, where none may be yet. EXDEV between file systems; EPERM, EMLINK or
   * ENOTSUP where the file system has no such thing, or not for this file.
   */
  link(from: string, to: string): Promise<void>;
  /**
   * Makes a durable file with the same content, where none may be yet; sharing its blocks where the
   * file system can.
   */
  copy(from: string, to: string): Promise<void>;
  /** Makes creations, renames and removals in a directory durable. */
  syncDirectory(path: string): Promise<void>;
  map(path: string): Promise<DiskMapping>;
  /**
   * Takes the lock of a file (which is created if needed), or gives undefined if another has it.
   */
  lock(path: string): Promise<DiskLock | undefined>;
  openCommitQueue(options: CommitQueueOptions): CommitQueue;
}
