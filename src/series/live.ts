/** A series of the open store: its state is kept in memory, beside the tables that it stands in. */
import { isHoldfastError } from "../base/errors.js";
import type { TablesToRead, TablesToWrite } from "../codec/table-rows.js";
import type { Compressor } from "../disk/disk.js";
import { Appender } from "./append.js";
import type { AnySeries } from "./definition.js";
import { columnsOf } from "./input.js";
import { readState, type SeriesState } from "./state.js";
import type { SeriesSource } from "./window.js";

/** A transaction that tells how it ended, and can be told that it cannot be whole. */
export interface EndingTransaction extends TablesToWrite {
  /** Called once, when it has ended: false if it was taken back. */
  onEnd(ended: (kept: boolean) => void): void;
  /** It must not be kept, whoever catches the error. */
  breakOff(error: unknown): void;
}

export class LiveSeries {
  readonly definition: AnySeries;
  readonly #compressor: Compressor;
  readonly #appender: Appender;
  /** Read from the tables when it is first needed. */
  #state: SeriesState | undefined;
  #inTransaction = false;

  constructor(definition: AnySeries, compressor: Compressor) {
    this.definition = definition;
    this.#compressor = compressor;
    this.#appender = new Appender(definition, compressor);
  }

  source(tables: TablesToRead): SeriesSource {
    const { definition } = this;
    return { definition, tables, state: this.#stateIn(tables), compressor: this.#compressor };
  }

  /**
   * Writes a row or a batch; how many rows were taken. Throws INVALID_ROW and LATE_ROW before
   * anything is written, and what a put throws, after which the transaction cannot be kept.
   */
  append(transaction: EndingTransaction, input: unknown): number {
    const rows = columnsOf(this.definition, input);
    const before = this.#stateIn(transaction);
    this.#rememberFor(transaction, before);
    try {
      const [state, taken] = this.#appender.append(transaction, before, rows);
      this.#state = state;
      return taken;
    } catch (error) {
      if (!isHoldfastError(error, "LATE_ROW")) transaction.breakOff(error);
      throw error;
    }
  }

  /** Its rows were changed by somebody else: they are read when they are needed. */
  forget(): void {
    this.#state = undefined;
  }

  #stateIn(tables: TablesToRead): SeriesState {
    this.#state ??= readState(tables, this.definition);
    return this.#state;
  }

  /** Rows are only ever put behind those of the open chunk: its length is what it was. */
  #rememberFor(transaction: EndingTransaction, before: SeriesState): void {
    if (this.#inTransaction) return;
    this.#inTransaction = true;
    const { length } = before.open;
    transaction.onEnd((kept) => {
      this.#inTransaction = false;
      if (kept) return;
      before.open.length = length;
      this.#state = before;
    });
  }
}
