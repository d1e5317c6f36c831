/** What the contract suite needs of a disk, and what its parts share. */
import type { Disk, DiskLock, WriteMethod } from "../../src/disk/disk.js";

/** A disk and an empty directory on it. */
export interface DiskFixture {
  readonly disk: Disk;
  readonly directory: string;
  dispose(): Promise<void>;
}

/** A disk whose queue writes can be made to fail. */
export interface FaultyFixture extends DiskFixture {
  /** From now on the next `count` queue writes fail with EIO or ENOSPC, on the log of that path. */
  failWrites(count: number): void;
  /** The next queue write takes only a part at first; absent where it cannot be arranged. */
  readonly shortenWrite?: () => void;
  /** Where a log has to be for its writes to fail; absent where any place does. */
  readonly failingPath?: string;
}

export interface DiskCapabilities {
  readonly kind: Disk["info"]["kind"];
  readonly backend: string;
  readonly lock: DiskLock["strength"];
  /** Methods that must work; the others must be refused with EINVAL, or work. */
  readonly methods: readonly WriteMethod[];
  readonly faulty?: () => Promise<FaultyFixture | undefined>;
}

export type MakeDisk = () => Promise<DiskFixture>;

/** Bytes that differ at every place and from one start to the next. */
export function pattern(length: number, start = 0): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (start + i * 7 + (i >> 8)) & 0xff);
}

export async function writeFileWith(disk: Disk, path: string, bytes: Uint8Array): Promise<void> {
  const file = await disk.open(path, { write: true, create: true });
  await file.write(0, bytes);
  await file.sync();
  await file.close();
}

export async function readFileOf(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path);
  try {
    return await file.read(0, (await file.size()) + 1);
  } finally {
    await file.close();
  }
}

/** Vitest compares typed arrays element by element, slowly, and prints them all. */
export function same(actual: Uint8Array, expected: Uint8Array): boolean {
  return Buffer.compare(actual, expected) === 0;
}

/** Waits for a real turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}
