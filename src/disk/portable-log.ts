/**
 * Durable writes to one log file through libuv's thread pool.
 *
 * Three things about the machine decide its shape:
 *
 * - A kernel reports a failed write-back once per descriptor. With two syncs running at once on one
 *   descriptor, one of them takes the error and the other one reports success for lost data. So a
 *   file has at most one sync (or one O_DSYNC write) in the pool, and the synchronous path has a
 *   descriptor of its own. A failure fails everything that was not durable before it.
 * - JavaScript cannot wait for the pool. To wait all the same, a frame that was not started yet is
 *   written synchronously; failing that, one that the pool has is written again: the same bytes at
 *   the same place. The pool may then still read from its source while the slot is used anew, so it
 *   never reads from the slot but from a copy.
 * - That second, late write could land on top of a newer one. A newer synchronous write of the same
 *   range therefore changes the copy first; newer asynchronous ones wait for their turn in the
 * pool,
 *   and closing the file waits for all of them.
 */
import * as fs from "node:fs";
import { assert } from "../base/assert.js";
import type { LogFile, WriteMethod } from "./disk.js";
import { systemError, withPath } from "./system-error.js";

/** One submitted write. */
interface Frame {
  readonly slot: number;
  readonly offset: number;
  readonly bytes: Uint8Array;
  /** What the pool reads from; set when it is started. */
  copy: Uint8Array | undefined;
  /** Done by the synchronous path: the outcome in the pool was no longer asked for. */
  superseded: boolean;
}

export type Settle = (slot: number, error: Error | undefined) => void;

type Done = (error: Error | null) => void;
type Written = (error: Error | null, written: number) => void;

/** What is asked of libuv's pool. A test answers in its place. */
export interface Pool {
  write(
    fd: number,
    bytes: Uint8Array,
    from: number,
    length: number,
    offset: number,
    callback: Written,
  ): void;
  fdatasync(fd: number, callback: Done): void;
}

/** A log file of the portable queue: see the head of this file. */
export class PortableLog implements LogFile {
  readonly path: string;
  readonly method: WriteMethod;
  readonly #poolFd: number;
  readonly #syncFd: number;
  readonly #settle: Settle;
  readonly #settled: () => void;
  readonly #pool: Pool;
  #waiting: Frame[] = [];
  #running: Frame[] = [];
  #writesLeft = 0;
  #broken: Error | undefined;
  /** A failure nobody was told of, because its frame had been superseded. */
  #unreported: Error | undefined;
  #closing: Promise<void> | undefined;
  #idle: (() => void) | undefined;

  /** `settle` is told of every write, `settled` once after one or more, from the event loop. */
  constructor(
    path: string,
    method: WriteMethod,
    fds: readonly [number, number],
    settle: Settle,
    settled: () => void,
    pool: Pool = fs,
  ) {
    this.path = path;
    this.method = method;
    [this.#poolFd, this.#syncFd] = fds;
    this.#settle = settle;
    this.#settled = settled;
    this.#pool = pool;
  }

  submit(slot: number, bytes: Uint8Array, offset: number): void {
    assert(this.#closing === undefined, "submit to a closed log file");
    this.#waiting.push({ slot, offset, bytes, copy: undefined, superseded: false });
    if (this.#running.length === 0) this.#start();
  }

  /** Writes and syncs on the calling thread. */
  writeNow(bytes: Uint8Array, offset: number): void {
    if (this.#closing !== undefined) throw systemError("EBADF", "write", this.path);
    if (this.#broken === undefined) {
      this.#rewriteCopies(bytes, offset);
      try {
        this.#writeAllSync(bytes, offset);
        if (this.method === "buffered-fdatasync") fs.fdatasyncSync(this.#syncFd);
      } catch (error) {
        this.#break(error);
      }
    }
    if (this.#broken !== undefined) throw this.#report(this.#broken);
  }

  /** Settles one write on the calling thread, preferably one the pool does not have yet. */
  settleOne(preferWaiting: boolean): boolean {
    const frame = preferWaiting
      ? this.#waiting.shift()
      : this.#running.find((candidate) => !candidate.superseded);
    if (frame === undefined) return false;
    if (!preferWaiting) frame.superseded = true;
    let failure: Error | undefined;
    try {
      this.writeNow(frame.bytes, frame.offset);
    } catch (error) {
      failure = error as Error;
    }
    this.#settle(frame.slot, failure);
    return true;
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    if (this.#running.length + this.#waiting.length > 0) {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    fs.closeSync(this.#poolFd);
    fs.closeSync(this.#syncFd);
    if (this.#unreported !== undefined) throw this.#unreported;
  }

  /** Gives waiting frames to the pool: one if each write syncs, all of them if one sync follows. */
  #start(): void {
    const broken = this.#broken;
    if (broken !== undefined) {
      // Not from inside submit: its caller may not be ready for an answer.
      setImmediate(() => this.#failWaiting(broken));
      return;
    }
    const count = this.method === "buffered-fdatasync" ? this.#waiting.length : 1;
    this.#running = this.#waiting.splice(0, count);
    this.#writesLeft = this.#running.length;
    for (const frame of this.#running) {
      frame.copy = frame.bytes.slice();
      this.#write(frame, frame.copy, 0);
    }
  }

  #write(frame: Frame, copy: Uint8Array, done: number): void {
    const left = copy.length - done;
    this.#pool.write(this.#poolFd, copy, done, left, frame.offset + done, (error, written) => {
      if (error === null && written > 0 && written < left) {
        this.#write(frame, copy, done + written);
        return;
      }
      if (error !== null) this.#break(error);
      else if (written === 0) this.#break(systemError("EIO", "write", this.path));
      this.#writesLeft--;
      if (this.#writesLeft === 0) this.#written();
    });
  }

  #written(): void {
    if (this.method === "buffered-fdatasync" && this.#broken === undefined) {
      this.#pool.fdatasync(this.#poolFd, (error) => {
        if (error !== null) this.#break(error);
        this.#finishBatch();
      });
    } else {
      this.#finishBatch();
    }
  }

  #finishBatch(): void {
    const batch = this.#running;
    this.#running = [];
    const error = this.#broken;
    for (const frame of batch) {
      if (frame.superseded) continue;
      this.#settle(frame.slot, error && this.#report(error));
    }
    this.#next();
    this.#settled();
  }

  /** After a failure nothing is tried again: everything that waits fails with it. */
  #failWaiting(error: Error): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const frame of waiting) this.#settle(frame.slot, this.#report(error));
    this.#next();
    if (waiting.length > 0) this.#settled();
  }

  #next(): void {
    // Whoever was told of an outcome may have submitted and so started the next batch already.
    if (this.#running.length > 0) return;
    if (this.#waiting.length > 0) this.#start();
    else this.#idle?.();
  }

  #break(error: unknown): void {
    if (this.#broken !== undefined) return;
    this.#broken = withPath(error, this.path) as Error;
    this.#unreported = this.#broken;
  }

  #report(error: Error): Error {
    this.#unreported = undefined;
    return error;
  }

  #writeAllSync(bytes: Uint8Array, offset: number): void {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done;
      const written = fs.writeSync(this.#syncFd, bytes, done, left, offset + done);
      if (written === 0) throw systemError("EIO", "write", this.path);
      done += written;
    }
  }

  /** A write the pool may still do must not bring back what these bytes replace. */
  #rewriteCopies(bytes: Uint8Array, offset: number): void {
    for (const frame of this.#running) {
      if (frame.copy === undefined) continue;
      const from = Math.max(offset, frame.offset);
      const to = Math.min(offset + bytes.length, frame.offset + frame.copy.length);
      if (from >= to) continue;
      frame.copy.set(bytes.subarray(from - offset, to - offset), from - frame.offset);
    }
  }
}
