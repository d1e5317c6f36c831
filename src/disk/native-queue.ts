/** The commit queue of the native disk: the part of it that is not in native/queue.cc. */
import { assert } from "../base/assert.js";
import type {
  CommitQueue,
  CommitQueueOptions,
  CompletionHandler,
  LogFile,
  WriteMethod,
} from "./disk.js";
import {
  type Addon,
  addonError,
  COMPLETION_INTS,
  METHOD_NUMBERS,
  type QueueHandle,
} from "./native-addon.js";
import type { NativeLock } from "./native-lock.js";
import { systemError } from "./system-error.js";

class NativeLog implements LogFile {
  /** Closed only when this is zero: the addon goes on writing after a short write. */
  inFlight = 0;
  readonly #queue: NativeQueue;
  #closing: Promise<void> | undefined;
  #whenIdle: (() => void) | undefined;

  constructor(
    queue: NativeQueue,
    readonly number: number,
    readonly path: string,
    readonly method: WriteMethod,
  ) {
    this.#queue = queue;
  }

  get open(): boolean {
    return this.#closing === undefined;
  }

  settled(): void {
    this.inFlight--;
    if (this.inFlight === 0) this.#whenIdle?.();
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    if (this.inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve;
      });
    }
    this.#queue.closeLog(this);
  }
}

/** See `CommitQueue`. */
export class NativeQueue implements CommitQueue {
  readonly slotCount: number;
  readonly #addon: Addon;
  readonly #handle: QueueHandle;
  readonly #handler: CompletionHandler;
  /** Filled by the addon with pairs of slot and error before `#ready` and by `wait`. */
  readonly #completions: Int32Array;
  readonly #slots: Uint8Array[] = [];
  /** For each slot in flight, the log it is written to. */
  readonly #slotLogs: (NativeLog | undefined)[];
  #inFlight = 0;
  #taking = false;
  /** `wait` took completions, and `deliver` was not called since. */
  #deliveryOwed = false;
  #closing: Promise<void> | undefined;
  #whenDone: (() => void) | undefined;
  #closed = false;

  constructor(addon: Addon, withRing: boolean, lock: NativeLock, options: CommitQueueOptions) {
    const { slotBytes, slotCount, handler } = options;
    assert(slotBytes > 0 && slotBytes % 4096 === 0, "slots must be multiples of 4096 bytes");
    assert(slotCount > 0, "a queue needs a slot");
    this.#addon = addon;
    this.#handler = handler;
    this.#completions = new Int32Array(slotCount * COMPLETION_INTS);
    this.#slotLogs = new Array<NativeLog | undefined>(slotCount).fill(undefined);
    this.slotCount = slotCount;
    const handle = addon.openQueue(
      slotBytes,
      slotCount,
      withRing,
      lock.handle,
      this.#completions,
      (count) => this.#ready(count),
    );
    if (typeof handle === "number") throw addonError(handle, "io_uring_setup");
    this.#handle = handle;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  slot(index: number): Uint8Array {
    assert(index >= 0 && index < this.slotCount, "a slot of the queue");
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = new Uint8Array(this.#addon.slot(this.#handle, index));
      this.#slots[index] = slot;
    }
    return slot;
  }

  async openLog(path: string, method: WriteMethod): Promise<LogFile> {
    if (this.#closing !== undefined) throw systemError("EBADF", "open", path);
    const number = await this.#addon.openLog(this.#handle, path, METHOD_NUMBERS[method]);
    if (number < 0) throw addonError(number, "open", path);
    return new NativeLog(this, number, path, method);
  }

  /** For the log itself, when nothing of it is in flight any more. */
  closeLog(log: NativeLog): void {
    if (this.#closed) return;
    const result = this.#addon.closeLog(this.#handle, log.number);
    if (result < 0) throw addonError(result, "close", log.path);
  }

  submit(log: LogFile, slot: number, length: number, offset: number): void {
    const own = this.#usable(log, slot);
    const result = this.#addon.submit(this.#handle, own.number, slot, length, offset);
    if (result < 0) throw addonError(result, "write", own.path);
    this.#slotLogs[slot] = own;
    own.inFlight++;
    this.#inFlight++;
  }

  writeNow(log: LogFile, slot: number, length: number, offset: number): void {
    const own = this.#usable(log, slot);
    const result = this.#addon.writeNow(this.#handle, own.number, slot, length, offset);
    if (result < 0) throw addonError(result, "write", own.path);
  }

  wait(): void {
    // The list of completions being told is the one that would be written over.
    assert(!this.#taking, "wait called from inside completed");
    if (this.#inFlight === 0) return;
    const count = this.#addon.wait(this.#handle);
    this.#deliveryOwed = true;
    this.#take(count);
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  async #finish(): Promise<void> {
    if (this.#inFlight > 0 || this.#deliveryOwed) {
      await new Promise<void>((resolve) => {
        this.#whenDone = resolve;
      });
    }
    this.#closed = true;
    this.#addon.closeQueue(this.#handle);
  }

  #usable(log: LogFile, slot: number): NativeLog {
    assert(log instanceof NativeLog && log.open, "the log file is closed");
    assert(this.#slotLogs[slot] === undefined, "the slot is not free");
    return log;
  }

  /** Called by the addon from the event loop, in a turn of its own, again while it gives true. */
  #ready(count: number): boolean {
    this.#deliveryOwed = false;
    this.#take(count);
    const again = this.#handler.deliver();
    if (!again && this.#inFlight === 0) this.#whenDone?.();
    return again;
  }

  #take(count: number): void {
    const completions = this.#completions;
    this.#taking = true;
    try {
      for (let i = 0; i < count; i++) {
        const slot = completions[i * COMPLETION_INTS]!;
        const error = completions[i * COMPLETION_INTS + 1]!;
        const log = this.#slotLogs[slot]!;
        this.#slotLogs[slot] = undefined;
        this.#inFlight--;
        const failure = error === 0 ? undefined : addonError(error, "write", log.path);
        this.#handler.completed(slot, failure);
        log.settled();
      }
    } finally {
      this.#taking = false;
    }
  }
}
