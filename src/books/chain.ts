/**
 * How updates follow one another, by Binance's rules for a local order book. Behind a snapshot the
 * updates that end before it are passed over, and the first one that counts must reach over its
 * id; from then on none may be missing.
 */
import { HoldfastError } from "../base/errors.js";
import type { BookDefinition } from "./definition.js";
import type { BookUpdate } from "./input.js";
import type { BookState } from "./state.js";

/** True if it is to be applied; false if all of it is in the book. Throws BOOK_GAP. */
export function follows(state: BookState, update: BookUpdate, book: BookDefinition): boolean {
  const { lastId, fresh, synced } = state;
  if (!synced) throw gap(state, update, book, "there has been no snapshot");
  const isSpot = book.dialect === "spot";
  if (fresh) {
    // A futures snapshot may have been taken in the middle of an update.
    if (isSpot ? update.lastId <= lastId : update.lastId < lastId) return false;
    const isNext = isSpot ? update.firstId <= lastId + 1 : update.firstId <= lastId;
    if (isNext || (!isSpot && update.previousId === lastId)) return true;
    throw gap(state, update, book, "updates behind the snapshot are missing");
  }
  if (update.lastId <= lastId) return false;
  if (isSpot ? update.firstId === lastId + 1 : update.previousId === lastId) return true;
  throw gap(state, update, book, "updates are missing");
}

function gap(
  { lastId }: BookState,
  update: BookUpdate,
  { name, dialect }: BookDefinition,
  why: string,
): HoldfastError {
  const from = dialect === "spot" ? `from ${update.firstId}` : `behind ${update.previousId}`;
  return new HoldfastError(
    "BOOK_GAP",
    `book "${name}" is at update ${lastId}, and this one is ${from} to ${update.lastId}: ${why}; ` +
      "it needs another snapshot",
    { book: name },
  );
}
