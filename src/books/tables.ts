/**
 * The tables that books are kept in, all books of a store in the same three. Rows of tables are
 * what log, runs, views, history, forks and verification know: books need nothing of their own.
 */
import { boolean, bytes, defineTable, integer, string } from "../codec/schema.js";

/** One row a book, written with each image of it. */
export const bookStates = defineTable({
  name: "books.states",
  version: 1,
  tier: "important",
  key: string(),
  fields: {
    /** See `describeBook`. */
    definition: string(),
    /** Of the image, and of the changes since: those of another generation are left over. */
    generation: integer(),
    /** Of the last update in the image, or of the snapshot; 0 in a book that has had none. */
    lastId: integer(),
    /** The image is a snapshot that no update has followed yet. */
    fresh: boolean(),
    pages: integer(),
    bids: integer(),
    asks: integer(),
  },
});

/** The levels of a book at some update, in pieces. */
export const bookImages = defineTable({
  name: "books.images",
  version: 1,
  tier: "important",
  key: [string(), integer()],
  fields: { generation: integer(), levels: bytes() },
});

/** An update each, in a slot that the next generation uses again: a new image deletes nothing. */
export const bookChanges = defineTable({
  name: "books.changes",
  version: 1,
  tier: "important",
  key: [string(), integer()],
  fields: { generation: integer(), lastId: integer(), levels: bytes() },
});

export const BOOK_TABLES = [bookStates, bookImages, bookChanges] as const;
