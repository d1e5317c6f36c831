/** Measures what durable writes cost in a directory, in a file that is gone again afterwards. */
import { unlinkSync } from "node:fs";
import { toHex } from "../base/bytes.js";
import type { CommitQueue, Disk, DiskLock, LogFile, WriteMethod } from "../disk/disk.js";
import { chooseMethod, type Measured, measureMethods } from "../disk/probe.js";

/** Written before it is measured, as segments are. */
const FILE_BYTES = 8 * 1024 * 1024;

/** As many as a store has by default. */
export const IN_FLIGHT = 8;

/** Whichever comes first. */
const RATE_WRITES_MAX = 20_000;
const RATE_MICROS_MAX = 500_000;

export interface PlaceMeasurement {
  readonly lock: DiskLock["strength"];
  readonly blockBytes: number;
  readonly measured: readonly Measured[];
  /** What a new store would choose. */
  readonly chosen: WriteMethod;
  /** What a store here uses: what it has recorded, or else what it would choose. */
  readonly used: WriteMethod;
  /** Durable writes a second with IN_FLIGHT of them in flight, by the method used. */
  readonly inFlightPerSecond: number;
}

/**
 * Throws what the system says where there is no measuring. The file is removed whatever happens;
 * also when the process is interrupted, but not when it is killed: a store then passes over it.
 */
export async function measurePlace(
  disk: Disk,
  directory: string,
  blockBytes: number,
  recorded: WriteMethod | undefined,
): Promise<PlaceMeasurement> {
  // The name under which the disk itself tries things out: no store takes it for a stranger's.
  const random = toHex(disk.randomBytes(8));
  const path = `${directory}/.probe-${process.pid}-${random}.tmp`;
  const stopListening = removeWhenInterrupted(path);
  try {
    await makeFile(disk, path);
    return await measureWithLock(disk, path, blockBytes, recorded);
  } finally {
    stopListening();
    removeIfThere(path);
  }
}

async function makeFile(disk: Disk, path: string): Promise<void> {
  const file = await disk.open(path, { write: true, create: true, exclusive: true });
  try {
    await file.zeroFill(0, FILE_BYTES);
    await file.sync();
  } finally {
    await file.close();
  }
}

async function measureWithLock(
  disk: Disk,
  path: string,
  blockBytes: number,
  recorded: WriteMethod | undefined,
): Promise<PlaceMeasurement> {
  const lock = (await disk.lock(path)) as DiskLock;
  try {
    const rate = new RateMeter(disk, lock, blockBytes);
    try {
      const { queue } = rate;
      const blocks = FILE_BYTES / blockBytes;
      const probe = { disk, queue, path, offset: 0, blockBytes, blocks };
      const measured = await measureMethods(probe);
      const chosen = chooseMethod(measured);
      const used = measured.find(({ method }) => method === recorded)?.method ?? chosen;
      const inFlightPerSecond = await rate.measure(path, used);
      return { lock: lock.strength, blockBytes, measured, chosen, used, inFlightPerSecond };
    } finally {
      await rate.queue.close();
    }
  } finally {
    await lock.release();
  }
}

/** Keeps IN_FLIGHT writes under way for some time, and counts them. */
class RateMeter {
  readonly queue: CommitQueue;
  readonly #disk: Disk;
  readonly #blockBytes: number;
  #log: LogFile | undefined;
  #free: number[] = [];
  #submitted = 0;
  #completed = 0;
  #endMicros = 0;
  #failure: Error | undefined;
  #whenDone: () => void = () => {};

  constructor(disk: Disk, lock: DiskLock, blockBytes: number) {
    this.#disk = disk;
    this.#blockBytes = blockBytes;
    this.queue = disk.openCommitQueue({
      slotBytes: Math.max(4096, blockBytes),
      slotCount: IN_FLIGHT,
      lock,
      handler: {
        completed: (slot, error) => this.#completedOne(slot, error),
        deliver: () => this.#goOn(),
      },
    });
  }

  async measure(path: string, method: WriteMethod): Promise<number> {
    const { clock } = this.#disk;
    this.#log = await this.queue.openLog(path, method);
    try {
      this.#free = Array.from({ length: this.queue.slotCount }, (_, slot) => slot);
      const start = clock.monotonicMicros();
      this.#endMicros = start + RATE_MICROS_MAX;
      await new Promise<void>((resolve) => {
        this.#whenDone = resolve;
        this.#goOn();
      });
      if (this.#failure !== undefined) throw this.#failure;
      return Math.round((this.#completed * 1e6) / (clock.monotonicMicros() - start));
    } finally {
      await this.#log.close();
    }
  }

  #completedOne(slot: number, error: Error | undefined): void {
    this.#completed++;
    this.#failure ??= error;
    this.#free.push(slot);
  }

  #goOn(): false {
    const log = this.#log;
    const over =
      this.#failure !== undefined || this.#disk.clock.monotonicMicros() >= this.#endMicros;
    if (log === undefined) return false;
    while (!over && this.#free.length > 0 && this.#submitted < RATE_WRITES_MAX) {
      const offset = (this.#submitted++ * this.#blockBytes) % FILE_BYTES;
      this.queue.submit(log, this.#free.pop() as number, this.#blockBytes, offset);
    }
    if (this.queue.inFlight === 0) this.#whenDone();
    return false;
  }
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Removes the file, and then dies of the signal as one does without a listener. */
function removeWhenInterrupted(path: string): () => void {
  const listener = (signal: NodeJS.Signals): void => {
    removeIfThere(path);
    stopListening();
    process.kill(process.pid, signal);
  };
  const stopListening = (): void => {
    for (const signal of SIGNALS) process.off(signal, listener);
  };
  for (const signal of SIGNALS) process.on(signal, listener);
  return stopListening;
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
