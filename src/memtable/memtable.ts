/**
 * The rows of one table that are in memory: those that no run holds yet, deletions included, and
 * those of runs that were asked for. Points by a hash, ranges by an ordered index.
 */
import { type Footprint, TYPICAL_FOOTPRINT } from "../codec/footprint.js";
import { Entry, FROM_RUN, isLive, type MapKey, sizeOfRow, type Version } from "./entry.js";
import type { Horizon, ViewMark } from "./horizon.js";
import { type IndexCursor, type KeyRange, OrderedIndex } from "./ordered-index.js";
import type { RowMemory } from "./row-memory.js";

/** What an entry was before a transaction changed it. */
export interface Before<K> {
  readonly mapKey: MapKey;
  readonly entry: Entry<K>;
  readonly existed: boolean;
  readonly version: Version | undefined;
}

export interface MemtableOptions<K> {
  readonly compare: (a: K, b: K) => number;
  readonly horizon: Horizon;
  readonly memory: RowMemory;
  /** Rows stay in memory, whatever they take; deletions may still go. */
  readonly resident?: boolean;
  /** What its rows take; typical ones if it is not given. */
  readonly footprint?: Footprint;
}

export class Memtable<K> {
  readonly #entries = new Map<MapKey, Entry<K>>();
  readonly #o: MemtableOptions<K>;
  /**
   * Made when the first range is asked for: many tables never are, and a replay that kept the order
   * up to date took twice as long.
   */
  #order: OrderedIndex<K, Entry<K>> | undefined;
  #hand: IterableIterator<[MapKey, Entry<K>]> | undefined;
  #live = 0;
  #bytes = 0;
  #resident: boolean;
  #complete = true;
  /** Of rows that come in from now on. */
  footprint: Footprint;
  /** The same: the version of the table's schema that they are in, unless it is given. */
  schemaVersion = 1;
  /** Rows that had to leave, since only a run has to have them. */
  evicted = 0;

  constructor(options: MemtableOptions<K>) {
    this.#o = options;
    this.#resident = options.resident ?? false;
    this.footprint = options.footprint ?? TYPICAL_FOOTPRINT;
    options.memory.add(this as Memtable<unknown>);
  }

  get resident(): boolean {
    return this.#resident;
  }

  /**
   * Memory has every row of the table: a key that is not here is nowhere, and ranges look nowhere
   * else. True until a row that only a run has left, or was never here.
   */
  get complete(): boolean {
    return this.#complete;
  }

  set complete(complete: boolean) {
    const becomes = complete && !this.#complete;
    this.#complete = complete;
    if (!becomes || this.#order === undefined) return;
    // Rows that were only read stand in no order while ranges read them from the runs.
    for (const entry of this.#entries.values()) {
      if (entry.ordered) continue;
      entry.ordered = true;
      this.#order.add(entry);
    }
  }

  /** Rows of a resident table are not counted against the bound of memory. */
  set resident(resident: boolean) {
    if (resident === this.#resident) return;
    this.#resident = resident;
    this.#o.memory.bytes += resident ? -this.#bytes : this.#bytes;
  }

  /** Rows in memory. */
  get live(): number {
    return this.#live;
  }

  /** Keys in memory, deleted ones included. */
  get entries(): number {
    return this.#entries.size;
  }

  /** The newest that memory knows of a key; it may say that it was deleted. */
  get(mapKey: MapKey): Entry<K> | undefined {
    return this.#entries.get(mapKey);
  }

  /**
   * What the transaction `sequence` made of a key: a row, packed or not, whose length is
   * `encodedBytes` when it is encoded. `before` is what `before` has just said of that key, where
   * it was asked: it need not be looked up again.
   */
  put(
    mapKey: MapKey,
    key: K,
    row: unknown,
    sequence: number,
    encodedBytes: number,
    before?: Before<K>,
  ): void {
    const size = sizeOfRow(this.footprint, encodedBytes);
    const entry = this.#change(mapKey, key, sequence, size, before);
    if (!isLive(entry)) this.#live++;
    entry.row = row;
    entry.bytes = undefined;
    entry.schemaVersion = this.schemaVersion;
    entry.storedVersion = this.schemaVersion;
    this.#relieve();
  }

  /** The same, for a row that is decoded when it is first asked for. */
  putBytes(
    mapKey: MapKey,
    key: K,
    bytes: Uint8Array,
    start: number,
    end: number,
    sequence: number,
    schemaVersion = this.schemaVersion,
  ): void {
    const entry = this.#change(mapKey, key, sequence, sizeOfRow(this.footprint, end - start));
    if (!isLive(entry)) this.#live++;
    entry.row = undefined;
    entry.bytes = bytes;
    entry.start = start;
    entry.end = end;
    entry.schemaVersion = schemaVersion;
    entry.storedVersion = schemaVersion;
  }

  /** The transaction `sequence` deleted a key: remembered, since a run may hold it. */
  delete(mapKey: MapKey, key: K, sequence: number): void {
    const entry = this.#change(mapKey, key, sequence, this.footprint.entryBytes);
    if (isLive(entry)) this.#live--;
    entry.row = undefined;
    entry.bytes = undefined;
  }

  /** Keeps a row of a run, packed or not, until its room is needed. The key must not be there. */
  load(
    mapKey: MapKey,
    key: K,
    row: unknown,
    encodedBytes: number,
    schemaVersion = this.schemaVersion,
  ): Entry<K> {
    const entry = new Entry(key);
    entry.sequence = FROM_RUN;
    entry.row = row;
    entry.schemaVersion = schemaVersion;
    entry.storedVersion = schemaVersion;
    entry.size = sizeOfRow(this.footprint, encodedBytes);
    this.#entries.set(mapKey, entry);
    this.#account(entry.size);
    this.#live++;
    this.#relieve();
    return entry;
  }

  // ---- taking back -----------------------------------------------------------------------------

  /** What `undo` needs to take back a put or a delete of that key. */
  before(mapKey: MapKey, key: K): Before<K> {
    const entry = this.#entries.get(mapKey);
    if (entry === undefined) {
      return { mapKey, entry: new Entry(key), existed: false, version: undefined };
    }
    return { mapKey, entry, existed: true, version: copyOf(entry, entry.older) };
  }

  undo(before: Before<K>): void {
    const { mapKey, version } = before;
    const entry = this.#entries.get(mapKey);
    if (entry === undefined) return;
    if (version === undefined) {
      this.#drop(mapKey, entry);
      return;
    }
    this.#live += Number(isLive(version)) - Number(isLive(entry));
    this.#account(totalSize(version) - totalSize(entry));
    Object.assign(entry, copyOf(version, version.older));
  }

  // ---- views -----------------------------------------------------------------------------------

  /**
   * What a view shows of an entry; undefined: what its runs say. Rows that those have are not kept
   * for it: behind one of them may stand an older one, which another view has asked for.
   */
  static visible<K>(entry: Entry<K>, { sequence, through }: ViewMark): Version | undefined {
    if (entry.sequence <= sequence) return entry.sequence === FROM_RUN ? undefined : entry;
    let version = entry.older;
    while (version !== undefined && version.sequence > sequence) version = version.older;
    return version === undefined || version.sequence <= through ? undefined : version;
  }

  // ---- order -----------------------------------------------------------------------------------

  /**
   * Every key that was written, deleted ones included; those that were only read are among them if
   * memory has the whole table, and must otherwise be looked for in the runs.
   */
  cursor(range: KeyRange<K>): IndexCursor<K, Entry<K>> {
    if (this.#order === undefined) {
      this.#order = new OrderedIndex(this.#o.compare);
      const placed = [...this.#entries.values()].filter(
        (entry) => this.#complete || entry.sequence !== FROM_RUN,
      );
      for (const entry of placed) entry.ordered = true;
      this.#order.load(placed);
    }
    return this.#order.cursor(range);
  }

  // ---- room ------------------------------------------------------------------------------------

  /**
   * Looks at up to `steps` entries, drops those that the runs have (deletions only, unless `rows`),
   * and ends early at the end of a round.
   */
  sweep(steps: number, rows: boolean): { passed: number; dropped: number } {
    let passed = 0;
    let dropped = 0;
    this.#hand ??= this.#entries.entries();
    while (passed < steps) {
      const next = this.#hand.next();
      if (next.done === true) {
        this.#hand = undefined;
        break;
      }
      passed++;
      const [mapKey, entry] = next.value;
      if (entry.used) entry.used = false;
      else if (this.#canGo(entry, rows)) {
        if (isLive(entry)) {
          this.complete = false;
          this.evicted++;
        }
        this.#drop(mapKey, entry);
        dropped++;
      }
    }
    return { passed, dropped };
  }

  #canGo(entry: Entry<K>, rows: boolean): boolean {
    const { horizon } = this.#o;
    if (entry.sequence > horizon.through) return false;
    if (isLive(entry) && (this.#resident || !rows)) return false;
    if (entry.older !== undefined) this.#prune(entry);
    return entry.older === undefined && !horizon.neededByView(entry.sequence);
  }

  #drop(mapKey: MapKey, entry: Entry<K>): void {
    this.#entries.delete(mapKey);
    if (isLive(entry)) this.#live--;
    this.#account(-totalSize(entry));
    if (entry.ordered) this.#order?.remove(entry.key);
    entry.ordered = false;
  }

  #relieve(): void {
    const { memory, horizon } = this.#o;
    if (memory.bytes > memory.limitBytes) memory.relieve(horizon.version);
  }

  // ---- changes ---------------------------------------------------------------------------------

  /** The entry of a key, about to be given its new row. */
  #change(mapKey: MapKey, key: K, sequence: number, size: number, before?: Before<K>): Entry<K> {
    const { horizon } = this.#o;
    const known = before?.existed === true ? before.entry : undefined;
    let entry = before === undefined ? this.#entries.get(mapKey) : known;
    if (entry === undefined) {
      entry = before?.entry ?? new Entry(key);
      this.#entries.set(mapKey, entry);
    } else if (entry.sequence <= horizon.newestView) {
      this.#keepForViews(entry);
    }
    if (!entry.ordered && this.#order !== undefined) {
      entry.ordered = true;
      this.#order.add(entry);
    }
    this.#account(size - entry.size);
    entry.size = size;
    entry.sequence = sequence;
    return entry;
  }

  #account(bytes: number): void {
    this.#bytes += bytes;
    if (!this.#resident) this.#o.memory.bytes += bytes;
  }

  #keepForViews(entry: Entry<K>): void {
    this.#prune(entry);
    if (!this.#o.horizon.neededByView(entry.sequence)) return;
    entry.older = copyOf(entry, entry.older);
    this.#account(entry.size);
  }

  /** Lets go of older rows that no view asks for any more. */
  #prune(entry: Entry<K>): void {
    const { horizon } = this.#o;
    let last: Version = entry;
    for (let version = entry.older; version !== undefined; version = version.older) {
      if (horizon.neededByView(version.sequence)) last = version;
      else {
        this.#account(-version.size);
        last.older = version.older;
      }
    }
  }
}

function copyOf(version: Version, older: Version | undefined): Version {
  const { sequence, row, bytes, start, end, schemaVersion, storedVersion, size } = version;
  return { sequence, row, bytes, start, end, schemaVersion, storedVersion, size, older };
}

function totalSize(version: Version): number {
  let size = 0;
  for (let one: Version | undefined = version; one !== undefined; one = one.older) size += one.size;
  return size;
}
