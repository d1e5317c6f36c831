/** The loop: lines of the tape into the engine, one transaction each, waiting where it must. */
import type { Store } from "../index.js";
import type { Engine } from "./engine.js";
import { type LatencyMicros, LatencyRecorder } from "./latency.js";
import type { TapeLine } from "./lines.js";
import type { Tape } from "./tape.js";

export interface RunOptions {
  /** Stop when so many events of the tape have been applied, over all runs. */
  readonly limit?: number | undefined;
  /** Stops between two events; what was done stays. */
  readonly signal?: AbortSignal | undefined;
  /**
   * Called with what was found on opening, and then whenever a transaction is known to be durable,
   * before anything that depends on it: `sequence` and all before it, and the tape up to `event`,
   * will be there after any crash.
   */
  readonly onAcknowledged?: ((sequence: number, event: number) => void) | undefined;
  /** Called every PROGRESS_EVENTS events. */
  readonly onProgress?: ((progress: RunProgress) => void) | undefined;
}

export interface RunProgress {
  readonly event: number;
  readonly startedAtEvent: number;
  /** Time since the run began. */
  readonly millis: number;
  /** Time on the tape, microseconds since 1970. */
  readonly tapeMicros: number;
}

/** What a run did. */
export interface RunFigures {
  /** Events applied before it, and after it, over all runs. */
  readonly startedAtEvent: number;
  readonly endedAtEvent: number;
  readonly transactions: number;
  /** Transactions that were awaited until durable, from the call to the resumption. */
  readonly durableLatency: LatencyMicros;
  readonly millis: number;
  /** The tape was read to its end. */
  readonly complete: boolean;
}

/** Events between two calls of `onProgress`. */
export const PROGRESS_EVENTS = 256;

/**
 * Applies the engine's tape from where it is to its end, the limit, or the signal; then waits until
 * all of it is durable.
 *
 * Every event is one transaction. One in which the engine acted is awaited until durable before the
 * next event is looked at; the others, which only say what the market did, are made durable in
 * passing, in the same order.
 *
 * @throws HoldfastError `BAD_TAPE`, or whatever the store throws. Everything before the event at
 *   fault is kept.
 */
export async function runTape(engine: Engine, options: RunOptions = {}): Promise<RunFigures> {
  const { store } = engine.trading;
  const run = new Run(engine, options);
  try {
    await run.toTheEnd();
  } finally {
    // Also after bad input: what came before it shall be kept. A store that fails says so here,
    // and that is the error that counts.
    await store.durable();
  }
  return run.figures();
}

class Run {
  readonly #store: Store;
  readonly #engine: Engine;
  readonly #tape: Tape;
  readonly #options: RunOptions;
  readonly #latency = new LatencyRecorder();
  readonly #startedAtEvent: number;
  readonly #began = performance.now();
  #ended = 0;
  #complete = false;

  constructor(engine: Engine, options: RunOptions) {
    this.#store = engine.trading.store;
    this.#engine = engine;
    this.#tape = engine.tape;
    this.#options = options;
    this.#startedAtEvent = engine.event;
  }

  async toTheEnd(): Promise<void> {
    const stopped = () => this.#isStopped();
    // What was found on opening is durable too: whoever listens can hold it against what it knew.
    this.#options.onAcknowledged?.(this.#store.durableSequence, this.#engine.event);
    if (!stopped()) {
      for await (const lines of this.#tape.batches(this.#engine.place)) {
        for (const line of lines) {
          if (stopped()) break;
          await this.#line(line);
        }
        if (stopped()) break;
      }
    }
    this.#complete = !stopped();
    await this.#store.durable();
    this.#ended = performance.now();
    this.#options.onAcknowledged?.(this.#store.durableSequence, this.#engine.event);
  }

  async #line(line: TapeLine): Promise<void> {
    const event = this.#tape.parse(line);
    if (event === undefined) return;
    const engine = this.#engine;
    const from = performance.now();
    if (await engine.apply(event, line)) {
      this.#latency.record(performance.now() - from);
      this.#options.onAcknowledged?.(this.#store.durableSequence, engine.event);
    }
    if (engine.event % PROGRESS_EVENTS === 0) this.#reportProgress(event.timeMicros);
  }

  figures(): RunFigures {
    const endedAtEvent = this.#engine.event;
    return {
      startedAtEvent: this.#startedAtEvent,
      endedAtEvent,
      transactions: endedAtEvent - this.#startedAtEvent,
      durableLatency: this.#latency.summary(),
      millis: this.#ended - this.#began,
      complete: this.#complete,
    };
  }

  #isStopped(): boolean {
    const { limit, signal } = this.#options;
    return signal?.aborted === true || (limit !== undefined && this.#engine.event >= limit);
  }

  #reportProgress(tapeMicros: number): void {
    this.#options.onProgress?.({
      event: this.#engine.event,
      startedAtEvent: this.#startedAtEvent,
      millis: performance.now() - this.#began,
      tapeMicros,
    });
  }
}
