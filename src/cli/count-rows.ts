/** Counts rows by merging the runs with what the log holds behind them, in bounded memory. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { fromHex } from "../base/bytes.js";
import { type HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Manifest } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { newRowPlace } from "../run/run-file.js";
import { RunSet } from "../run/run-set.js";
import { tableBound } from "../store/run-walk.js";
import type { StoreView } from "./read-store.js";
import { type TailRows, tableOf } from "./tail-rows.js";

/** Blocks are read once, in order; lookups for the log's keys want some to stay. */
const CACHE_BYTES = 16 * 1024 * 1024;

/** Rows between two turns of the event loop. */
const ROWS_PER_TURN = 20_000;

export interface RowCounts {
  /** By the id of the table. */
  readonly rows: ReadonlyMap<number, number>;
  /** What kept rows from being counted. */
  readonly problems: readonly HoldfastError[];
}

/** `onRows` is told how many rows have been counted. Changes nothing. */
export async function countRows(
  store: StoreView,
  tail: TailRows,
  onRows: (rows: number) => void,
): Promise<RowCounts> {
  const { manifest } = store;
  const counting = new Counting(onRows);
  let runs: RunSet | undefined;
  try {
    if (manifest !== undefined) runs = await openRuns(store, manifest);
  } catch (error) {
    counting.failed(error);
  }
  try {
    if (runs !== undefined) {
      await counting.addRuns(
        runs,
        (manifest?.tables ?? []).map(({ id }) => id),
      );
    }
    counting.addTail(tail, runs);
  } finally {
    await runs?.release();
  }
  return counting;
}

function openRuns({ disk, directory }: StoreView, manifest: Manifest): Promise<RunSet> {
  const { state, files } = manifest;
  const storeId = fromHex(manifest.storeId) as Uint8Array;
  const cache = new BlockCache(CACHE_BYTES);
  return RunSet.open({ disk, directory, storeId, runs: state.runs, files, cache });
}

class Counting implements RowCounts {
  readonly rows = new Map<number, number>();
  readonly problems: HoldfastError[] = [];
  readonly #onRows: (rows: number) => void;
  #counted = 0;

  constructor(onRows: (rows: number) => void) {
    this.#onRows = onRows;
  }

  failed(error: unknown): void {
    if (!isHoldfastError(error)) throw error;
    const { file, offset } = error.data;
    const isKnown = this.problems.some(({ data }) => data.file === file && data.offset === offset);
    if (!isKnown) this.problems.push(error);
  }

  /** Table by table: damage in one of them leaves the others. */
  async addRuns(runs: RunSet, tables: readonly number[]): Promise<void> {
    for (const table of tables) {
      if (!runs.mayHoldTable(table)) continue;
      try {
        await this.#addTable(runs, table);
      } catch (error) {
        this.failed(error);
      }
    }
  }

  async #addTable(runs: RunSet, table: number): Promise<void> {
    const bounds = { lower: tableBound(table), upper: tableBound(table + 1), upperExclusive: true };
    const cursor = runs.cursor({ ...bounds, keep: false });
    while (cursor.next()) {
      this.#add(table, 1);
      this.#counted++;
      if (this.#counted % ROWS_PER_TURN !== 0) continue;
      this.#onRows(this.#counted);
      await nextTurn();
    }
  }

  /** A key counts once, whether runs have it, the log behind them, or both. */
  addTail({ keys }: TailRows, runs: RunSet | undefined): void {
    const place = newRowPlace();
    for (const [text, isLive] of keys) {
      const key = Buffer.from(text, "latin1");
      try {
        const inRuns = runs?.get(key, key.length, place) === true && place.end >= 0;
        if (isLive !== inRuns) this.#add(tableOf(text), isLive ? 1 : -1);
      } catch (error) {
        this.failed(error);
      }
    }
  }

  #add(table: number, by: number): void {
    this.rows.set(table, (this.rows.get(table) ?? 0) + by);
  }
}
