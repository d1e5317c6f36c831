/** A writer on a queue whose completions the test decides about. */
import { portableChecksum } from "../../src/disk/checksum.js";
import type { CommitQueue, LogFile, Scheduler } from "../../src/disk/disk.js";
import type { HoldfastError } from "../../src/index.js";
import { FRAME_AT } from "../../src/log/format.js";
import { LogWriter, type OpenSegment } from "../../src/log/writer.js";

export interface Submitted {
  readonly path: string;
  readonly slot: number;
  readonly length: number;
  readonly offset: number;
  readonly recordCount: number;
  readonly durableThrough: number;
}

export interface WriterSetting {
  readonly framesInFlight?: number;
  readonly segmentBytes?: number;
  readonly spares?: number;
  readonly frameBytesMax?: number;
}

/** Everything around a `LogWriter`, by hand: the queue, time, and segments. */
export class HandWriter {
  readonly submitted: Submitted[] = [];
  readonly inFlight: number[] = [];
  readonly rotated: number[] = [];
  readonly warnings: string[] = [];
  readonly writer: LogWriter;
  /** What happens to the next synchronous write, and to the next one that is waited for. */
  syncFailure: Error | undefined;
  /** The queue does not even take a write. */
  submitFailure: Error | undefined;
  segmentFailure: HoldfastError | undefined;
  spares: number;
  retries = 0;
  micros = 0;
  readonly #turns: (() => void)[] = [];
  readonly #timers: { due: number; callback: () => void }[] = [];
  readonly #segmentBytes: number;

  constructor(setting: WriterSetting = {}) {
    const { framesInFlight = 4, segmentBytes = 65536, frameBytesMax = 8192 } = setting;
    this.spares = setting.spares ?? 0;
    this.#segmentBytes = segmentBytes;
    const slots = Array.from({ length: framesInFlight + 1 }, () => new Uint8Array(frameBytesMax));
    let nextId = 2;
    this.writer = new LogWriter(
      {
        queue: this.#queue(slots),
        checksum: portableChecksum,
        clock: { nowMicros: () => 1e15 + this.micros, monotonicMicros: () => this.micros },
        scheduler: this.#scheduler(),
        storeId: new Uint8Array(16),
        epoch: 1,
        alignment: 4096,
        frameBytesMax,
        framesInFlight,
        flushDelayMicros: 5000,
        sealDelayMicros: 5000,
        start: {
          segment: this.#segment(1),
          offset: 4096,
          nextSequence: 1,
          previousChecksum: 0,
        },
        segments: this.#source(() => this.#segment(nextId++)),
        onRotate: (id) => void this.rotated.push(id),
        onDurable: () => {},
        onPoison: (error) => void this.warnings.push(error.code),
        onSlowWrite: () => void this.warnings.push("SLOW"),
      },
      0,
    );
  }

  /** One transaction of some bytes. */
  commit(bytes = 100): number {
    this.writer.beginRecord();
    while (this.writer.frame.position + bytes > this.writer.frame.end) this.writer.growRecord();
    this.writer.frame.position += bytes;
    this.writer.frame.operationCount = 1;
    return this.writer.commitRecord();
  }

  /** The same, and its promise. */
  put(bytes?: number): Promise<void> {
    this.commit(bytes);
    this.writer.flushSoon();
    return this.writer.fillingPromise;
  }

  endTurn(): void {
    for (const turn of this.#turns.splice(0)) turn();
  }

  pass(micros: number): void {
    const until = this.micros + micros;
    for (;;) {
      this.#timers.sort((a, b) => a.due - b.due);
      const next = this.#timers[0];
      if (next === undefined || next.due > until) break;
      this.#timers.shift();
      this.micros = next.due;
      next.callback();
    }
    this.micros = until;
  }

  /** The write of that slot has ended. */
  complete(slot: number, error?: Error): void {
    this.inFlight.splice(this.inFlight.indexOf(slot), 1);
    this.writer.completed(slot, error);
  }

  #queue(slots: readonly Uint8Array[]): CommitQueue {
    const note = (log: LogFile, slot: number, length: number, offset: number): void => {
      const bytes = slots[slot] as Uint8Array;
      const view = new DataView(bytes.buffer);
      const recordCount = view.getUint32(FRAME_AT.recordCount, true);
      const durableThrough = view.getUint32(FRAME_AT.durableThrough, true);
      this.submitted.push({ path: log.path, slot, length, offset, recordCount, durableThrough });
    };
    const { inFlight } = this;
    return {
      slotCount: slots.length,
      slot: (index) => slots[index] as Uint8Array,
      openLog: () => Promise.reject(new Error("not here")),
      submit: (log, slot, length, offset) => {
        if (this.submitFailure !== undefined) throw this.submitFailure;
        note(log, slot, length, offset);
        inFlight.push(slot);
      },
      writeNow: (log, slot, length, offset) => {
        note(log, slot, length, offset);
        if (this.syncFailure !== undefined) throw this.syncFailure;
      },
      wait: () => {
        const slot = inFlight[0];
        if (slot === undefined) throw new Error("waits for ever");
        this.complete(slot, this.syncFailure);
      },
      get inFlight() {
        return inFlight.length;
      },
      close: () => Promise.resolve(),
    };
  }

  #scheduler(): Scheduler {
    return {
      endOfTurn: (callback) => void this.#turns.push(callback),
      after: (millis, callback) => {
        const timer = { due: this.micros + millis * 1000, callback };
        this.#timers.push(timer);
        return {
          cancel: () => {
            const at = this.#timers.indexOf(timer);
            if (at >= 0) this.#timers.splice(at, 1);
          },
        };
      },
    };
  }

  #source(make: () => OpenSegment) {
    const failure = (): HoldfastError | undefined => this.segmentFailure;
    const ready = (): boolean => this.spares > 0;
    return {
      get ready() {
        return ready();
      },
      take: () => (this.spares-- > 0 ? make() : undefined),
      get failure() {
        return failure();
      },
      retry: () => {
        this.retries++;
      },
    };
  }

  #segment(id: number): OpenSegment {
    const log: LogFile = { path: `${id}.log`, method: "direct-dsync", close: async () => {} };
    return { id, bytes: this.#segmentBytes, log };
  }
}

/** What has become of a promise so far, once all continuations have run. */
export async function stateOf(promise: Promise<unknown>): Promise<string> {
  let state = "pending";
  promise.then(
    () => {
      state = "resolved";
    },
    (error: { code?: string }) => {
      state = error.code ?? String(error);
    },
  );
  await new Promise((resolve) => setImmediate(resolve));
  return state;
}
