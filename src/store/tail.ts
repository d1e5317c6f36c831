/** How much the log holds that no run has: what the next opening would have to read back. */

import { TYPICAL_FOOTPRINT } from "../codec/footprint.js";
import type { LogEnd } from "../log/pipeline.js";
import type { LogWriter } from "../log/writer.js";
import { sizeOfRow } from "../memtable/entry.js";
import type { HostTail } from "../snapshot/host.js";

/** What had been written when a sequence was the last one. */
interface Sample {
  readonly sequence: number;
  readonly operations: number;
  readonly bytes: number;
  readonly logicalBytes: number;
}

/** Samples that wait for a run to reach them. */
const SAMPLES_MAX = 64;

export class Tail implements HostTail {
  readonly #writer: LogWriter;
  #start: Sample;
  #samples: Sample[] = [];
  /** Operations from one sample to the next, at least. */
  #step = 1;

  /** `replayed` is what the opening read back. */
  constructor(
    writer: LogWriter,
    replayed: { readonly operations: number; readonly bytes: number },
  ) {
    this.#writer = writer;
    const { operations, bytes } = replayed;
    const written = writer.written;
    this.#start = {
      sequence: 0,
      operations: written.operations - operations,
      bytes: written.bytes - bytes,
      logicalBytes: written.logicalBytes - bytes,
    };
  }

  get lastSequence(): number {
    return this.#writer.lastSequence;
  }

  get durableSequence(): number {
    return this.#writer.durableSequence;
  }

  get durableEnd(): LogEnd {
    return this.#writer.durableEnd;
  }

  get operations(): number {
    return this.#writer.written.operations - this.#start.operations;
  }

  get bytes(): number {
    return this.#writer.written.bytes - this.#start.bytes;
  }

  /** Never less than they take, but for keys that are written again and again. */
  get memoryBytes(): number {
    const { operations } = this;
    if (operations <= 0) return 0;
    const rowBytes = (this.#writer.written.logicalBytes - this.#start.logicalBytes) / operations;
    return operations * sizeOfRow(TYPICAL_FOOTPRINT, Math.max(0, rowBytes));
  }

  /** Remembers how far things have come, now and then: runs may soon reach here. */
  sample(): void {
    const { operations, bytes, logicalBytes } = this.#writer.written;
    const last = this.#samples.at(-1) ?? this.#start;
    if (operations < last.operations + this.#step) return;
    const sequence = this.#writer.durableSequence;
    this.#samples.push({ sequence, operations, bytes, logicalBytes });
    if (this.#samples.length <= SAMPLES_MAX) return;
    // Every other one will do, and they come half as often.
    this.#samples = this.#samples.filter((_, i) => i % 2 === 1);
    this.#step *= 2;
  }

  /** Everything up to that sequence is in runs. */
  advance(runsThrough: number): void {
    for (const sample of this.#samples) {
      if (sample.sequence <= runsThrough) this.#start = sample;
    }
    this.#samples = this.#samples.filter((sample) => sample.sequence > runsThrough);
    if (this.#samples.length < SAMPLES_MAX / 4) this.#step = 1;
    if (runsThrough >= this.lastSequence) this.#start = { sequence: 0, ...this.#writer.written };
  }
}
