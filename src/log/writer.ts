/**
 * The commit path: fills frames, keeps several in flight, and acknowledges them in order.
 *
 * Invariants:
 * - A sequence is acknowledged only when its frame and every frame before it are durable.
 * - Frames of one segment are durable before the first frame of the next is submitted. So a frame
 *   in a later segment proves everything in the earlier ones, and only the last segment can be
 * torn.
 * - After a failed write nothing more is written, ever: what is on disk is unknown.
 */
import { assert } from "../base/assert.js";
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Checksum, Clock, CommitQueue, LogFile, Scheduler, Timer } from "../disk/disk.js";
import { FRAME_AT, FRAME_HEADER_BYTES } from "./format.js";
import { FrameBuilder } from "./frame-builder.js";
import { IdleSeal } from "./idle-seal.js";
import { LatencyHistogram, type LatencySummary } from "./latency.js";
import { PendingFrame } from "./pending-frame.js";
import { type LogEnd, Pipeline } from "./pipeline.js";

/** A segment that is ready to be written: preallocated, its header durable, in the manifest. */
export interface OpenSegment {
  readonly id: number;
  readonly bytes: number;
  readonly log: LogFile;
}

/** Where the writer gets its next segment. */
export interface SegmentSource {
  /** `take` would give one. */
  readonly ready: boolean;
  /** The next segment, if it is ready; a new one is then prepared in the background. */
  take(): OpenSegment | undefined;
  /** Why there is no next segment and none is in sight, or undefined. */
  readonly failure: HoldfastError | undefined;
  /** Asks for another try, where the last one failed. */
  retry(): void;
}

export interface LogPosition {
  readonly segment: OpenSegment;
  /** Where the next frame goes. */
  readonly offset: number;
  readonly nextSequence: number;
  readonly previousChecksum: number;
}

export interface LogWriterOptions {
  readonly queue: CommitQueue;
  readonly checksum: Checksum;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly storeId: Uint8Array;
  readonly epoch: number;
  readonly alignment: number;
  readonly frameBytesMax: number;
  readonly framesInFlight: number;
  readonly flushDelayMicros: number;
  /** Idle time after which a seal frame proves the last frames; see docs/format.md. */
  readonly sealDelayMicros: number;
  readonly start: LogPosition;
  readonly segments: SegmentSource;
  /** A segment is full and durable; `bytes` of it are used. */
  readonly onRotate: (segmentId: number, lastSequence: number, bytes: number) => void;
  /** More has become durable, and whoever waited for it has been told. */
  readonly onDurable: () => void;
  /** The writer has stopped for good. */
  readonly onPoison: (error: HoldfastError) => void;
  /** A write took longer than SLOW_WRITE_MICROS. */
  readonly onSlowWrite: (micros: number) => void;
}

export interface LogStats {
  readonly frames: number;
  readonly sealFrames: number;
  readonly transactions: number;
  readonly operations: number;
  /** Bytes of the records. */
  readonly logicalBytes: number;
  /** Bytes of the frames: what was sent to the device. */
  readonly writtenBytes: number;
  /** Times a writer had to wait, on the event loop, for room in the pipeline. */
  readonly stalls: number;
  /** Times a segment grew because the caller never let the event loop prepare the next one. */
  readonly segmentsGrown: number;
  /** From submission to completion of a frame. */
  readonly latency: LatencySummary;
}

/** etcd warns at the same figure. */
export const SLOW_WRITE_MICROS = 1_000_000;

export class LogWriter {
  readonly frame = new FrameBuilder();
  /** Since the opening: of records, and of the frames they are in. */
  readonly written = { operations: 0, logicalBytes: 0, bytes: 0 };
  readonly #o: LogWriterOptions;
  readonly #views: DataView[] = [];
  readonly #freeSlots: number[] = [];
  readonly #pipeline: Pipeline;
  readonly #idleSeal: IdleSeal;
  /** The frame being filled, if it has a slot yet. */
  #filling: PendingFrame | undefined;

  #segment: OpenSegment;
  #offset: number;
  #previousChecksum: number;
  #lastSequence: number;
  /** Of the last transaction: none has a time before the one before it. */
  lastTimeMicros = 0;

  #flushScheduled = false;
  #flushWanted = false;
  #flushTimer: Timer | undefined;
  #sealedThrough: number;
  #poison: HoldfastError | undefined;
  #draining = false;

  #frames = 0;
  #sealFrames = 0;
  #transactions = 0;
  #stalls = 0;
  #segmentsGrown = 0;
  readonly #latency = new LatencyHistogram();

  constructor(options: LogWriterOptions, lastTimeMicros: number) {
    this.#o = options;
    const { slotCount } = options.queue;
    for (let slot = slotCount - 1; slot >= 0; slot--) this.#freeSlots.push(slot);
    assert(slotCount > options.framesInFlight, "one slot more than in flight");
    this.#segment = options.start.segment;
    this.#offset = options.start.offset;
    this.#previousChecksum = options.start.previousChecksum;
    this.#lastSequence = options.start.nextSequence - 1;
    this.#pipeline = new Pipeline(this.#lastSequence, {
      segmentId: this.#segment.id,
      bytes: this.#offset,
    });
    this.#idleSeal = new IdleSeal(
      options.scheduler,
      options.sealDelayMicros,
      () => this.#frames,
      () => this.#sealIfIdle(),
    );
    this.#sealedThrough = this.#lastSequence;
    this.lastTimeMicros = lastTimeMicros;
  }

  get lastSequence(): number {
    return this.#lastSequence;
  }

  get durableSequence(): number {
    return this.#pipeline.durableSequence;
  }

  /**
   * How far a reader may read while this writer goes on: everything before it is durable and will
   * never change.
   */
  get durableEnd(): LogEnd {
    return this.#pipeline.durableEnd;
  }

  get poison(): HoldfastError | undefined {
    return this.#poison;
  }

  stats(): LogStats {
    return {
      frames: this.#frames,
      sealFrames: this.#sealFrames,
      transactions: this.#transactions,
      operations: this.written.operations,
      logicalBytes: this.written.logicalBytes,
      writtenBytes: this.written.bytes,
      stalls: this.#stalls,
      segmentsGrown: this.#segmentsGrown,
      latency: this.#latency.summary(),
    };
  }

  // ---- building a record -----------------------------------------------------------------------

  /** Starts a record in `frame`. Throws POISONED. */
  beginRecord(): void {
    if (this.#poison !== undefined) throw this.#refusal();
    if (this.#filling !== undefined && !this.frame.hasRoomForRecord) this.#submitBlocking(false);
    if (this.#filling === undefined) this.#openFrame();
    this.frame.beginRecord();
  }

  /**
   * Called when the record being built does not fit: moves it to an empty frame. Throws TOO_LARGE
   * when it stands in an empty frame already, and DISK_FULL when the frame before it has no place.
   */
  growRecord(): void {
    const { frame } = this;
    if (frame.recordCount === 0) {
      throw new HoldfastError(
        "TOO_LARGE",
        `a transaction of more than ${this.#o.frameBytesMax} bytes does not fit a frame`,
      );
    }
    // The copy is needed: a small slot set could hand the same slot out again.
    const unfinished = frame.unfinishedRecord.slice();
    const operations = frame.operationCount;
    frame.abandonRecord();
    this.#submitBlocking(false);
    this.#openFrame();
    frame.adoptRecord(unfinished);
    frame.operationCount = operations;
  }

  abandonRecord(): void {
    this.frame.abandonRecord();
  }

  /**
   * Makes the record part of the log and gives it the next sequence. Throws DISK_FULL, before
   * anything has changed, when there is no place for it and none in sight.
   */
  commitRecord(): number {
    const { frame } = this;
    const filling = this.#filling as PendingFrame;
    const failure = this.#o.segments.failure;
    if (failure !== undefined && !this.#fits(frame.frameBytes(this.#o.alignment))) {
      this.#o.segments.retry();
      throw failure;
    }
    const now = this.#o.clock.nowMicros();
    if (now > this.lastTimeMicros) this.lastTimeMicros = now;
    this.written.logicalBytes += frame.recordBytes;
    const operations = frame.operationCount;
    frame.endRecord(this.lastTimeMicros);
    this.#transactions++;
    this.written.operations += operations;
    this.#lastSequence++;
    filling.lastSequence = this.#lastSequence;
    return this.#lastSequence;
  }

  // ---- asking for durability -------------------------------------------------------------------

  /** Submits the frame being filled at the end of this turn: all writes of a turn share it. */
  flushSoon(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#o.scheduler.endOfTurn(this.#flushTurn);
  }

  /** Submits the frame being filled within `flushDelayMicros`. */
  flushLater(): void {
    if (this.#flushTimer !== undefined || this.#flushScheduled) return;
    const millis = this.#o.flushDelayMicros / 1000;
    this.#flushTimer = this.#o.scheduler.after(millis, this.#flushTurn, true);
  }

  /** Resolves when the frame being filled, and all before it, are durable. */
  get fillingPromise(): Promise<void> {
    assert(this.#filling !== undefined, "there is a frame after a commit");
    return this.#filling.promise;
  }

  /** Resolves when that sequence is durable; rejects when that can no longer happen. */
  durable(sequence: number): Promise<void> {
    if (sequence <= this.durableSequence) return Promise.resolve();
    if (this.#poison !== undefined) return Promise.reject(this.#refusal());
    const submitted = this.#pipeline.frameOf(sequence);
    if (submitted !== undefined) return submitted.promise;
    this.flushSoon();
    return this.fillingPromise;
  }

  /** Returns when everything committed so far is durable. */
  flushSync(): void {
    if (this.#poison !== undefined) throw this.#refusal();
    const first = this.durableSequence + 1;
    while (this.durableSequence < this.#lastSequence) {
      this.#submitBlocking(true);
      this.#drainSync();
      const poison = this.#poison as HoldfastError | undefined;
      if (poison !== undefined) throw this.#unknown(first, this.#lastSequence, poison.cause);
    }
  }

  readonly #flushTurn = (): void => {
    this.#flushScheduled = false;
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    this.#flushWanted = true;
    this.#trySubmit();
  };

  /** The next segment has become ready, or there is room again. */
  resume(): void {
    if (this.#flushWanted) this.#trySubmit();
  }

  // ---- submitting ------------------------------------------------------------------------------

  #openFrame(): void {
    // The frame before may just have failed, and nobody would ever be told about this one.
    if (this.#poison !== undefined) throw this.#refusal();
    // Every slot is on its way to disk: wait rather than grow.
    if (this.#freeSlots.length === 0) this.#stalls++;
    while (this.#freeSlots.length === 0) {
      this.#drainSync();
      if (this.#poison !== undefined) throw this.#refusal();
    }
    const slot = this.#freeSlots.pop();
    assert(slot !== undefined, "a completed frame gives its slot back");
    const bytes = this.#o.queue.slot(slot);
    this.#views[slot] ??= viewOf(bytes);
    this.#filling = new PendingFrame(slot, this.#lastSequence + 1);
    this.frame.open(bytes, this.#views[slot], this.#o.frameBytesMax);
  }

  #fits(frameBytes: number): boolean {
    return this.#offset + frameBytes <= this.#segment.bytes;
  }

  /** Submits the frame being filled if it has records and the pipeline has room. */
  #trySubmit(): void {
    const filling = this.#filling;
    if (filling === undefined || this.frame.recordCount === 0) {
      this.#flushWanted = false;
      return;
    }
    if (this.#poison !== undefined || this.#pipeline.length >= this.#o.framesInFlight) return;
    if (!this.#fits(this.frame.frameBytes(this.#o.alignment)) && !this.#rotate()) return;
    this.#submit(filling);
  }

  #submit(filling: PendingFrame): void {
    const offset = this.#sealFrame(filling);
    this.#pipeline.add(filling);
    try {
      this.#o.queue.submit(this.#segment.log, filling.slot, filling.frameBytes, offset);
    } catch (error) {
      this.completed(filling.slot, error as Error);
    }
  }

  /** Closes the frame being filled and gives it its place; returns its offset. */
  #sealFrame(filling: PendingFrame): number {
    const offset = this.#offset;
    filling.frameBytes = this.frame.seal(this.#stamp(filling.firstSequence), this.#o.checksum);
    this.#previousChecksum = this.frame.view.getUint32(FRAME_AT.checksum, true);
    this.#offset += filling.frameBytes;
    filling.segmentId = this.#segment.id;
    filling.endOffset = this.#offset;
    this.#frames++;
    this.written.bytes += filling.frameBytes;
    filling.submittedMicros = this.#o.clock.monotonicMicros();
    this.#filling = undefined;
    this.#flushWanted = false;
    this.#idleSeal.arm();
    return offset;
  }

  #stamp(firstSequence: number) {
    return {
      storeId: this.#o.storeId,
      segmentId: this.#segment.id,
      epoch: this.#o.epoch,
      offset: this.#offset,
      alignment: this.#o.alignment,
      firstSequence,
      durableThrough: this.#pipeline.knownDurable,
      previousChecksum: this.#previousChecksum,
    };
  }

  /** Goes on in the next segment: a barrier, so that only the last segment can ever be torn. */
  #rotate(): boolean {
    if (!this.#pipeline.allCompleted) return false;
    const next = this.#o.segments.take();
    if (next === undefined) return false;
    const full = this.#segment;
    this.#segment = next;
    const usedBytes = this.#offset;
    this.#offset = this.#o.alignment;
    const lastSequence = this.#pipeline.newest?.lastSequence ?? this.durableSequence;
    this.#o.onRotate(full.id, lastSequence, usedBytes);
    // Everything in it is durable, so that a failure to close it can harm nothing.
    full.log.close().catch(() => {});
    return true;
  }

  /**
   * Submits the frame being filled, waiting for room in the pipeline if it must. Who waits for this
   * very frame anyway (`sync`) writes it on this thread when nothing else is under way.
   */
  #submitBlocking(sync: boolean): void {
    const filling = this.#filling;
    if (filling === undefined || this.frame.recordCount === 0) return;
    const frameBytes = this.frame.frameBytes(this.#o.alignment);
    while (this.#filling === filling) {
      if (this.#poison !== undefined) throw this.#refusal();
      const room = this.#fits(frameBytes) || this.#rotate();
      if (!room && this.#pipeline.length === 0) this.#growSegment(frameBytes);
      else if (!room || this.#pipeline.length >= this.#o.framesInFlight) {
        this.#stalls++;
        this.#drainSync();
      } else if (sync && this.#pipeline.length === 0) this.#writeNow(filling);
      else this.#submit(filling);
    }
  }

  /**
   * A caller that never yields to the event loop keeps the next segment from being prepared. The
   * current one then grows: slower (each write allocates), but as durable, since a synchronous
   * write makes the new size durable with it.
   */
  #growSegment(frameBytes: number): void {
    const { failure } = this.#o.segments;
    if (failure !== undefined) {
      this.#o.segments.retry();
      throw failure;
    }
    this.#segmentsGrown++;
    this.#segment = { ...this.#segment, bytes: this.#offset + frameBytes };
  }

  #writeNow(filling: PendingFrame): void {
    const offset = this.#sealFrame(filling);
    this.#pipeline.add(filling);
    let failure: Error | undefined;
    try {
      this.#o.queue.writeNow(this.#segment.log, filling.slot, filling.frameBytes, offset);
    } catch (error) {
      failure = error as Error;
    }
    this.completed(filling.slot, failure);
    this.#acknowledgeAll();
  }

  // ---- completing ------------------------------------------------------------------------------

  /** The queue's word that a write has ended; in any order. */
  completed(slot: number, error: Error | undefined): void {
    const frame = this.#pipeline.complete(slot, error);
    const micros = this.#o.clock.monotonicMicros() - frame.submittedMicros;
    this.#latency.record(micros);
    if (micros > SLOW_WRITE_MICROS) this.#o.onSlowWrite(micros);
    if (error !== undefined) this.#fail(frame, error);
  }

  /**
   * Acknowledges one frame, as a turn of its own: what its waiters do next goes into a frame of its
   * own, and the pipeline stays as full as it was. Returns true if the next one can follow.
   */
  deliver(): boolean {
    if (!this.#mayAcknowledge || !this.#acknowledgeOne()) return false;
    if (this.#flushWanted) this.#trySubmit();
    return this.#mayAcknowledge;
  }

  /**
   * At a rotation the frame being filled waits until every frame before it is durable. Whoever was
   * acknowledged meanwhile would write into that one frame, and many frames in flight would become
   * one, for good. So acknowledgements wait, too: a round trip, once for each segment.
   */
  get #mayAcknowledge(): boolean {
    if (!this.#pipeline.canAcknowledge) return false;
    const rotates =
      this.#flushWanted &&
      this.#poison === undefined &&
      this.#o.segments.ready &&
      !this.#fits(this.frame.frameBytes(this.#o.alignment));
    return !rotates || this.#pipeline.allCompleted;
  }

  #acknowledgeOne(): boolean {
    const frame = this.#pipeline.acknowledge();
    if (frame === undefined) return false;
    this.#freeSlots.push(frame.slot);
    this.#o.onDurable();
    return true;
  }

  #acknowledgeAll(): void {
    while (this.#acknowledgeOne());
  }

  /** Waits for the device, then acknowledges what can be. */
  #drainSync(): void {
    if (this.#pipeline.length === 0) return;
    if (!this.#pipeline.oldestCompleted) this.#o.queue.wait();
    this.#acknowledgeAll();
  }

  /** Stops for good for a reason outside the log; what is not acknowledged yet is refused. */
  halt(cause: Error): void {
    if (this.#poison !== undefined) return;
    this.#stopWith(`the store stopped: ${cause.message}`, cause, this.#pipeline.from());
  }

  #fail(frame: PendingFrame, cause: Error): void {
    this.#stopWith(
      `a write to the log failed: ${cause.message}`,
      cause,
      this.#pipeline.from(frame),
    );
  }

  #stopWith(why: string, cause: Error, lost: PendingFrame[]): void {
    const first = this.#poison === undefined;
    this.#poison ??= new HoldfastError(
      "POISONED",
      `${why}; reopen the store to recover`,
      { file: this.#segment.log.path, sequence: this.durableSequence + 1 },
      cause,
    );
    if (this.#filling !== undefined) lost.push(this.#filling);
    this.#refuse(lost, cause);
    if (first) {
      this.#cancelTimers();
      this.#o.onPoison(this.#poison);
    }
  }

  #refuse(lost: readonly PendingFrame[], cause: unknown): void {
    for (const one of lost) one.refuse(this.#unknown(one.firstSequence, one.lastSequence, cause));
  }

  #unknown(first: number, last: number, cause: unknown): HoldfastError {
    const why = cause instanceof Error ? cause.message : "unknown";
    return new HoldfastError(
      "OUTCOME_UNKNOWN",
      `writing transactions ${first} to ${last} failed (${why}); ` +
        "they may or may not be there after recovery",
      { file: this.#segment.log.path, sequence: first, lastSequence: last },
      cause,
    );
  }

  /** A new error for each caller, so that each has its own stack. */
  #refusal(): HoldfastError {
    const poison = this.#poison as HoldfastError;
    return new HoldfastError("POISONED", poison.message, poison.data, poison.cause);
  }

  // ---- sealing and closing ---------------------------------------------------------------------

  #sealIfIdle(): void {
    if (this.#pipeline.length > 0) this.#idleSeal.arm();
    else if (this.#sealedThrough < this.durableSequence) this.#submitSeal();
  }

  /** An empty frame that says how far the log is known to be durable. */
  #submitSeal(): void {
    const waiting = this.#filling !== undefined && this.frame.recordCount > 0;
    if (waiting || !this.#fits(this.#o.alignment)) return;
    if (this.#filling === undefined) this.#openFrame();
    assert(this.frame.position === FRAME_HEADER_BYTES, "a seal frame has no records");
    this.#sealedThrough = this.durableSequence;
    this.#sealFrames++;
    this.#submit(this.#filling as unknown as PendingFrame);
  }

  /**
   * Makes everything durable and writes a seal. Rejects if something could not be made durable;
   * afterwards nothing is in flight in either case.
   */
  async drain(): Promise<void> {
    this.#draining = true;
    this.segmentFailed();
    await this.durable(this.#lastSequence);
    if (this.#sealedThrough < this.durableSequence) {
      this.#submitSeal();
      await this.#pipeline.newest?.promise;
    }
  }

  /** There is no next segment in sight: who is closing must not wait for one. */
  segmentFailed(): void {
    const { failure } = this.#o.segments;
    const filling = this.#filling;
    if (!this.#draining || failure === undefined || filling === undefined) return;
    if (this.frame.recordCount === 0) return;
    if (this.#fits(this.frame.frameBytes(this.#o.alignment))) return;
    this.#stopWith(failure.message, failure, []);
  }

  /** No more timers, no more writes. */
  stop(why: HoldfastError): void {
    this.#cancelTimers();
    this.#poison ??= why;
    if (this.#filling !== undefined) this.#refuse([this.#filling], why);
  }

  /**
   * Closes the file; called when the queue is closed, and no write can be on its way. Whoever still
   * waits is told what became of it.
   */
  async closeSegment(): Promise<void> {
    this.#acknowledgeAll();
    this.#refuse(this.#pipeline.from(), this.#poison);
    await this.#segment.log.close();
  }

  #cancelTimers(): void {
    this.#flushTimer?.cancel();
    this.#flushTimer = undefined;
    this.#idleSeal.stop();
  }
}
