/** The two levels of a file's index: the last key and the place of every data block. */
import { assert } from "../base/assert.js";
import { viewOf } from "../base/bytes.js";
import { EntriesBuilder } from "./entries.js";
import { ENTRY_HEADER_BYTES, INDEX_BLOCK_BYTES, PLACE_BYTES } from "./format.js";

/** So many index blocks at most: with the longest keys the root then still fits a block. */
const INDEX_BLOCKS_MAX = 512;

/** An entry's position, too. */
const ENTRY_EXTRA_BYTES = ENTRY_HEADER_BYTES + PLACE_BYTES + 4;

/** The last keys of blocks one after the other, and where the blocks are. */
class KeyedPlaces {
  #keys = Buffer.allocUnsafeSlow(4096);
  #keysEnd = 0;
  readonly ends: number[] = [];
  readonly offsets: number[] = [];
  readonly lengths: number[] = [];

  /** As entries, uncompressed. */
  get bytes(): number {
    return this.#keysEnd + this.ends.length * ENTRY_EXTRA_BYTES;
  }

  get keys(): Buffer {
    return this.#keys;
  }

  add(key: Uint8Array, start: number, end: number, offset: number, length: number): void {
    const keyBytes = end - start;
    if (this.#keysEnd + keyBytes > this.#keys.length) {
      const larger = Buffer.allocUnsafeSlow(2 * this.#keys.length + keyBytes);
      larger.set(this.#keys.subarray(0, this.#keysEnd));
      this.#keys = larger;
    }
    this.#keys.set(key.subarray(start, end), this.#keysEnd);
    this.#keysEnd += keyBytes;
    this.ends.push(this.#keysEnd);
    this.offsets.push(offset);
    this.lengths.push(length);
  }
}

export class IndexBuilder {
  readonly #places = new KeyedPlaces();

  /** About the size of index and root, uncompressed. */
  get bytes(): number {
    return this.#places.bytes;
  }

  /** A data block at this place, whose last key is key[0, keyBytes). */
  add(key: Uint8Array, keyBytes: number, offset: number, length: number): void {
    this.#places.add(key, 0, keyBytes, offset, length);
  }

  /** Hands over the content of each index block, which says where it went, then of the root. */
  build(
    appendIndex: (raw: Uint8Array) => { readonly offset: number; readonly length: number },
    appendRoot: (raw: Uint8Array) => void,
  ): void {
    const places = this.#places;
    assert(places.ends.length > 0, "an index has a block");
    const target = Math.max(INDEX_BLOCK_BYTES, Math.ceil(places.bytes / INDEX_BLOCKS_MAX));
    const upper = new KeyedPlaces();
    const builder = new EntriesBuilder(2 * target);
    for (let i = 0; i < places.ends.length; i++) {
      addPlace(builder, places, i);
      if (builder.rawBytes < target && i + 1 < places.ends.length) continue;
      const { offset, length } = appendIndex(builder.take());
      upper.add(places.keys, startOf(places, i), places.ends[i]!, offset, length);
    }
    for (let i = 0; i < upper.ends.length; i++) addPlace(builder, upper, i);
    appendRoot(builder.take());
  }
}

const value = new Uint8Array(PLACE_BYTES);
const view = viewOf(value);

function addPlace(builder: EntriesBuilder, places: KeyedPlaces, i: number): void {
  view.setUint32(0, places.offsets[i]!, true);
  view.setUint32(4, places.lengths[i]!, true);
  builder.add(places.keys, startOf(places, i), places.ends[i]!, 0, value, 0, PLACE_BYTES);
}

function startOf(places: KeyedPlaces, i: number): number {
  return i === 0 ? 0 : places.ends[i - 1]!;
}
