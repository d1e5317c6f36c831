/** A commit queue under test: what it was told, and lanes that wait for their writes. */
import type { CommitQueue, Disk, DiskLock, LogFile, WriteMethod } from "../../src/disk/disk.js";
import type { DiskFixture } from "./fixture.js";

export const SLOT_BYTES = 64 * 1024;
export const SLOTS = 8;

/** Opens a queue over a new log file of zeros, and keeps account of every call of its handler. */
export class QueueFixture {
  readonly disk: Disk;
  readonly path: string;
  readonly lock: DiskLock;
  readonly queue: CommitQueue;
  /** Every call of the handler, in order. */
  readonly calls: string[] = [];
  readonly failures: Error[] = [];
  deliveries = 0;
  /** Set while `submit`, `writeNow` or `wait` runs: `deliver` must not be called then. */
  inside = false;
  deliveredInside = false;
  /** Instead of delivering everything at once. */
  onDeliver: (() => boolean) | undefined;
  /** In the order of `completed`. */
  readonly completed: number[] = [];
  readonly #waiters = new Map<number, (error: Error | undefined) => void>();
  #ready: [slot: number, error: Error | undefined][] = [];

  private constructor(disk: Disk, path: string, lock: DiskLock) {
    this.disk = disk;
    this.path = path;
    this.lock = lock;
    this.queue = disk.openCommitQueue({
      slotBytes: SLOT_BYTES,
      slotCount: SLOTS,
      lock,
      handler: {
        completed: (slot, error) => this.#completed(slot, error),
        deliver: () => this.#deliver(),
      },
    });
  }

  static async open({ disk, directory }: DiskFixture, bytes = 1024 * 1024): Promise<QueueFixture> {
    const path = `${directory}/log`;
    const file = await disk.open(path, { write: true, create: true });
    await file.zeroFill(0, bytes);
    await file.sync();
    await file.close();
    const lock = await disk.lock(`${directory}/LOCK`);
    if (lock === undefined) throw new Error("the lock is taken");
    return new QueueFixture(disk, path, lock);
  }

  /** The method, or undefined where this file system refuses it. */
  async openLog(method: WriteMethod, path = this.path): Promise<LogFile | undefined> {
    try {
      return await this.queue.openLog(path, method);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EINVAL") return undefined;
      throw error;
    }
  }

  submit(log: LogFile, slot: number, length: number, offset: number): void {
    this.inside = true;
    this.queue.submit(log, slot, length, offset);
    this.inside = false;
  }

  /** Submits; the promise settles when the outcome is delivered. */
  write(log: LogFile, slot: number, length: number, offset: number): Promise<void> {
    const written = new Promise<void>((resolve, reject) => {
      this.#waiters.set(slot, (error) => (error === undefined ? resolve() : reject(error)));
    });
    this.submit(log, slot, length, offset);
    return written;
  }

  wait(): void {
    this.inside = true;
    this.queue.wait();
    this.inside = false;
  }

  /** Tells one waiting lane its outcome. False if nothing is ready. */
  deliverOne(): boolean {
    const next = this.#ready.shift();
    if (next === undefined) return false;
    this.#waiters.get(next[0])?.(next[1]);
    this.#waiters.delete(next[0]);
    return true;
  }

  get readyCount(): number {
    return this.#ready.length;
  }

  async close(): Promise<void> {
    await this.queue.close();
    await this.lock.release();
  }

  #completed(slot: number, error: Error | undefined): void {
    this.calls.push(`completed ${slot}`);
    this.completed.push(slot);
    if (error !== undefined) this.failures.push(error);
    this.#ready.push([slot, error]);
  }

  #deliver(): boolean {
    this.calls.push("deliver");
    this.deliveries++;
    if (this.inside) this.deliveredInside = true;
    if (this.onDeliver !== undefined) return this.onDeliver();
    while (this.deliverOne());
    return false;
  }
}
