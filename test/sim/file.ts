/**
 * One simulated file: what programs see (the page cache), what the device has for good, and, between
 * the two, every content that each sector has had since it was last made durable. A power loss may
 * leave any of them, in every sector independently of the others.
 */
import type { Journal } from "./journal.js";
import type { Random } from "./random.js";

export const SECTOR_BYTES = 512;

/** One content of one sector: 512 bytes of `bytes` from `at`. */
interface Version {
  readonly bytes: Uint8Array;
  readonly at: number;
}

/** The durable state under a truncation that is not durable itself. */
interface Fallback {
  readonly disk: Uint8Array;
  readonly durableSize: number;
  readonly versions: Map<number, Version[]>;
  readonly sizes: number[];
}

/** What became of the sectors of a file at a power loss. */
export interface CrashCounts {
  lost: number;
  kept: number;
  torn: number;
  garbage: number;
  /** Files whose length was not durable, and is not the last one any more. */
  sizes: number;
}

const ZERO_SECTOR = new Uint8Array(SECTOR_BYTES);

const NO_BYTES = new Uint8Array(0);

export class SimulatedFile {
  /** Ranges that cannot be read: [offset, end). */
  readonly bad: { offset: number; end: number; fired: number }[] = [];
  /** The incarnation that holds the lock of this file; 0 for none. */
  lockedBy = 0;
  /** Writes of dead processes that are still under way: until they are done it stays locked. */
  zombies = 0;
  size = 0;
  durableSize = 0;
  /** Told of every change, if there is one. */
  journal: Journal | undefined;
  /** As long as nothing was written both are the same memory, which others may have as well. */
  #cache: Uint8Array = NO_BYTES;
  #disk: Uint8Array = NO_BYTES;
  #foreign = true;
  #versions = new Map<number, Version[]>();
  #sizes: number[] = [];
  #fallbacks: Fallback[] = [];
  /** After a failed sync the cache has what the device does not. */
  #cacheLies = false;

  /** True if a power loss could change what programs see of this file. */
  get dirty(): boolean {
    return (
      this.#cacheLies ||
      this.#versions.size > 0 ||
      this.#sizes.length > 0 ||
      this.#fallbacks.length > 0
    );
  }

  /** A copy of what programs see. */
  read(offset: number, length: number): Uint8Array {
    return this.#cache.slice(Math.min(offset, this.size), Math.min(offset + length, this.size));
  }

  copyTo(offset: number, length: number, target: Uint8Array, start: number): void {
    target.set(this.#cache.subarray(offset, offset + length), start);
  }

  /** What the device has; sectors that are still dirty are written to it by such a read. */
  readDirect(offset: number, length: number): Uint8Array {
    if (this.#versions.size === 0 && this.#disk.length >= this.size) {
      return this.#disk.slice(Math.min(offset, this.size), Math.min(offset + length, this.size));
    }
    const bytes = this.read(offset, length);
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const sector = Math.floor(at / SECTOR_BYTES);
      const next = Math.min((sector + 1) * SECTOR_BYTES, end);
      if (!this.#versions.has(sector)) {
        bytes.fill(0, at - offset, next - offset);
        bytes.set(this.#disk.subarray(at, next), at - offset);
      }
      at = next;
    }
    return bytes;
  }

  /** What would be there after a power loss that loses all it can. */
  readDurable(): Uint8Array {
    const first = this.#fallbacks[0];
    return first === undefined
      ? this.#disk.slice(0, this.durableSize)
      : first.disk.slice(0, first.durableSize);
  }

  /** A write through the page cache. */
  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    this.#own();
    this.#grow(end);
    this.#cache.set(bytes, offset);
    const first = Math.floor(offset / SECTOR_BYTES);
    const last = Math.floor((end - 1) / SECTOR_BYTES);
    const base = first * SECTOR_BYTES;
    const copy = this.#cache.slice(base, (last + 1) * SECTOR_BYTES);
    for (let sector = first; sector <= last; sector++) {
      this.#addVersion(sector, { bytes: copy, at: sector * SECTOR_BYTES - base });
    }
    this.#extend(end);
    this.journal?.wrote(this, offset, bytes);
  }

  /** The same for zeros, without making copies of them. */
  zeroFill(offset: number, length: number): void {
    const end = offset + length;
    if (length === 0) return;
    if (offset % SECTOR_BYTES !== 0 || length % SECTOR_BYTES !== 0) {
      this.write(offset, new Uint8Array(length));
      return;
    }
    this.#own();
    this.#grow(end);
    this.#cache.fill(0, offset, end);
    const zero = { bytes: ZERO_SECTOR, at: 0 };
    for (let at = offset; at < end; at += SECTOR_BYTES) this.#addVersion(at / SECTOR_BYTES, zero);
    this.#extend(end);
    this.journal?.wrote(this, offset, new Uint8Array(length));
  }

  /** A write that is durable now. Whole sectors are written, so what else is in them is as well. */
  writeDurable(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const end = offset + bytes.length;
    this.#fallbacks.length = 0;
    this.#own();
    this.#grow(end);
    this.#cache.set(bytes, offset);
    const from = offset - (offset % SECTOR_BYTES);
    const to = Math.ceil(end / SECTOR_BYTES) * SECTOR_BYTES;
    this.#disk.set(this.#cache.subarray(from, to), from);
    if (this.#versions.size > 0) {
      for (let at = from; at < to; at += SECTOR_BYTES) this.#versions.delete(at / SECTOR_BYTES);
    }
    this.size = Math.max(this.size, end);
    this.durableSize = Math.max(this.durableSize, end);
    if (this.#sizes.length > 0) {
      this.#sizes = this.#sizes.filter((size) => size > this.durableSize);
    }
    this.journal?.wroteDurably(this, offset, bytes);
  }

  truncate(length: number): void {
    this.journal?.truncated(this, length);
    this.#own();
    if (length >= this.size) {
      this.#grow(length);
      this.#extend(length);
      return;
    }
    this.#fallbacks.push({
      disk: this.#disk,
      durableSize: this.durableSize,
      versions: this.#versions,
      sizes: this.#sizes,
    });
    this.#cache.fill(0, length, this.size);
    this.#disk = this.#disk.slice();
    this.#disk.fill(0, length);
    const versions = new Map<number, Version[]>();
    for (const [sector, list] of this.#versions) {
      const keep = length - sector * SECTOR_BYTES;
      if (keep > 0) versions.set(sector, keep < SECTOR_BYTES ? list.map(cutAt(keep)) : [...list]);
    }
    this.#versions = versions;
    this.#sizes = [];
    this.size = length;
    this.durableSize = Math.min(this.durableSize, length);
    if (this.durableSize < length) this.#sizes.push(length);
  }

  sync(): void {
    for (const sector of this.#versions.keys()) this.#persist(sector);
    this.durableSize = this.size;
    this.#settle();
    this.journal?.synced(this);
  }

  /**
   * A sync that failed, as on ext4 and XFS: some of it reached the device, the rest counts as clean
   * from now on, so that a later sync reports success without having written it.
   */
  failSync(random: Random): void {
    for (const sector of this.#versions.keys()) {
      if (random.chance(0.5)) this.#persist(sector);
    }
    if (random.chance(0.5)) this.durableSize = this.size;
    this.#settle();
    this.#cacheLies = true;
  }

  /** What a power loss leaves; afterwards it is the content, and durable. */
  crash(random: Random, garbage: number, counts: CrashCounts): void {
    this.#own();
    if (this.#fallbacks.length > 0) this.#fallBack(random);
    const mode = random.below(4);
    const odds = mode === 0 ? 0 : mode === 1 ? 1 : (1 + random.below(7)) / 8;
    // Whole writes that got there, or did not, are as likely as any mixture.
    const tearing = odds === 1 ? 0 : 0.125;
    for (const [sector, list] of this.#versions) {
      if (random.chance(odds)) this.#keepSector(sector, list, random, tearing, garbage, counts);
      else counts.lost++;
    }
    if (this.#sizes.length > 0 && random.chance(odds)) this.durableSize = random.pick(this.#sizes);
    if (this.durableSize < this.size) counts.sizes++;
    this.#disk.fill(0, this.durableSize);
    this.#cache = this.#disk;
    this.size = this.durableSize;
    this.#cacheLies = false;
    this.#settle();
  }

  /** Some sectors of a write that was under way get there, others do not. */
  writeTorn(offset: number, bytes: Uint8Array, random: Random, odds: number): void {
    for (let at = 0; at < bytes.length; ) {
      const next = Math.min(bytes.length, at + SECTOR_BYTES - ((offset + at) % SECTOR_BYTES));
      if (random.chance(odds)) this.writeDurable(offset + at, bytes.subarray(at, next));
      at = next;
    }
  }

  /** Replaces the content, in the cache and on the device. The bytes must not change any more. */
  replace(bytes: Uint8Array): void {
    this.#disk = bytes;
    this.#cache = bytes;
    this.#foreign = true;
    this.size = bytes.length;
    this.durableSize = bytes.length;
    this.#settle();
  }

  /** What programs see, in memory that nobody changes any more. */
  share(): Uint8Array {
    if (this.dirty) return this.read(0, this.size);
    if (!this.#foreign || this.#disk.length !== this.size) this.replace(this.read(0, this.size));
    return this.#disk;
  }

  /** Before any change: memory of its own, one for the cache and one for the device. */
  #own(): void {
    const same = this.#cache === this.#disk;
    if (this.#foreign) this.#disk = this.#disk.slice();
    if (same) this.#cache = this.#disk.slice();
    this.#foreign = false;
  }

  #keepSector(
    sector: number,
    list: readonly Version[],
    random: Random,
    tearing: number,
    garbage: number,
    counts: CrashCounts,
  ): void {
    counts.kept++;
    const at = sector * SECTOR_BYTES;
    this.#growDisk(at + SECTOR_BYTES);
    const newest = tearing === 0 || random.chance(0.75);
    const version = list[newest ? list.length - 1 : random.below(list.length)]!;
    const bytes = version.bytes.subarray(version.at, version.at + SECTOR_BYTES);
    if (!random.chance(tearing)) {
      this.#disk.set(bytes, at);
      return;
    }
    counts.torn++;
    // The left part, the right part, or all of it was under way.
    const shape = random.below(3);
    const from = shape === 1 ? 1 + random.below(SECTOR_BYTES - 1) : 0;
    const to = shape === 0 ? 1 + random.below(SECTOR_BYTES - 1) : SECTOR_BYTES;
    this.#disk.set(bytes.subarray(from, to), at + from);
    if (!random.chance(garbage)) return;
    counts.garbage++;
    random.fill(this.#disk.subarray(at + from, at + to));
  }

  /** Chooses how many of the truncations became durable. */
  #fallBack(random: Random): void {
    const chosen = this.#fallbacks[random.below(this.#fallbacks.length + 1)];
    this.#fallbacks.length = 0;
    if (chosen === undefined) return;
    this.#disk = chosen.disk;
    this.durableSize = chosen.durableSize;
    this.#versions = chosen.versions;
    this.#sizes = chosen.sizes;
  }

  #addVersion(sector: number, version: Version): void {
    const list = this.#versions.get(sector);
    if (list === undefined) this.#versions.set(sector, [version]);
    else list.push(version);
  }

  #persist(sector: number): void {
    const at = sector * SECTOR_BYTES;
    this.#growDisk(at + SECTOR_BYTES);
    this.#disk.set(this.#cache.subarray(at, at + SECTOR_BYTES), at);
  }

  #settle(): void {
    this.#versions.clear();
    this.#sizes.length = 0;
    this.#fallbacks.length = 0;
  }

  #extend(end: number): void {
    if (end <= this.size) return;
    this.size = end;
    this.#sizes.push(end);
  }

  #grow(end: number): void {
    this.#cache = grown(this.#cache, end);
    this.#growDisk(end);
  }

  #growDisk(end: number): void {
    this.#disk = grown(this.#disk, end);
  }
}

function cutAt(keep: number): (version: Version) => Version {
  return ({ bytes, at }) => {
    const cut = new Uint8Array(SECTOR_BYTES);
    cut.set(bytes.subarray(at, at + keep));
    return { bytes: cut, at: 0 };
  };
}

/** At least `end` bytes, whole sectors; growing doubles, so that appending stays cheap. */
function grown(bytes: Uint8Array, end: number): Uint8Array {
  if (end <= bytes.length && bytes.length % SECTOR_BYTES === 0) return bytes;
  const sectors = Math.ceil(Math.max(end, bytes.length * 2) / SECTOR_BYTES);
  const larger = new Uint8Array(sectors * SECTOR_BYTES);
  larger.set(bytes);
  return larger;
}
