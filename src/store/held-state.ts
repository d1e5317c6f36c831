/** A whole state that nobody writes, held open: tables, and the runs they are read from. */
import type { BookDefinition } from "../books/definition.js";
import type { ReadBook } from "../books/reader.js";
import type { TableDefinition } from "../codec/schema.js";
import type { RunSet } from "../run/run-set.js";
import type { SeriesDefinition } from "../series/definition.js";
import type { ReadSeries } from "../series/reader.js";
import type { ChunkSource, ReadBlobs } from "./blob-reads.js";
import type { Catalog } from "./catalog.js";
import type { ReadTable } from "./table.js";
import { StoreView } from "./view.js";

export class HeldState {
  readonly #view: StoreView;
  readonly #runs: RunSet;
  readonly #chunks: ChunkSource | undefined;
  #closing: Promise<void> | undefined;

  constructor(catalog: Catalog, sequence: number, runs: RunSet) {
    this.#view = new StoreView(catalog, sequence, () => {});
    this.#runs = runs;
    this.#chunks = catalog.layers.chunks;
  }

  get sequence(): number {
    return this.#view.sequence;
  }

  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R> {
    return this.#view.table(definition);
  }

  series<V, I>(definition: SeriesDefinition<V, I>): ReadSeries<V> {
    return this.#view.series(definition);
  }

  get blobs(): ReadBlobs {
    return this.#view.blobs;
  }

  book(definition: BookDefinition): ReadBook {
    return this.#view.book(definition);
  }

  close(): Promise<void> {
    this.#view.release();
    this.#closing ??= Promise.all([this.#runs.release(), this.#chunks?.close()]).then(() => {});
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
