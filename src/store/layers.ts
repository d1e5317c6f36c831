/** What the tables of a store share: the runs below their memtables, and the bounds of memory. */
import { KEY_BYTES_MAX } from "../base/limits.js";
import type { Disk } from "../disk/disk.js";
import { Horizon } from "../memtable/horizon.js";
import { RowMemory } from "../memtable/row-memory.js";
import type { RunSet } from "../run/run-set.js";
import type { ChunkSource } from "./blob-reads.js";

/** Bytes of a table's id in front of its keys. */
export const TABLE_ID_BYTES = 2;

export class Layers {
  readonly horizon = new Horizon();
  readonly memory: RowMemory;
  /** Replaced as a whole, between two turns of the event loop, when there is a new run. */
  runs: RunSet | undefined;
  /** Told of what a read of the runs has thrown, before its caller is. */
  onReadError: (error: unknown) => void = () => {};
  /** Code that makes rows of older versions new runs twice, to see whether it gives the same. */
  upgradeTwice = false;
  /** Where chunks of blobs are read; undefined until it is known. */
  chunks: ChunkSource | undefined;
  /** For the full key of a lookup; its user must be done with it before it returns. */
  readonly scratch = new Uint8Array(TABLE_ID_BYTES + KEY_BYTES_MAX);
  readonly #disk: Pick<Disk, "compressor" | "scheduler">;

  constructor(memoryBytes: number, disk: Pick<Disk, "compressor" | "scheduler">) {
    this.memory = new RowMemory(memoryBytes);
    this.#disk = disk;
  }

  /** For what is compressed within rows. */
  get compressor(): Disk["compressor"] {
    return this.#disk.compressor;
  }

  /** Lets other work of this thread go on. */
  readonly turn = (): Promise<void> =>
    new Promise((resolve) => {
      this.#disk.scheduler.after(0, resolve, true);
    });
}

/** Writes a table's id in front of a full key. */
export function writeTableId(target: Uint8Array, tableId: number): void {
  target[0] = tableId >>> 8;
  target[1] = tableId & 0xff;
}
