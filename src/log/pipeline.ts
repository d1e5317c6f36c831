/**
 * The frames on their way to disk. They complete in any order and are acknowledged in theirs: a
 * sequence is durable only when its frame and every frame before it are.
 */
import { assert } from "../base/assert.js";
import type { PendingFrame } from "./pending-frame.js";

/** A place in the log. */
export interface LogEnd {
  readonly segmentId: number;
  readonly bytes: number;
}

export class Pipeline {
  readonly #frames: PendingFrame[] = [];
  #durableSequence: number;
  #durableEnd: LogEnd;

  constructor(durableSequence: number, durableEnd: LogEnd) {
    this.#durableSequence = durableSequence;
    this.#durableEnd = durableEnd;
  }

  get length(): number {
    return this.#frames.length;
  }

  get durableSequence(): number {
    return this.#durableSequence;
  }

  get durableEnd(): LogEnd {
    return this.#durableEnd;
  }

  get newest(): PendingFrame | undefined {
    return this.#frames.at(-1);
  }

  /** The oldest frame is durable and waits for nothing else. */
  get canAcknowledge(): boolean {
    const oldest = this.#frames[0];
    return oldest?.completed === true && oldest.error === undefined;
  }

  /** What is durable without a gap, acknowledged or not: the most that can be proven. */
  get knownDurable(): number {
    let sequence = this.#durableSequence;
    for (const frame of this.#frames) {
      if (!frame.completed || frame.error !== undefined) break;
      sequence = frame.lastSequence;
    }
    return sequence;
  }

  /** Everything submitted is durable, acknowledged or not. */
  get allCompleted(): boolean {
    return this.#frames.every((frame) => frame.completed && frame.error === undefined);
  }

  get oldestCompleted(): boolean {
    return this.#frames[0]?.completed === true;
  }

  add(frame: PendingFrame): void {
    assert(frame.firstSequence > (this.newest?.lastSequence ?? 0), "frames are submitted in order");
    this.#frames.push(frame);
  }

  /** The write from that slot has ended, well or not. */
  complete(slot: number, error: Error | undefined): PendingFrame {
    const frame = this.#frames.find((candidate) => candidate.slot === slot);
    assert(frame !== undefined && !frame.completed, "a slot completes once");
    frame.completed = true;
    frame.error = error;
    return frame;
  }

  /** Acknowledges the oldest frame, if it can be. */
  acknowledge(): PendingFrame | undefined {
    if (!this.canAcknowledge) return undefined;
    const frame = this.#frames.shift() as PendingFrame;
    assert(frame.lastSequence >= this.#durableSequence, "acknowledged in order");
    this.#durableSequence = frame.lastSequence;
    this.#durableEnd = { segmentId: frame.segmentId, bytes: frame.endOffset };
    frame.acknowledge();
    return frame;
  }

  /** The frame that will make that sequence durable. */
  frameOf(sequence: number): PendingFrame | undefined {
    return this.#frames.find((frame) => frame.lastSequence >= sequence);
  }

  /** That frame and all behind it; all there are without one. */
  from(frame?: PendingFrame): PendingFrame[] {
    return this.#frames.slice(frame === undefined ? 0 : this.#frames.indexOf(frame));
  }
}
