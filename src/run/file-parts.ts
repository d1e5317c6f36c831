/** The parts of one open file: filter, root, index and data blocks, each checked as it is read. */
import type { CachedBlock } from "./block-cache.js";
import type { BlockReader } from "./block-reader.js";
import { type Entries, readUint32 } from "./entries.js";
import { corruptRun } from "./errors.js";
import { filterLineOf, filterMayHold } from "./filter.js";
import type { RunLayout } from "./footer.js";
import {
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockKind,
  FILTER_BLOCK_LINES,
  filterBlockBytes,
  filterBlockOffset,
  filterBytes,
  PLACE_BYTES,
  RUN_HEADER_BYTES,
  rawBytesMax,
} from "./format.js";
import { decodeProperties, type RunProperties } from "./properties.js";

export class FileParts {
  readonly layout: RunLayout;
  readonly #reader: BlockReader;

  constructor(layout: RunLayout, reader: BlockReader) {
    this.layout = layout;
    this.#reader = reader;
  }

  get path(): string {
    return this.#reader.path;
  }

  /** False if the file has no key with that CRC32C. */
  mayHold(hash: number): boolean {
    const { filterLines: lines } = this.layout;
    if (lines === 0) return true;
    const line = filterLineOf(hash, lines);
    const block = this.#filterBlock(Math.floor(line / FILTER_BLOCK_LINES));
    return filterMayHold(block.bytes, line % FILTER_BLOCK_LINES, hash);
  }

  /** The last key of each index block, and its place. */
  root(): Entries {
    const { rootOffset, rootBytes } = this.layout;
    return this.#reader.readEntries(BLOCK_KIND.root, rootOffset, rootBytes, true);
  }

  /** The index block that the i-th entry of the root names. */
  index(root: Entries, i: number): Entries {
    const { filterOffset, filterLines, rootOffset } = this.layout;
    return this.#named(
      root,
      i,
      BLOCK_KIND.index,
      filterOffset + filterBytes(filterLines),
      rootOffset,
      true,
    );
  }

  /** The data block that the i-th entry of an index block names. */
  data(index: Entries, i: number, keep: boolean): Entries {
    const { filterOffset } = this.layout;
    return this.#named(index, i, BLOCK_KIND.data, RUN_HEADER_BYTES, filterOffset, keep);
  }

  /**
   * Index of the first entry at or above a key, in a block whose last key is at or above it, as the
   * level above has it.
   */
  lowerBound(entries: Entries, key: Uint8Array, from: number, to: number): number {
    const at = entries.lowerBound(key, from, to);
    if (at < entries.count) return at;
    throw corruptRun(this.path, entries.offset, "the block ends before the key its index names");
  }

  properties(): RunProperties {
    const { propertiesOffset, propertiesBytes } = this.layout;
    const { properties: kind } = BLOCK_KIND;
    const block = this.#reader.read(kind, propertiesOffset, propertiesBytes, false);
    // What is decoded refers to the bytes.
    const properties = decodeProperties(Buffer.from(block.bytes.subarray(0, block.length)));
    if (properties !== undefined) return properties;
    throw corruptRun(this.path, propertiesOffset, "the block holds no properties");
  }

  /** Nothing can be read afterwards. */
  close(): void {
    this.#reader.close();
  }

  #filterBlock(block: number): CachedBlock {
    const { filterLines, filterOffset } = this.layout;
    const offset = filterBlockOffset(block, filterOffset);
    const length = filterBlockBytes(block, filterLines);
    const found = this.#reader.read(BLOCK_KIND.filter, offset, length, true);
    if (found.length === length - BLOCK_HEADER_BYTES) return found;
    throw corruptRun(this.path, offset, "the filter block is of another length");
  }

  /** The block at the place that the value of the i-th entry is, which must be in [from, to). */
  #named(
    entries: Entries,
    i: number,
    kind: BlockKind,
    from: number,
    to: number,
    keep: boolean,
  ): Entries {
    const at = entries.keyEnd(i);
    if (entries.valueEnd(i) - at !== PLACE_BYTES) throw this.#badPlace(entries);
    const offset = readUint32(entries.bytes, at);
    const length = readUint32(entries.bytes, at + 4);
    if (
      offset < from ||
      offset + length > to ||
      length < BLOCK_HEADER_BYTES ||
      length > BLOCK_HEADER_BYTES + rawBytesMax(kind)
    ) {
      throw this.#badPlace(entries);
    }
    return this.#reader.readEntries(kind, offset, length, keep);
  }

  #badPlace(entries: Entries): unknown {
    return corruptRun(this.path, entries.offset, "the block names a place that cannot be");
  }
}
