/** The commit queue of a simulated disk: any order of completion, and every fault of a write. */
import { assert } from "../../src/base/assert.js";
import type {
  CommitQueue,
  CommitQueueOptions,
  CompletionHandler,
  LogFile,
  WriteMethod,
} from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { SimulatedCrash } from "./driver.js";
import type { CrashKind, SimulatedEvent } from "./events.js";
import type { FaultOptions } from "./faults.js";
import { SECTOR_BYTES, type SimulatedFile } from "./file.js";
import { type SimulatedDisk, throwFault } from "./simulated-disk.js";

/** A write in flight. */
interface Write extends SimulatedEvent {
  readonly log: SimulatedLog;
  readonly slot: number;
  readonly bytes: Uint8Array;
  readonly offset: number;
  /** Sum over the bytes, to notice when a slot is changed while it is in flight. */
  readonly sum: number;
  done: number;
}

export class SimulatedQueue implements CommitQueue {
  readonly slotCount: number;
  readonly #disk: SimulatedDisk;
  readonly #handler: CompletionHandler;
  readonly #slotBytes: number;
  readonly #slots: Uint8Array[] = [];
  readonly #writes = new Map<number, Write>();
  readonly #logs = new Set<SimulatedLog>();
  #deliveryPosted = false;
  #closing: Promise<void> | undefined;

  constructor(disk: SimulatedDisk, { slotBytes, slotCount, handler }: CommitQueueOptions) {
    assert(slotBytes > 0 && slotBytes % 4096 === 0, "slots must be multiples of 4096 bytes");
    this.#disk = disk;
    this.#handler = handler;
    this.slotCount = slotCount;
    this.#slotBytes = slotBytes;
  }

  get inFlight(): number {
    return this.#writes.size;
  }

  slot(index: number): Uint8Array {
    assert(index >= 0 && index < this.slotCount, "a slot of the queue");
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = new Uint8Array(this.#slotBytes);
      this.#slots[index] = slot;
    }
    return slot;
  }

  openLog(path: string, method: WriteMethod): Promise<LogFile> {
    return this.#disk.start({ operation: "openLog", path }, (fault) => {
      throwFault(fault, "open", path);
      if (this.#closing !== undefined) throw systemError("EBADF", "open", path);
      const { machine } = this.#disk;
      if (!machine.options.writeMethods.includes(method)) throw systemError("EINVAL", "open", path);
      const log = new SimulatedLog(this, path, method, machine.tree.getFile(path, "open"));
      this.#logs.add(log);
      return log;
    });
  }

  submit(log: LogFile, slot: number, length: number, offset: number): void {
    const own = this.#ownLog(log);
    const bytes = this.#bytesOf(slot, length);
    const write: Write = {
      owner: this.#disk.incarnation,
      log: own,
      slot,
      bytes,
      offset,
      sum: sumOf(bytes),
      done: 0,
      run: () => this.#happen(write),
      land: (kind) => this.#land(write, kind),
    };
    this.#writes.set(slot, write);
    own.file.journal?.submitted(own.file, offset, bytes);
    this.#disk.postOperation("queueWrite", log.path, write);
  }

  writeNow(log: LogFile, slot: number, length: number, offset: number): void {
    const own = this.#ownLog(log);
    const bytes = this.#bytesOf(slot, length);
    this.#stopIfEnded();
    for (let done = 0; done < length; ) {
      done += this.#write(own, bytes.subarray(done), offset + done);
    }
  }

  wait(): void {
    if (this.#writes.size === 0) return;
    this.#stopIfEnded();
    const { machine } = this.#disk;
    const writes = [...this.#writes.values()];
    const ready = writes.filter((write) => write.index !== undefined);
    const write = machine.random.pick(ready.length > 0 ? ready : writes);
    machine.events.remove(write, true);
    machine.events.pass();
    while (!this.#advance(write));
    this.#deliverLater();
  }

  close(): Promise<void> {
    this.#closing ??= this.#finish();
    return this.#closing;
  }

  hasWritesOf(log: SimulatedLog): boolean {
    for (const write of this.#writes.values()) if (write.log === log) return true;
    return false;
  }

  async closeLog(log: SimulatedLog): Promise<void> {
    const place = { operation: "close", path: log.path } as const;
    while (await this.#disk.start(place, () => this.hasWritesOf(log)));
    this.#logs.delete(log);
  }

  async #finish(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }

  #ownLog(log: LogFile): SimulatedLog {
    assert(log instanceof SimulatedLog && this.#logs.has(log), "a log file of another queue");
    assert(!log.closed && this.#closing === undefined, "the log file is closed");
    return log;
  }

  #bytesOf(slot: number, length: number): Uint8Array {
    const memory = this.slot(slot);
    assert(!this.#writes.has(slot), "the slot is not free");
    assert(length > 0 && length <= memory.length, "the length does not fit the slot");
    return memory.subarray(0, length);
  }

  /** The completion of one write, perhaps with others that were reaped along with it. */
  #happen(write: Write): void {
    const { machine } = this.#disk;
    if (!this.#advance(write)) {
      this.#disk.postOperation("queueWrite", write.log.path, write);
      return;
    }
    while (machine.random.chance(0.25)) {
      const ready = [...this.#writes.values()].filter(({ index }) => index !== undefined);
      if (ready.length === 0) break;
      const other = machine.random.pick(ready);
      machine.events.remove(other);
      while (!this.#advance(other));
    }
    if (this.#handler.deliver()) this.#deliverLater();
  }

  /** Does a write or a part of it. True if its outcome is known, and was told. */
  #advance(write: Write): boolean {
    assert(sumOf(write.bytes) === write.sum, "a slot was changed while it was in flight");
    let failure: Error | undefined;
    try {
      const { log, bytes, offset, done } = write;
      write.done += this.#write(log, bytes.subarray(done), offset + done);
      if (write.done < write.bytes.length) return false;
    } catch (error) {
      if (error instanceof SimulatedCrash) throw error;
      failure = error as Error;
    }
    const [oldest] = this.#writes.values();
    if (oldest !== write) this.#disk.machine.counters.add("completion out of order");
    this.#writes.delete(write.slot);
    this.#handler.completed(write.slot, failure);
    return true;
  }

  /** Writes durably, as far as the faults let it; gives how much. */
  #write(log: SimulatedLog, bytes: Uint8Array, offset: number): number {
    const { path, file, method } = log;
    const place = { operation: "queueWrite", path, offset, length: bytes.length } as const;
    return this.#disk.perform(place, (fault) => {
      const { machine } = this.#disk;
      machine.trace.foldBytes(bytes);
      const unaligned = offset % SECTOR_BYTES !== 0 || bytes.length % SECTOR_BYTES !== 0;
      if (method === "direct-dsync" && unaligned) throw systemError("EINVAL", "pwritev2", path);
      machine.checkSpace(file, path, offset + bytes.length);
      return fault === undefined
        ? writeWhole(file, bytes, offset)
        : this.#writeFaulty(log, bytes, offset, fault);
    });
  }

  #writeFaulty(
    { file, path }: SimulatedLog,
    bytes: Uint8Array,
    offset: number,
    fault: FaultOptions,
  ): number {
    const { random } = this.#disk.machine;
    if ("write" in fault) {
      if (fault.write === "lost") return bytes.length;
      if (fault.write === "misdirected") {
        const sectors = Math.max(1, Math.floor((file.size - bytes.length) / SECTOR_BYTES) + 1);
        return writeWhole(file, bytes, random.below(sectors) * SECTOR_BYTES);
      }
      const sectors = Math.floor((bytes.length - 1) / SECTOR_BYTES);
      const count = sectors === 0 ? bytes.length : (1 + random.below(sectors)) * SECTOR_BYTES;
      return writeWhole(file, bytes.subarray(0, count), offset);
    }
    if ("error" in fault) file.writeTorn(offset, bytes, random, 0.5);
    throwFault(fault, "pwritev2", path);
    return writeWhole(file, bytes, offset);
  }

  /** Of a write that nobody waits for any more: after a power loss each sector for itself. */
  #land({ log, bytes, offset, done }: Write, kind: CrashKind): void {
    const rest = bytes.subarray(done);
    if (kind === "power") log.file.write(offset + done, rest);
    else log.file.writeTorn(offset + done, rest, this.#disk.machine.random, 0.75);
  }

  #deliverLater(): void {
    if (this.#deliveryPosted || !this.#disk.running) return;
    this.#deliveryPosted = true;
    this.#disk.machine.events.post({
      owner: this.#disk.incarnation,
      run: () => {
        this.#deliveryPosted = false;
        if (this.#handler.deliver()) this.#deliverLater();
      },
    });
  }

  #stopIfEnded(): void {
    if (!this.#disk.running) throw new SimulatedCrash("the program has ended");
  }
}

class SimulatedLog implements LogFile {
  readonly path: string;
  readonly method: WriteMethod;
  readonly file: SimulatedFile;
  readonly #queue: SimulatedQueue;
  #closing: Promise<void> | undefined;

  constructor(queue: SimulatedQueue, path: string, method: WriteMethod, file: SimulatedFile) {
    this.#queue = queue;
    this.path = path;
    this.method = method;
    this.file = file;
  }

  get closed(): boolean {
    return this.#closing !== undefined;
  }

  close(): Promise<void> {
    this.#closing ??= this.#queue.closeLog(this);
    return this.#closing;
  }
}

function writeWhole(file: SimulatedFile, bytes: Uint8Array, offset: number): number {
  file.writeDurable(offset, bytes);
  return bytes.length;
}

/** Cheap, and sees any one change: slots are multiples of four bytes and aligned. */
function sumOf(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
  let sum = 0;
  for (let i = 0; i < words.length; i++) sum = (Math.imul(sum, 31) + words[i]!) | 0;
  return sum;
}
