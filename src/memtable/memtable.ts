/** The newest row of every key: points by a hash, ranges by an ordered index. */
import { type KeyRange, OrderedIndex } from "./ordered-index.js";

/** A primitive that stands for a key in a Map. */
export type MapKey = string | number | bigint;

/** One key and its row, which is decoded when it is first asked for. */
export class Entry<K> {
  readonly key: K;
  /** The row, or undefined while it is only there as bytes. */
  row: unknown;
  /** Encoded form of a row that came from the log: bytes[start, end). */
  bytes: Uint8Array | undefined;
  start = 0;
  end = 0;

  constructor(key: K) {
    this.key = key;
  }
}

/** What an entry was before a transaction changed it. */
export interface Before<K> {
  readonly mapKey: MapKey;
  readonly entry: Entry<K>;
  readonly existed: boolean;
  readonly row: unknown;
  readonly bytes: Uint8Array | undefined;
}

export class Memtable<K> {
  readonly #entries = new Map<MapKey, Entry<K>>();
  readonly #compare: (a: K, b: K) => number;
  /**
   * Made when the first range is asked for: many tables never are, and a replay that kept the order
   * up to date took twice as long.
   */
  #order: OrderedIndex<K, Entry<K>> | undefined;

  constructor(compare: (a: K, b: K) => number) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#entries.size;
  }

  get(mapKey: MapKey): Entry<K> | undefined {
    return this.#entries.get(mapKey);
  }

  /** The entry of a key, made if it is not there. Its row is the caller's to set, at once. */
  upsert(mapKey: MapKey, key: K): Entry<K> {
    let entry = this.#entries.get(mapKey);
    if (entry === undefined) {
      entry = new Entry(key);
      this.#entries.set(mapKey, entry);
      this.#order?.add(entry);
    }
    return entry;
  }

  delete(mapKey: MapKey): boolean {
    const entry = this.#entries.get(mapKey);
    if (entry === undefined) return false;
    this.#entries.delete(mapKey);
    this.#order?.remove(entry.key);
    return true;
  }

  /** What `undo` needs to take back a put or a delete of that key. */
  before(mapKey: MapKey, key: K): Before<K> {
    const entry = this.#entries.get(mapKey);
    return {
      mapKey,
      entry: entry ?? new Entry(key),
      existed: entry !== undefined,
      row: entry?.row,
      bytes: entry?.bytes,
    };
  }

  undo(before: Before<K>): void {
    const { mapKey, entry } = before;
    if (!before.existed) {
      this.delete(mapKey);
      return;
    }
    entry.row = before.row;
    entry.bytes = before.bytes;
    if (this.#entries.has(mapKey)) return;
    this.#entries.set(mapKey, entry);
    this.#order?.add(entry);
  }

  range(range: KeyRange<K>): Generator<Entry<K>, void, undefined> {
    if (this.#order === undefined) {
      this.#order = new OrderedIndex(this.#compare);
      this.#order.load(this.#entries.values());
    }
    return this.#order.range(range);
  }
}
