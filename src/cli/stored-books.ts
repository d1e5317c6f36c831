/** The books of a store, by what is stored with them: no program that made them is needed. */
import { HoldfastError } from "../base/errors.js";
import { type BookDefinition, parseBook } from "../books/definition.js";
import { BookReader, type ReadBook } from "../books/reader.js";
import { readState } from "../books/state.js";
import { BOOK_TABLES, bookStates } from "../books/tables.js";
import { chooseDisk } from "../disk/choose.js";
import type { AnyTable } from "../store/past-state.js";
import { openStoredState } from "../store/stored-state.js";
import type { ReadTable } from "../store/table.js";
import { openPastOf, pointOf } from "./history-text.js";

export interface StoredBook {
  readonly definition: BookDefinition;
  readonly book: ReadBook;
}

interface State {
  readonly tables: readonly AnyTable[];
  table(definition: AnyTable): ReadTable<unknown, unknown>;
}

/** Uses the books of a store: as they are, or as they were at a sequence, a time or a snapshot. */
export async function withBooks<T>(
  directory: string,
  point: string | undefined,
  use: (books: readonly StoredBook[]) => Promise<T>,
): Promise<T> {
  if (point === undefined) {
    const state = await openStoredState(
      chooseDisk("auto", () => {}),
      directory,
    );
    const tables = [...state.tables.values()];
    try {
      return await use(booksIn({ tables, table: (definition) => state.table(definition) }));
    } finally {
      await state.close();
    }
  }
  const history = await openPastOf(directory);
  const state = await history.at(pointOf(point));
  try {
    return await use(booksIn(state as State));
  } finally {
    await state.close();
    history.close();
  }
}

function booksIn(state: State): StoredBook[] {
  const handles = new Map<string, ReadTable<unknown, unknown>>();
  for (const { name } of BOOK_TABLES) {
    const definition = state.tables.find((table) => table.name === name);
    // A store that has never had a book.
    if (definition === undefined) return [];
    handles.set(name, state.table(definition));
  }
  const handleOf = ({ name }: { readonly name: string }) =>
    handles.get(name) as ReadTable<unknown, unknown>;
  const states = handleOf(bookStates).entries() as IterableIterator<
    readonly [string, { readonly definition: string }]
  >;
  return [...states].map(([name, { definition: text }]) => {
    const definition = parseBook(name, text);
    const found = readState({ get: (table, key) => handleOf(table).get(key) as never }, definition);
    return { definition, book: new BookReader(definition, () => found) };
  });
}

/** Throws INVALID_ARGUMENT, naming those there are. */
export function bookNamed(all: readonly StoredBook[], name: string): StoredBook {
  const found = all.find(({ definition }) => definition.name === name);
  if (found !== undefined) return found;
  const there = all.map(({ definition }) => `"${definition.name}"`).join(", ") || "none";
  throw new HoldfastError("INVALID_ARGUMENT", `the store has no book "${name}"; it has ${there}`);
}
