/** The addon as it is: its functions with their types, loaded and checked. For native*.ts only. */
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { getSystemErrorName } from "node:util";
import type { WriteMethod } from "./disk.js";
import { systemError } from "./system-error.js";

/** Opaque: the addon refuses a handle of another kind. */
export interface Handle<Kind extends string> {
  readonly kind: Kind;
}
export type LockHandle = Handle<"lock">;
export type QueueHandle = Handle<"queue">;
export type MappingHandle = Handle<"mapping">;

/** What the kernel tells about a directory; zero and empty where it does not. */
export interface NativePlace {
  readonly directAlignment: number;
  readonly physicalBlockBytes: number;
  readonly writeCache: string;
}

/** Faults to inject; only the test build has it. All counts are of calls in the whole process. */
export interface Seam {
  /** After `after` results of writes and syncs, the next `count` become this errno (above zero). */
  setCompletionFault(after: number, errno: number, count: number): void;
  /** After `after` writes longer than `bytes`, the next `count` ask the kernel for `bytes` only. */
  setShortWrite(after: number, bytes: number, count: number): void;
  /** After `after` calls of io_uring_enter, the next `count` fail without having done anything. */
  setEnterFault(after: number, errno: number, count: number): void;
  /** After `after` submissions of more than `entries`, the next `count` hand over `entries`. */
  setSplitSubmission(after: number, entries: number, count: number): void;
  /** After `after` looks at the flag of deferred completions the next `count` see it set. */
  setStaleFlag(after: number, unused: number, count: number): void;
  /** So many of these looks are left. */
  staleFlagLeft(): number;
  /** Errnos with which rings and threads are refused; 0 for not. */
  setRefusals(ring: number, thread: number): void;
  /**
   * Cuts the power of the file system mounted at that directory: what is not durable is lost, and
   * all operations fail until it is unmounted and mounted again. It takes root.
   */
  shutdownFileSystem(directory: string): number;
}

/** A number below zero is an errno of Linux with its sign changed. */
export interface Addon {
  readonly boundary: number;
  readonly directDsync: number;
  readonly bufferedDsync: number;
  readonly bufferedFdatasync: number;
  readonly completionInts: number;
  readonly checksumKind: string;
  readonly seam?: Seam;

  crc32c(bytes: Uint8Array, from: number, to: number, seed: number): number;
  crc32cByTable(bytes: Uint8Array, from: number, to: number, seed: number): number;
  storeChecksums(bytes: Uint8Array, plan: Int32Array, count: number): void;
  verifyChecksums(bytes: Uint8Array, plan: Int32Array, count: number): number;

  compress(
    source: Uint8Array,
    from: number,
    to: number,
    target: Uint8Array,
    targetStart: number,
    room: number,
  ): number;
  decompress(source: Uint8Array, from: number, to: number, target: Uint8Array): number;

  /** The loops of src/columns, which has what they do. */
  columnRange(lanes: BigInt64Array, out: BigInt64Array): void;
  columnFloatRange(values: Float64Array, out: Float64Array): boolean;
  columnCommonDivisor(lanes: BigInt64Array): number;
  columnCommonBits(lanes: BigInt64Array): number;
  columnOrderBits(lanes: BigInt64Array): void;
  columnToDecimals(
    values: Float64Array,
    power: number,
    lanes: BigInt64Array,
    exceptions: Uint32Array,
  ): number;
  columnFromDecimals(lanes: BigInt64Array, power: number, values: Float64Array): void;
  columnDivide(lanes: BigInt64Array, divisor: number, offset: number): void;
  columnMultiply(lanes: BigInt64Array, divisor: number, offset: number): boolean;
  columnShiftRight(lanes: BigInt64Array, shift: number): void;
  columnShiftLeft(lanes: BigInt64Array, shift: number, low: bigint): void;
  columnSubtractReference(lanes: BigInt64Array, reference: BigInt64Array, divisor: number): void;
  columnAddReference(lanes: BigInt64Array, reference: BigInt64Array, divisor: number): void;
  columnDifference(lanes: BigInt64Array): void;
  columnAccumulate(lanes: BigInt64Array, first: bigint): void;
  columnClassify(lanes: BigInt64Array, classes: Uint8Array): void;
  columnPack(lanes: BigInt64Array, target: Uint8Array): number;
  columnUnpack(bytes: Uint8Array, from: number, to: number, lanes: BigInt64Array): number;
  columnCountSymbols(
    lanes: BigInt64Array,
    classes: Uint8Array | undefined,
    dictionary: BigInt64Array,
    counts: Uint32Array,
  ): void;
  columnEncode(
    lanes: BigInt64Array,
    classes: Uint8Array | undefined,
    dictionary: BigInt64Array,
    symbolBins: Uint8Array,
    tableLog: number,
    bases: BigInt64Array,
    widths: Uint8Array,
    frequencies: Uint16Array,
    target: Uint8Array,
  ): number;
  columnDecode(
    bytes: Uint8Array,
    from: number,
    to: number,
    classes: Uint8Array | undefined,
    tableLog: number,
    bases: BigInt64Array,
    widths: Uint8Array,
    frequencies: Uint16Array,
    lanes: BigInt64Array,
    isWhole: boolean,
  ): boolean;

  zeroFill(fd: number, offset: number, length: number): Promise<number>;
  read(fd: number, offset: number, length: number): Promise<Uint8Array | number>;
  /** 0 if it reads back as it was written, 1 if not. `bytes` must stay as they are meanwhile. */
  writeVerified(fd: number, offset: number, bytes: Uint8Array): Promise<number>;
  readInto(fd: number, offset: number, target: Uint8Array): Promise<number>;
  place(directory: string): Promise<NativePlace | number>;

  lock(path: string): Promise<[handle: LockHandle, strong: boolean] | number>;
  unlock(lock: LockHandle): void;

  /** For each path its mapping, or a negative errno. */
  map(paths: readonly string[]): Promise<([handle: MappingHandle, length: number] | number)[]>;
  copy(
    mapping: MappingHandle,
    offset: number,
    length: number,
    target: Uint8Array,
    targetStart: number,
  ): number;
  unmap(mapping: MappingHandle): void;

  probeRing(): number;
  openQueue(
    slotBytes: number,
    slotCount: number,
    withRing: boolean,
    lock: LockHandle,
    completions: Int32Array,
    ready: (count: number) => boolean,
  ): QueueHandle | number;
  /** Memory of a slot: to be asked for once. */
  slot(queue: QueueHandle, slot: number): ArrayBuffer;
  openLog(queue: QueueHandle, path: string, method: number): Promise<number>;
  closeLog(queue: QueueHandle, log: number): number;
  submit(queue: QueueHandle, log: number, slot: number, length: number, offset: number): number;
  writeNow(queue: QueueHandle, log: number, slot: number, length: number, offset: number): number;
  wait(queue: QueueHandle): number;
  closeQueue(queue: QueueHandle): void;
}

/** Numbers of the write methods in the addon. */
export const METHOD_NUMBERS: Readonly<Record<WriteMethod, number>> = {
  "direct-dsync": 0,
  "buffered-dsync": 1,
  "buffered-fdatasync": 2,
};

/** Int32 places for each completion: slot, error. */
export const COMPLETION_INTS = 2;

const BOUNDARY = 4;

/**
 * The folder of the addon, seen from src/disk as well as from dist/disk. Another one can be given
 * to run the tests on a build with sanitizers.
 */
const FOLDER =
  process.env.HOLDFAST_NATIVE_FOLDER ?? fileURLToPath(new URL("../../native", import.meta.url));

/** A library of another build would be misused: everything both sides must agree on is compared. */
function check(addon: Addon): void {
  const agreed =
    addon.boundary === BOUNDARY &&
    addon.completionInts === COMPLETION_INTS &&
    addon.directDsync === METHOD_NUMBERS["direct-dsync"] &&
    addon.bufferedDsync === METHOD_NUMBERS["buffered-dsync"] &&
    addon.bufferedFdatasync === METHOD_NUMBERS["buffered-fdatasync"];
  if (!agreed) throw new Error("it was built from other sources; run `npm run build:native`");
}

const loaded = new Map<boolean, Addon>();

/** Loads the addon once. Throws an `Error` that says why it cannot be had. */
export function loadAddon(testSeam: boolean): Addon {
  const before = loaded.get(testSeam);
  if (before !== undefined) return before;
  try {
    const require = createRequire(import.meta.url);
    const addon = testSeam
      ? (require(`${FOLDER}/build/Release/seam/holdfast_test.node`) as Addon)
      : (require("node-gyp-build") as (folder: string) => Addon)(FOLDER);
    check(addon);
    loaded.set(testSeam, addon);
    return addon;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.trim() : String(cause);
    throw new Error(`the native addon of holdfast cannot be loaded: ${reason}`, { cause });
  }
}

/** The system error for a number below zero from the addon. */
export function addonError(result: number, syscall: string, path?: string): Error {
  return systemError(getSystemErrorName(result), syscall, path);
}
