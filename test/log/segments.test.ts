/** The supply of segments, on a disk and a queue that fail as the test says. */
import { expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { CommitQueue, Disk, LogFile } from "../../src/disk/disk.js";
import { SegmentSupply } from "../../src/log/segments.js";

const SECOND = "/data/0000000000000002.log";
const enospc = Object.assign(new Error("ENOSPC: no room"), { code: "ENOSPC" });
const emfile = Object.assign(new Error("EMFILE: no descriptors"), { code: "EMFILE" });

class Supplied {
  readonly removed: string[] = [];
  readonly failures: string[] = [];
  readonly published: number[] = [];
  readonly supply: SegmentSupply;
  ready = 0;
  /** What becomes of the next tries to fill a new file, and to open one for writing. */
  readonly fills: (Error | undefined)[] = [];
  readonly opens: (Error | undefined)[] = [];
  #retry: (() => void) | undefined;

  constructor() {
    this.supply = new SegmentSupply({
      disk: this.#disk(),
      queue: { openLog: (path: string) => this.#openLog(path) } as unknown as CommitQueue,
      directory: "/data",
      method: "direct-dsync",
      assertOurs: async () => {},
      header: {
        storeId: new Uint8Array(16),
        epoch: 1,
        alignment: 4096,
        segmentBytes: 65536,
        writerId: "tester",
      },
      nextId: 2,
      spares: [],
      publish: async ({ id }) => void this.published.push(id),
      onReady: () => this.ready++,
      onFailure: (error) => void this.failures.push(error.code),
      onFatal: (error) => void this.failures.push(`fatal ${error.code}`),
    });
  }

  /** The time between two tries has passed, and the next one has ended. */
  async retry(): Promise<void> {
    this.#retry?.();
    await this.settled();
  }

  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  #disk(): Disk {
    const file = {
      zeroFill: async () => {
        const failure = this.fills.shift();
        if (failure !== undefined) throw failure;
      },
      write: async () => {},
      sync: async () => {},
      close: async () => {},
    };
    return {
      checksum: portableChecksum,
      clock: { nowMicros: () => 1, monotonicMicros: () => 1 },
      scheduler: {
        after: (_millis: number, callback: () => void) => {
          this.#retry = callback;
          return { cancel: () => {} };
        },
      },
      open: async () => file,
      remove: async (path: string) => void this.removed.push(path),
      syncDirectory: async () => {},
    } as unknown as Disk;
  }

  async #openLog(path: string): Promise<LogFile> {
    const failure = this.opens.shift();
    if (failure !== undefined) throw failure;
    return { path, method: "direct-dsync", close: async () => {} };
  }
}

test("what a failure left half made is removed, and tried again", async () => {
  const on = new Supplied();
  on.fills.push(enospc);
  on.supply.start();
  await on.settled();
  expect(on).toMatchObject({ failures: ["DISK_FULL"], removed: [SECOND], published: [], ready: 0 });
  await on.retry();
  expect(on).toMatchObject({ published: [2], ready: 1 });
});

test("a segment that the manifest may name stays, whatever fails after that", async () => {
  const on = new Supplied();
  on.opens.push(emfile);
  on.supply.start();
  await on.settled();
  expect(on).toMatchObject({ failures: ["IO"], published: [2], ready: 0 });
  on.fills.push(enospc);
  await on.retry();
  expect(on).toMatchObject({ failures: ["IO", "DISK_FULL"], removed: [], ready: 0 });
  await on.retry();
  expect(on).toMatchObject({ removed: [], published: [2, 2], ready: 1 });
  expect(on.supply.take()).toMatchObject({ id: 2, log: { path: SECOND } });
});

test("what is retired while the store is closed is removed before its lock is free", async () => {
  const supplied = new Supplied();
  const { supply, removed } = supplied;
  await supply.close();
  // By the last manifest of all, which is published behind that.
  supply.retire(1);
  expect(removed).toEqual([]);
  await supply.settled();
  expect(removed).toEqual(["/data/0000000000000001.log"]);
});
