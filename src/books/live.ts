/** A book of the open store: in memory, beside the tables that it stands in. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { follows } from "./chain.js";
import { type BookDefinition, describeBook } from "./definition.js";
import { type BookSnapshot, type BookUpdate, checkId, Levels } from "./input.js";
import { LevelWriter, writeSide } from "./packed-levels.js";
import type { BookSide } from "./side.js";
import { type BookState, type BookTables, emptyState, readState } from "./state.js";
import { bookChanges, bookImages, bookStates } from "./tables.js";

/** One piece of an image: a row is at most twice that. */
const PAGE_BYTES = 512 * 1024;

/** An image is written anew when the changes since have so many times its bytes, and no less. */
const CHANGES_PER_IMAGE = 4;
const CHANGE_BYTES_MIN = 64 * 1024;

/** Changes that an opening applies, at most. */
const SLOTS_MAX = 4096;

/** Levels of a side: an image still fits a transaction. */
export const BOOK_LEVELS_MAX = 100_000;

/** A transaction that tells how it ended, and can be told that it cannot be whole. */
export interface BookTransaction extends BookTables {
  put<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>, row: NoInfer<I>): void;
  delete<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): boolean;
  onEnd(ended: (kept: boolean) => void): void;
  breakOff(error: unknown): void;
}

/** Levels that were changed, and what they were: to be taken back. */
class Changed {
  count = 0;
  prices = new Float64Array(256);
  quantities = new Float64Array(256);
  before = new Float64Array(256);

  /** Empty, with room for so many. */
  reset(count: number): void {
    this.count = 0;
    if (count <= this.prices.length) return;
    this.prices = new Float64Array(2 * count);
    this.quantities = new Float64Array(2 * count);
    this.before = new Float64Array(2 * count);
  }
}

export class LiveBook {
  readonly definition: BookDefinition;
  /** Read from the tables when it is first needed. */
  #state: BookState | undefined;
  #inTransaction = false;
  readonly #bids = new Levels();
  readonly #asks = new Levels();
  readonly #changed = [new Changed(), new Changed()] as const;
  readonly #writer = new LevelWriter();

  constructor(definition: BookDefinition) {
    this.definition = definition;
  }

  state(tables: BookTables): BookState {
    this.#state ??= readState(tables, this.definition);
    return this.#state;
  }

  /** Its rows were changed by somebody else: they are read when they are needed. */
  forget(): void {
    this.#state = undefined;
  }

  /**
   * Applies an update; the number of levels that it changed, undefined if all of it was in the book
   * before. Throws INVALID_ROW, BOOK_GAP and BOOK_CROSSED, after which the book is as it was, and
   * what a put throws, after which the transaction cannot be kept.
   */
  update(transaction: BookTransaction, update: BookUpdate): number | undefined {
    const state = this.#begin(transaction);
    const count = this.#apply(state, update);
    if (count === undefined) return undefined;
    this.#write(transaction, () => {
      this.#pack();
      const bytes = this.#writer.length;
      const enough = Math.max(CHANGE_BYTES_MIN, CHANGES_PER_IMAGE * state.imageBytes);
      if (state.slots >= SLOTS_MAX || state.changeBytes + bytes > enough) {
        this.#writeImage(transaction, state);
        return;
      }
      const { generation, lastId } = state;
      const levels = this.#writer.bytes;
      const key = [this.definition.name, state.slots] as const;
      transaction.put(bookChanges, key, { generation, lastId, levels });
      state.slots++;
      state.changeBytes += bytes;
    });
    return count;
  }

  /**
   * Puts a snapshot in the place of what is there, and applies the updates that came while it was
   * fetched. False if the book is as new as the snapshot; then nothing was written. Throws as
   * `update` does.
   */
  snapshot(
    transaction: BookTransaction,
    snapshot: BookSnapshot,
    updates: readonly BookUpdate[],
  ): boolean {
    const { definition } = this;
    const before = this.#begin(transaction);
    checkId(definition, "lastId", snapshot?.lastId);
    if (before.synced && snapshot.lastId <= before.lastId) return false;
    const { generation, pages } = before;
    const state = { ...emptyState(), generation, pages };
    this.#bids.read(snapshot.bids, "bids", definition);
    this.#asks.read(snapshot.asks, "asks", definition);
    fill(state.bids, this.#bids);
    fill(state.asks, this.#asks);
    Object.assign(state, { lastId: snapshot.lastId, synced: true, fresh: true });
    assertOrdered(state, definition);
    for (const update of updates) this.#apply(state, update);
    this.#write(transaction, () => this.#writeImage(transaction, state));
    this.#state = state;
    return true;
  }

  /** Empties it: the next thing that it takes is a snapshot, of whatever id. */
  clear(transaction: BookTransaction): void {
    const { generation, pages } = this.#begin(transaction);
    const state = { ...emptyState(), generation, pages };
    this.#write(transaction, () => this.#writeImage(transaction, state));
    this.#state = state;
  }

  #begin(transaction: BookTransaction): BookState {
    const state = this.state(transaction);
    if (!this.#inTransaction) {
      this.#inTransaction = true;
      transaction.onEnd((kept) => {
        this.#inTransaction = false;
        // What it was is in the tables.
        if (!kept) this.#state = undefined;
      });
    }
    return state;
  }

  #apply(state: BookState, update: BookUpdate): number | undefined {
    const { definition } = this;
    const { firstId, lastId, previousId, bids, asks } = update ?? {};
    checkId(definition, "firstId", firstId);
    checkId(definition, "lastId", lastId);
    if (definition.dialect !== "spot") checkId(definition, "previousId", previousId);
    this.#bids.read(bids, "bids", definition);
    this.#asks.read(asks, "asks", definition);
    if (!follows(state, update, definition)) return undefined;
    const [ofBids, ofAsks] = this.#changed;
    change(state.bids, this.#bids, ofBids);
    change(state.asks, this.#asks, ofAsks);
    try {
      assertOrdered(state, definition);
    } catch (error) {
      takeBack(state.bids, ofBids);
      takeBack(state.asks, ofAsks);
      throw error;
    }
    state.lastId = lastId;
    state.fresh = false;
    return ofBids.count + ofAsks.count;
  }

  /** The levels that were changed last. */
  #pack(): void {
    const writer = this.#writer;
    writer.reset();
    for (const { prices, quantities, count } of this.#changed) {
      writer.put(count);
      let before = 0;
      for (let i = 0; i < count; i++) {
        const price = prices[i] as number;
        writer.putSigned(price - before);
        writer.put(quantities[i] as number);
        before = price;
      }
    }
  }

  #write(transaction: BookTransaction, work: () => void): void {
    try {
      work();
    } catch (error) {
      transaction.breakOff(error);
      throw error;
    }
  }

  #writeImage(transaction: BookTransaction, state: BookState): void {
    const { definition } = this;
    const { name } = definition;
    const writer = this.#writer;
    writer.reset();
    writeSide(writer, state.bids);
    writeSide(writer, state.asks);
    const { bytes } = writer;
    const generation = state.generation + 1;
    const pages = Math.ceil(bytes.length / PAGE_BYTES);
    for (let page = 0; page < pages; page++) {
      const levels = bytes.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES);
      transaction.put(bookImages, [name, page], { generation, levels });
    }
    for (let page = pages; page < state.pages; page++) transaction.delete(bookImages, [name, page]);
    const { lastId, fresh, bids, asks } = state;
    transaction.put(bookStates, name, {
      definition: describeBook(definition),
      ...{ generation, lastId, fresh, pages, bids: bids.length, asks: asks.length },
    });
    Object.assign(state, { generation, pages, imageBytes: bytes.length, slots: 0, changeBytes: 0 });
  }
}

/** Levels of a snapshot, in any order. */
function fill(side: BookSide, { prices, quantities, count }: Levels): void {
  for (let i = 0; i < count; i++) side.set(prices[i] as number, quantities[i] as number);
}

/** What stays as it is, is none of the changes. */
function change(side: BookSide, levels: Levels, changed: Changed): void {
  const { prices, quantities, count } = levels;
  changed.reset(count);
  let at = 0;
  for (let i = 0; i < count; i++) {
    const price = prices[i] as number;
    const quantity = quantities[i] as number;
    const before = side.set(price, quantity);
    if (before === quantity) continue;
    changed.prices[at] = price;
    changed.quantities[at] = quantity;
    changed.before[at++] = before;
  }
  changed.count = at;
}

function takeBack(side: BookSide, { prices, before, count }: Changed): void {
  for (let i = count - 1; i >= 0; i--) side.set(prices[i] as number, before[i] as number);
}

/** Throws BOOK_CROSSED, and TOO_LARGE for more levels than a book has. */
function assertOrdered({ bids, asks }: BookState, { name }: BookDefinition): void {
  if (Math.max(bids.length, asks.length) > BOOK_LEVELS_MAX) {
    const message = `book "${name}": a side has at most ${BOOK_LEVELS_MAX} levels`;
    throw new HoldfastError("TOO_LARGE", message, { book: name });
  }
  const [bid, ask] = [bids.best, asks.best];
  if (bid === undefined || ask === undefined || bid < ask) return;
  throw new HoldfastError(
    "BOOK_CROSSED",
    `book "${name}" would be crossed: the best bid at ${bid} and the best ask at ${ask} units of ` +
      "the price; it needs another snapshot",
    { book: name },
  );
}
