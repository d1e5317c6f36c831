/** A book in memory, as its tables have it. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import type { BookDefinition } from "./definition.js";
import { LevelReader, readSide } from "./packed-levels.js";
import { BookSide } from "./side.js";
import { bookChanges, bookImages, bookStates } from "./tables.js";

/** Rows of one state: a transaction's, the newest, a view's or one of the past. */
export interface BookTables {
  get<K, R, I>(table: TableDefinition<K, R, I>, key: NoInfer<K>): R | undefined;
}

export interface BookState {
  readonly bids: BookSide;
  readonly asks: BookSide;
  /** The last update id in the book; 0 if it is empty. */
  lastId: number;
  /** A snapshot has come since the beginning, or since it was cleared. */
  synced: boolean;
  /** No update has followed the snapshot. */
  fresh: boolean;
  /** Of the image; 0: there is none. */
  generation: number;
  pages: number;
  imageBytes: number;
  /** Changes since the image, and their bytes. */
  slots: number;
  changeBytes: number;
}

export function emptyState(): BookState {
  return {
    ...{ bids: new BookSide(1), asks: new BookSide(-1), lastId: 0, synced: false, fresh: false },
    ...{ generation: 0, pages: 0, imageBytes: 0, slots: 0, changeBytes: 0 },
  };
}

/** Throws CORRUPT_LOG for rows that no book has written, and what reading rows does. */
export function readState(tables: BookTables, { name }: BookDefinition): BookState {
  const state = emptyState();
  const row = tables.get(bookStates, name);
  if (row === undefined) return state;
  const { generation, lastId, fresh, pages, bids, asks } = row;
  const parts: Uint8Array[] = [];
  for (let page = 0; page < pages; page++) {
    const image = tables.get(bookImages, [name, page]);
    if (image?.generation !== generation) throw corrupt(name, `page ${page} is not there`);
    parts.push(image.levels);
  }
  const bytes = Buffer.concat(parts);
  const reader = new LevelReader(bytes);
  const isWhole = readSide(reader, state.bids, bids) && readSide(reader, state.asks, asks);
  if (!isWhole || !reader.isAtEnd) throw corrupt(name, "its image is none");
  // A cleared book has no update id, and its image is empty.
  Object.assign(state, { generation, lastId, fresh, pages, synced: lastId > 0 || fresh });
  state.imageBytes = bytes.length;
  for (;;) {
    const change = tables.get(bookChanges, [name, state.slots]);
    if (change?.generation !== generation) return state;
    if (!applyPacked(state, change.levels)) throw corrupt(name, `change ${state.slots} is none`);
    state.slots++;
    state.changeBytes += change.levels.length;
    state.lastId = change.lastId;
    state.fresh = false;
  }
}

/** Levels of an update: of each side their number, then price and quantity of each. */
function applyPacked(state: BookState, bytes: Uint8Array): boolean {
  const reader = new LevelReader(bytes);
  for (const side of [state.bids, state.asks]) {
    let price = 0;
    for (let left = reader.get(); left > 0; left--) {
      price += reader.getSigned();
      const quantity = reader.get();
      if (!Number.isSafeInteger(price) || !Number.isSafeInteger(quantity)) return false;
      side.set(price, quantity);
    }
  }
  return reader.isAtEnd;
}

function corrupt(book: string, what: string): HoldfastError {
  return new HoldfastError("CORRUPT_LOG", `book "${book}" cannot be read: ${what}`, { book });
}
