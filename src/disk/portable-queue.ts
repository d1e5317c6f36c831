/** The commit queue of the portable disk: slots, log files, and the turns of delivery. */
import * as fs from "node:fs";
import { promisify } from "node:util";
import { assert } from "../base/assert.js";
import type {
  CommitQueue,
  CommitQueueOptions,
  CompletionHandler,
  LogFile,
  WriteMethod,
} from "./disk.js";
import { PortableLog } from "./portable-log.js";
import { systemError } from "./system-error.js";

/**
 * Methods of `node:fs`. On macOS a write with O_DSYNC is not flushed out of the drive; only fsync,
 * which libuv makes an F_FULLFSYNC, is.
 */
export const PORTABLE_WRITE_METHODS: readonly WriteMethod[] =
  fs.constants.O_DSYNC !== undefined && process.platform !== "darwin"
    ? ["buffered-dsync", "buffered-fdatasync"]
    : ["buffered-fdatasync"];

const openDescriptor = promisify(fs.open);

/** See `CommitQueue`; how a write is made durable, and how `wait` works, is in portable-log.ts. */
export class PortableQueue implements CommitQueue {
  readonly slotCount: number;
  readonly #handler: CompletionHandler;
  readonly #logs = new Set<PortableLog>();
  readonly #slotBytes: number;
  readonly #slots: Uint8Array[] = [];
  readonly #busy: Uint8Array;
  #inFlight = 0;
  #deliveryPending = false;
  #closing: Promise<void> | undefined;

  constructor(options: CommitQueueOptions) {
    const { slotBytes, slotCount } = options;
    assert(slotBytes > 0 && slotBytes % 4096 === 0, "slots must be multiples of 4096 bytes");
    assert(slotCount > 0, "a queue needs a slot");
    this.slotCount = slotCount;
    this.#slotBytes = slotBytes;
    this.#busy = new Uint8Array(slotCount);
    this.#handler = options.handler;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  /** Its address cannot be chosen from JavaScript; writes through the page cache do not need it. */
  slot(index: number): Uint8Array {
    assert(index >= 0 && index < this.slotCount, "a slot of the queue");
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = new Uint8Array(this.#slotBytes);
      this.#slots[index] = slot;
    }
    return slot;
  }

  async openLog(path: string, method: WriteMethod): Promise<LogFile> {
    if (this.#closing !== undefined) throw systemError("EBADF", "open", path);
    if (!PORTABLE_WRITE_METHODS.includes(method)) throw systemError("EINVAL", "open", path);
    const sync = method === "buffered-dsync" ? fs.constants.O_DSYNC : 0;
    const poolFd = await openDescriptor(path, fs.constants.O_WRONLY | sync);
    const syncFd = await openDescriptor(path, fs.constants.O_WRONLY | sync).catch(
      (error: unknown) => {
        fs.closeSync(poolFd);
        throw error;
      },
    );
    const log = new PortableLog(
      path,
      method,
      [poolFd, syncFd],
      (slot, error) => this.#settle(slot, error),
      () => this.#deliverSoon(),
    );
    this.#logs.add(log);
    return log;
  }

  submit(log: LogFile, slot: number, length: number, offset: number): void {
    const bytes = this.#bytesOf(slot, length);
    this.#busy[slot] = 1;
    this.#inFlight++;
    this.#ownLog(log).submit(slot, bytes, offset);
  }

  writeNow(log: LogFile, slot: number, length: number, offset: number): void {
    this.#ownLog(log).writeNow(this.#bytesOf(slot, length), offset);
  }

  wait(): void {
    if (this.#inFlight === 0) return;
    let settled = false;
    for (const preferWaiting of [true, false]) {
      for (const log of this.#logs) {
        settled ||= log.settleOne(preferWaiting);
      }
    }
    assert(settled, "a write in flight belongs to no log file");
    this.#deliverLater();
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    const outcomes = await Promise.allSettled([...this.#logs].map((log) => log.close()));
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") throw outcome.reason;
    }
  }

  #ownLog(log: LogFile): PortableLog {
    assert(log instanceof PortableLog && this.#logs.has(log), "a log file of another queue");
    return log;
  }

  #bytesOf(slot: number, length: number): Uint8Array {
    const memory = this.slot(slot);
    assert(this.#busy[slot] === 0, "the slot is not free");
    assert(length > 0 && length <= memory.length, "the length does not fit the slot");
    return memory.subarray(0, length);
  }

  #settle(slot: number, error: Error | undefined): void {
    this.#busy[slot] = 0;
    this.#inFlight--;
    this.#handler.completed(slot, error);
  }

  /** From the event loop: the callback that brought the completion is a turn of its own. */
  #deliverSoon(): void {
    if (this.#deliveryPending) return;
    if (this.#handler.deliver()) this.#deliverLater();
  }

  /** An immediate is a turn: ticks and promise continuations run between it and the next one. */
  #deliverLater(): void {
    if (this.#deliveryPending) return;
    this.#deliveryPending = true;
    setImmediate(() => {
      this.#deliveryPending = false;
      if (this.#handler.deliver()) this.#deliverLater();
    });
  }
}
