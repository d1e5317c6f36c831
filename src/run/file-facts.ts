/** Collects what the blocks of one file say, and tells what is wrong with each by itself. */
import type { Checksum } from "../disk/disk.js";
import { compareBytes, Entries, readUint32 } from "./entries.js";
import type { RunLayout } from "./footer.js";
import { BLOCK_KIND, type BlockKind, PLACE_BYTES } from "./format.js";
import type { ProblemReporter } from "./run-problem.js";
import { TableCounts } from "./table-counts.js";
import type { Walked, WholeBlock } from "./walk.js";

/** A block that an index block or the root has to name. */
export interface Child {
  readonly offset: number;
  readonly length: number;
  readonly lastKey: Uint8Array;
}

/** An entry of an index block or the root. */
export interface Named extends Child {
  /** Offset of the block that names it. */
  readonly by: number;
}

/** A range without a whole block. */
interface Damage {
  readonly offset: number;
  readonly end: number;
  readonly what: string;
  /** Rows may have been in it, above this key. */
  readonly afterKey: Uint8Array | undefined;
}

export class FileFacts {
  readonly counts = new TableCounts();
  readonly data: Child[] = [];
  readonly index: Child[] = [];
  readonly dataNamed: Named[] = [];
  readonly indexNamed: Named[] = [];
  readonly filter = new Map<number, WholeBlock>();
  /** CRC32C of every key. */
  readonly hashes: number[] = [];
  root: WholeBlock | undefined;
  properties: WholeBlock | undefined;
  firstKey: Uint8Array | undefined;
  lastKey: Uint8Array | undefined;
  blocks = 0;
  /** Damage where rows were, and elsewhere. */
  rowsLost = false;
  otherLost = false;
  readonly #layout: RunLayout | undefined;
  readonly #checksum: Checksum;
  readonly #reporter: ProblemReporter;
  readonly #damages: Damage[] = [];
  /** Of these, so many have been told. */
  #told = 0;
  #lastKind: BlockKind = BLOCK_KIND.data;

  /** `layout` if the footer could be read. */
  constructor(layout: RunLayout | undefined, checksum: Checksum, reporter: ProblemReporter) {
    this.#layout = layout;
    this.#checksum = checksum;
    this.#reporter = reporter;
  }

  /** The next block, or the next range without one. */
  take(block: Walked): void {
    if (!block.ok) {
      this.#takeDamage(block.offset, block.length, block.what);
      return;
    }
    this.blocks++;
    const { kind, offset } = block;
    if (kind < this.#lastKind) this.#reporter.problem(offset, "the block is out of its order");
    this.#lastKind = kind;
    if (kind === BLOCK_KIND.data) this.#takeData(block);
    else if (kind === BLOCK_KIND.filter) this.filter.set(offset, block);
    else if (kind === BLOCK_KIND.properties) this.properties = block;
    else if (kind === BLOCK_KIND.index) this.#takeIndex(block, this.dataNamed, this.index);
    else {
      this.root = block;
      this.#takeIndex(block, this.indexNamed, []);
    }
  }

  /** After the last block. */
  finish(): void {
    this.#tellDamages(this.#reporter.file.lastKey);
  }

  /** True if a block that should begin there is in a range without a whole one. */
  isLost(offset: number): boolean {
    return this.#damages.some((damage) => offset >= damage.offset && offset < damage.end);
  }

  #takeDamage(offset: number, length: number, what: string): void {
    const rows =
      this.#layout === undefined
        ? this.#lastKind === BLOCK_KIND.data
        : offset < this.#layout.filterOffset;
    if (rows) this.rowsLost = true;
    const end = offset + length;
    if (!rows || this.#layout === undefined || end > this.#layout.filterOffset) {
      this.otherLost = true;
    }
    const afterKey = rows ? (this.lastKey ?? this.#reporter.file.firstKey) : undefined;
    this.#damages.push({ offset, end, what, afterKey });
  }

  /** Damages that were met since: rows in them are below `beforeKey`. */
  #tellDamages(beforeKey: Uint8Array): void {
    for (; this.#told < this.#damages.length; this.#told++) {
      const { offset, end, what, afterKey } = this.#damages[this.#told] as Damage;
      const text = `${what} (${end - offset} bytes)`;
      if (afterKey === undefined) this.#reporter.problem(offset, text);
      else this.#reporter.rows(offset, text, afterKey, beforeKey);
    }
  }

  #takeData(block: WholeBlock): void {
    const entries = this.#entriesOf(block);
    if (entries === undefined) return;
    const { bytes } = entries;
    let last = this.lastKey;
    for (let i = 0; i < entries.count; i++) {
      const key = bytes.subarray(entries.keyStart(i), entries.keyEnd(i));
      if (i === 0) this.#tellDamages(Uint8Array.from(key));
      if (last !== undefined && compareBytes(last, 0, last.length, key, 0, key.length) >= 0) {
        this.#reporter.rows(block.offset, "the keys do not ascend");
      }
      if (key.length < 2) this.#reporter.rows(block.offset, "a key has no table");
      else this.counts.add((key[0]! << 8) | key[1]!, entries.valueEnd(i) < 0);
      this.hashes.push(this.#checksum.crc32c(key, 0, key.length));
      this.firstKey ??= Uint8Array.from(key);
      last = key;
    }
    // A copy, so that one key does not hold a whole block.
    const lastKey = Uint8Array.from(last as Uint8Array);
    this.lastKey = lastKey;
    this.data.push({ offset: block.offset, length: block.length, lastKey });
  }

  #takeIndex(block: WholeBlock, named: Named[], children: Child[]): void {
    const entries = this.#entriesOf(block);
    if (entries === undefined) return;
    let lastKey: Uint8Array = new Uint8Array(0);
    for (let i = 0; i < entries.count; i++) {
      const at = entries.keyEnd(i);
      lastKey = Uint8Array.from(entries.bytes.subarray(entries.keyStart(i), at));
      if (entries.valueEnd(i) - at !== PLACE_BYTES) {
        this.#reporter.problem(block.offset, "an entry is not the place of a block");
        continue;
      }
      const offset = readUint32(entries.bytes, at);
      const length = readUint32(entries.bytes, at + 4);
      named.push({ offset, length, lastKey, by: block.offset });
    }
    children.push({ offset: block.offset, length: block.length, lastKey });
  }

  #entriesOf(block: WholeBlock): Entries | undefined {
    const entries = Entries.of(block.raw, block.offset);
    if (entries === undefined) {
      this.#takeDamage(block.offset, block.length, "the block is not a list of keys and values");
    }
    return entries;
  }
}
