/** Appends: late rows, the open chunk, sealing, forgetting; all in the caller's transaction. */
import { HoldfastError } from "../base/errors.js";
import type { TablesToWrite } from "../codec/table-rows.js";
import type { Compressor } from "../disk/disk.js";
import { chunkRowsOf, deleteChunk, writeChunk } from "./chunk.js";
import { type ColumnSet, rowAt } from "./column-set.js";
import type { AnySeries } from "./definition.js";
import { insertSealed } from "./late.js";
import { packRows } from "./packed-rows.js";
import { newestTime, type SealedState, type SeriesState, withRows } from "./state.js";
import { describeSeries } from "./stored-definition.js";
import { type ChunkEntry, chunkOf, chunksOf, seriesStates, seriesTail } from "./tables.js";

/** Of one slot of the tail: a row of a table is at most 1 MiB. */
const BATCH_BYTES_MAX = 256 * 1024;

/** Chunks that one append forgets at most: its transaction has to stay small. */
const FORGET_MAX = 1_000;

export class Appender {
  readonly #definition: AnySeries;
  readonly #compressor: Compressor;
  readonly #description: string;
  readonly #chunkRows: number;

  constructor(definition: AnySeries, compressor: Compressor) {
    this.#definition = definition;
    this.#compressor = compressor;
    this.#description = describeSeries(definition);
    this.#chunkRows = chunkRowsOf(definition);
  }

  /**
   * Writes the rows, and says what the series is then and how many rows were taken. What `state`
   * says of the rows it has stays true, so that it can be gone back to. Throws LATE_ROW before
   * anything is written.
   */
  append(tables: TablesToWrite, state: SeriesState, rows: ColumnSet): [SeriesState, number] {
    const taken = this.#inOrder(state, rows);
    if (taken.length === 0) return [state, 0];
    const { lastTime } = state.sealed;
    // An open chunk begins where the sealed ones end: what is before that goes into them.
    const late = lastTime === null ? 0 : rowAt(taken.time, 0, taken.length, lastTime);
    let next = state;
    if (late > 0) {
      const between = taken.part(0, late);
      next = { ...state, sealed: insertSealed(tables, this.#place, state.sealed, between) };
    }
    next = this.#addOpen(tables, next, late === 0 ? taken : taken.part(late, taken.length));
    if (next.sealed !== state.sealed) next = this.#forget(tables, next);
    return [this.#keep(tables, state.sealed, next), taken.length];
  }

  get #place() {
    return {
      definition: this.#definition,
      compressor: this.#compressor,
      chunkRows: this.#chunkRows,
    };
  }
  /** The rows that are taken, sorted by time. */
  #inOrder(state: SeriesState, rows: ColumnSet): ColumnSet {
    const newest = newestTime(state);
    const { time, length } = rows;
    let at = 0;
    for (let last = newest; at < length && (time[at] as number) >= last; at++) {
      last = time[at] as number;
    }
    if (at === length) return rows;
    if (this.#definition.late === "insert") return rows.pick(sortedByTime(rows));
    if (this.#definition.late === "reject") throw this.#late(rows, at, newest);
    const kept: number[] = [];
    for (let i = 0, last = newest; i < length; i++) {
      if ((time[i] as number) < last) continue;
      last = time[i] as number;
      kept.push(i);
    }
    return rows.pick(kept);
  }

  #late(rows: ColumnSet, at: number, newest: number): HoldfastError {
    const { name } = this.#definition;
    const before = at === 0 ? newest : Math.max(newest, rows.time[at - 1] as number);
    const which = rows.length === 1 ? "the row" : `row ${at} of the batch`;
    return new HoldfastError(
      "LATE_ROW",
      `series "${name}": ${which} has time ${rows.time[at]}, and one before it ${before}`,
      { series: name },
    );
  }

  /** Rows that belong behind all sealed ones: into the tail, or with what is there into chunks. */
  #addOpen(tables: TablesToWrite, state: SeriesState, batch: ColumnSet): SeriesState {
    const { open, slots, sealed } = state;
    const size = this.#chunkRows;
    if (open.length + batch.length < size) {
      const written = this.#writeTail(tables, sealed.generation, slots, batch);
      return { sealed, open: withRows(open, batch), slots: slots + written };
    }
    // `open` may be gone back to: what is sealed is another one.
    const all = open.length === 0 ? batch : open.merge(batch);
    const whole = all.length - (all.length % size);
    const next = this.#seal(tables, sealed, all, whole);
    const rest = all.part(whole, all.length);
    return { sealed: next, open: rest, slots: this.#writeTail(tables, next.generation, 0, rest) };
  }

  /** Returns how many slots it took. */
  #writeTail(tables: TablesToWrite, generation: number, slot: number, batch: ColumnSet): number {
    const { name } = this.#definition;
    const columns = batch.kinds.length;
    let at = slot;
    const write = (from: number, to: number): void => {
      if (from === to) return;
      const bytes = packRows(batch, from, to);
      if (bytes.length > BATCH_BYTES_MAX && to - from > 1) {
        const middle = (from + to) >>> 1;
        write(from, middle);
        write(middle, to);
        return;
      }
      tables.put(seriesTail, [name, at], { generation, rows: to - from, columns, batch: bytes });
      at++;
    };
    write(0, batch.length);
    return at - slot;
  }

  /** Rows [0, whole) become chunks. */
  #seal(tables: TablesToWrite, sealed: SealedState, all: ColumnSet, whole: number): SealedState {
    const { name } = this.#definition;
    let { rows, bytes } = sealed;
    let before = chunkOf(tables, name, { reverse: true });
    for (let from = 0; from < whole; from += this.#chunkRows) {
      const first = all.time[from] as number;
      const number = before?.key[1] === first ? before.key[2] + 1 : 0;
      const to = from + this.#chunkRows;
      before = writeChunk(tables, [name, first, number], all, from, to, this.#compressor);
      rows += before.rows;
      bytes += before.bytes;
    }
    const lastTime = all.time[whole - 1] as number;
    return { ...sealed, generation: sealed.generation + 1, rows, bytes, lastTime };
  }

  /** The oldest chunks of which no row is to be kept. */
  #forget(tables: TablesToWrite, state: SeriesState): SeriesState {
    const { name, capacity } = this.#definition;
    const { rows: rowsMax = Infinity, bytes: bytesMax = Infinity, ageMicros = Infinity } = capacity;
    let { rows, bytes } = state.sealed;
    const oldest = newestTime(state) - ageMicros;
    const doomed: ChunkEntry[] = [];
    for (const chunk of chunksOf(tables, name, { limit: FORGET_MAX })) {
      const tooMany = rows + state.open.length - chunk.rows >= rowsMax;
      // The newest chunk stays, however large it is for the bound.
      const fits = bytes <= bytesMax || chunk.rows === rows;
      if (!tooMany && fits && chunk.last >= oldest) break;
      doomed.push(chunk);
      rows -= chunk.rows;
      bytes -= chunk.bytes;
    }
    for (const { key } of doomed) deleteChunk(tables, key);
    return { ...state, sealed: { ...state.sealed, rows, bytes } };
  }

  /** Puts the row of the series' state, where something in it is new. */
  #keep(tables: TablesToWrite, before: SealedState, next: SeriesState): SeriesState {
    if (next.sealed === before && before.definition === this.#description) return next;
    const sealed = { ...next.sealed, definition: this.#description };
    tables.put(seriesStates, this.#definition.name, sealed);
    return { ...next, sealed };
  }
}

/** Numbers of the rows in the order of their times; those of the same time in theirs. */
function sortedByTime({ time, length }: ColumnSet): Uint32Array {
  const rows = new Uint32Array(length).map((_, i) => i);
  return rows.sort((a, b) => (time[a] as number) - (time[b] as number) || a - b);
}
