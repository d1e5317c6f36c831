/** The native disk where it is more than the contract: faults, processes, workers, signals. */
import { type ChildProcess, spawn } from "node:child_process";
import * as fs from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { errnoCode } from "../../src/base/errors.js";
import type {
  CommitQueue,
  Disk,
  DiskFile,
  DiskLock,
  LogFile,
  WriteMethod,
} from "../../src/disk/disk.js";
import { loadNativeDisk, type NativeBackend, nativeSeam } from "../../src/disk/native.js";
import { loadAddon } from "../../src/disk/native-addon.js";
import { faultsOf } from "../support/fault-matrix.js";

const CHILD = fileURLToPath(new URL("native-child.mjs", import.meta.url));
const countFault = faultsOf("native-disk");
const ZOMBIES = "the lock is free only when nothing more lands";
const ENDED = "no crash, no hang, the lock is free";

const { EAGAIN, EBUSY, EINTR, EIO, ENOMEM, ENOSPC, ENOSYS, EPERM } = constants.errno;
const LOG_BYTES = 8 * 1024 * 1024;
/** So much that a good part of it is still in flight when its process has been killed. */
const ZOMBIE_BYTES = 256 * 1024 * 1024;
const METHODS: readonly WriteMethod[] = ["direct-dsync", "buffered-dsync", "buffered-fdatasync"];

const addon = loadAddon(true);
const seam = nativeSeam();
const haveRing = addon.probeRing() === 0;
if (!haveRing) console.warn("io_uring is refused here: its tests run on threads only");
const BACKENDS: readonly NativeBackend[] = haveRing ? ["io_uring", "threads"] : ["threads"];

let folder: string;
/** The best method there is in the folder. */
let method: WriteMethod;

beforeEach(async () => {
  folder = fs.mkdtempSync(join(tmpdir(), "holdfast-native-"));
  const { directProven, fileSystem } = await loadNativeDisk().describe(folder);
  method = directProven ? "direct-dsync" : "buffered-dsync";
  if (!directProven) console.warn(`no direct writes on ${fileSystem}: tested through the cache`);
});

afterEach(() => {
  seam.setCompletionFault(0, 0, 0);
  seam.setShortWrite(0, 0, 0);
  seam.setEnterFault(0, 0, 0);
  seam.setSplitSubmission(0, 0, 0);
  seam.setStaleFlag(0, 0, 0);
  seam.setRefusals(0, 0);
  fs.rmSync(folder, { recursive: true, force: true });
});

async function makeLog(disk: Disk, bytes: number): Promise<string> {
  const path = join(folder, "log");
  const file = await disk.open(path, { write: true, create: true });
  await file.zeroFill(0, bytes);
  await file.sync();
  await file.close();
  return path;
}

interface Opened {
  readonly disk: Disk;
  readonly lock: DiskLock;
  readonly queue: CommitQueue;
  readonly log: LogFile;
  readonly path: string;
  /** What became of each submitted write, in the order of completion. */
  readonly outcomes: { slot: number; code: string | undefined }[];
  close(): Promise<void>;
}

async function openQueue(backend: NativeBackend, how: WriteMethod): Promise<Opened> {
  const disk = loadNativeDisk({ backend, testSeam: true });
  const path = await makeLog(disk, 1024 * 1024);
  const lock = (await disk.lock(join(folder, "lock")))!;
  const outcomes: Opened["outcomes"] = [];
  const queue = disk.openCommitQueue({
    slotBytes: 65536,
    slotCount: 4,
    lock,
    handler: {
      completed: (slot, error) => void outcomes.push({ slot, code: error && errnoCode(error) }),
      deliver: () => false,
    },
  });
  const log = await queue.openLog(path, how);
  const close = async (): Promise<void> => {
    await log.close();
    await queue.close();
    await lock.release();
  };
  return { disk, lock, queue, log, path, outcomes, close };
}

function waitForAll(queue: CommitQueue): void {
  while (queue.inFlight > 0) queue.wait();
}

function startChild(...args: string[]): ChildProcess {
  return spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "inherit"] });
}

/** The first line a child says. */
function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    child.once("exit", (code, signal) => reject(new Error(`child ended: ${code ?? signal}`)));
  });
}

function ended(child: ChildProcess): Promise<number | NodeJS.Signals> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => resolve(code ?? signal!));
  });
}

describe("checksums by instruction and by table", () => {
  test("are equal to the published values", () => {
    const bytes = new TextEncoder().encode("123456789");
    expect(addon.crc32c(bytes, 0, 9, 0)).toBe(0xe3069283);
    expect(addon.crc32cByTable(bytes, 0, 9, 0)).toBe(0xe3069283);
  });

  test("are equal to each other for every length and place that takes another path", () => {
    if (addon.checksumKind === "table") console.warn("no CRC instruction: compared with itself");
    const bytes = Uint8Array.from({ length: 40_000 }, (_, i) => (i * 131) ^ (i >> 7));
    const lengths = [...Array(800).keys(), 1535, 1536, 1537, 12287, 12288, 12289, 13057, 39_980];
    for (const length of lengths) {
      const from = length % 11;
      const seed = (length * 0x9e3779b1) >>> 0;
      const byTable = addon.crc32cByTable(bytes, from, from + length, seed);
      expect(addon.crc32c(bytes, from, from + length, seed)).toBe(byTable);
    }
  });

  test("refuse ranges outside the bytes", () => {
    const bytes = new Uint8Array(16);
    expect(() => addon.crc32c(bytes, 0, 17, 0)).toThrow(RangeError);
    expect(() => addon.crc32c(bytes, 9, 8, 0)).toThrow(RangeError);
    expect(() => addon.storeChecksums(bytes, Int32Array.of(0, 8, 13), 1)).toThrow(RangeError);
    expect(() => addon.storeChecksums(bytes, Int32Array.of(0, 8, 12), 2)).toThrow(RangeError);
    expect(() => addon.verifyChecksums(bytes, Int32Array.of(-1, 8, 12), 1)).toThrow(RangeError);
  });

  test("refuse a plan that is none, and one that a sum would be stored over", () => {
    const bytes = new Uint8Array(64);
    const shifted = new Uint8Array(48).subarray(1) as unknown as Int32Array;
    expect(() => addon.storeChecksums(bytes, shifted, 1)).toThrow("apart from the bytes");
    const plan = Int32Array.of(0, 4, 12, 0, 4, 20);
    const same = new Uint8Array(plan.buffer);
    expect(() => addon.storeChecksums(same, plan, 2)).toThrow("apart from the bytes");
    expect(() => addon.storeChecksums(same.subarray(0, 4), plan, 1)).toThrow(
      "apart from the bytes",
    );
    expect(() => addon.verifyChecksums(bytes, plan, 2)).not.toThrow();
  });
});

describe.each(BACKENDS)("writes by %s", (backend) => {
  test.each(METHODS)("a short %s write is completed, once, with the right bytes", async (how) => {
    if (how === "direct-dsync" && method !== how) return console.warn("no direct writes here");
    const opened = await openQueue(backend, how);
    const bytes = Uint8Array.from({ length: 65536 }, (_, i) => (i * 7) ^ (i >> 8));
    opened.queue.slot(2).set(bytes);
    // Not a multiple of the alignment: what was taken past it must be written again.
    seam.setShortWrite(0, 20_000 - (how === "direct-dsync" ? 3616 : 0), 3);
    opened.queue.submit(opened.log, 2, 65536, 4096);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 2, code: undefined }]);
    const written = fs.readFileSync(opened.path).subarray(4096, 4096 + 65536);
    expect(Buffer.compare(written, bytes)).toBe(0);
    await opened.close();
  });

  test("a write without progress is EIO", async () => {
    const opened = await openQueue(backend, "buffered-dsync");
    seam.setShortWrite(0, 0, 1);
    opened.queue.submit(opened.log, 0, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 0, code: "EIO" }]);
    seam.setShortWrite(0, 0, 1);
    expect(() => opened.queue.writeNow(opened.log, 0, 4096, 0)).toThrow(/EIO/);
    await opened.close();
  });

  test.each([EIO, ENOSPC])("errno %i of the kernel comes out, once, as that", async (errno) => {
    const opened = await openQueue(backend, method);
    seam.setCompletionFault(1, errno, 1);
    for (const slot of [0, 1, 2]) opened.queue.submit(opened.log, slot, 4096, slot * 4096);
    waitForAll(opened.queue);
    const codes = opened.outcomes.map((outcome) => outcome.code);
    const name = errno === EIO ? "EIO" : "ENOSPC";
    expect(codes.sort()).toEqual([name, undefined, undefined].sort());
    expect(new Set(opened.outcomes.map((outcome) => outcome.slot)).size).toBe(3);
    await opened.close();
  });

  test("a failed sync is an error although the write was whole, and is not repeated", async () => {
    const opened = await openQueue(backend, "buffered-fdatasync");
    seam.setCompletionFault(1, EIO, 1);
    opened.queue.submit(opened.log, 0, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 0, code: "EIO" }]);
    await opened.close();
    countFault("36 sync fails once", `a completion of ${backend}`, "told, and not tried again");
  });

  test("an interrupted write is made again", async () => {
    const opened = await openQueue(backend, method);
    seam.setCompletionFault(0, EINTR, 5);
    opened.queue.submit(opened.log, 3, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 3, code: undefined }]);
    await opened.close();
    countFault("46 EINTR", `a completion of ${backend}`, "the write is made again", 5);
  });

  test("a log with a write in flight closes when that has completed", async () => {
    const opened = await openQueue(backend, method);
    opened.queue.submit(opened.log, 0, 65536, 0);
    await opened.log.close();
    expect(opened.outcomes).toEqual([{ slot: 0, code: undefined }]);
    expect(() => opened.queue.submit(opened.log, 0, 4096, 0)).toThrow();
    await opened.close();
  });

  test("after close the slots are gone and the lock is free at once, every time", async () => {
    for (let round = 0; round < 50; round++) {
      const opened = await openQueue(backend, method);
      const slot = opened.queue.slot(0);
      for (let i = 0; i < 4; i++) opened.queue.submit(opened.log, i, 65536, i * 65536);
      await opened.queue.close();
      expect(opened.outcomes.length).toBe(4);
      expect(slot.length).toBe(0);
      await opened.lock.release();
      const again = await opened.disk.lock(opened.lock.path);
      expect(again).toBeDefined();
      await again!.release();
    }
  });

  test("a lock released before its queue excludes others until the queue is closed", async () => {
    const opened = await openQueue(backend, method);
    await opened.lock.release();
    expect(await opened.disk.lock(opened.lock.path)).toBeUndefined();
    await opened.queue.close();
    const again = await opened.disk.lock(opened.lock.path);
    expect(again?.strength).toBe("flock");
    await again!.release();
  });

  test("a process that is killed gives the lock back only when no write can land", async () => {
    const disk = loadNativeDisk();
    const path = await makeLog(disk, ZOMBIE_BYTES);
    const chunk = 4 * 1024 * 1024;
    const file = await disk.open(path, { direct: true });
    let waitedFor = 0;
    for (let trial = 1; trial <= 3; trial++) {
      const child = startChild("zombie", folder, backend, method, String(trial));
      await firstLine(child);
      const gone = ended(child);
      child.kill("SIGKILL");
      await gone;
      let lock = await disk.lock(join(folder, "lock"));
      if (lock === undefined) waitedFor++;
      for (const start = Date.now(); lock === undefined; ) {
        expect(Date.now() - start).toBeLessThan(10_000);
        lock = await disk.lock(join(folder, "lock"));
      }
      const before = await lastBytes(file, chunk);
      // That nothing comes can only be seen by giving it time to come.
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await lastBytes(file, chunk)).toEqual(before);
      await lock.release();
    }
    await file.close();
    countFault("2 kill -9 with writes in flight", `${backend}, 4 MiB each`, ZOMBIES, 5);
    // Threads end with their writes before the process does; a ring goes on after it.
    if (waitedFor === 0 && backend === "io_uring") {
      console.warn("no write outlived its process in five trials: this disk is too fast to tell");
    }
  });

  test("a process may exit with writes in flight", async () => {
    await makeLog(loadNativeDisk(), LOG_BYTES);
    expect(await ended(startChild("exit-in-flight", folder, backend, method))).toBe(7);
    countFault("55 process.exit() with writes in flight", backend, "it ends, with its own code");
  });

  test("a write in flight keeps the process alive, an idle queue does not", async () => {
    await makeLog(loadNativeDisk(), LOG_BYTES);
    const child = startChild("idle", folder, backend, method);
    const gone = ended(child);
    expect(await firstLine(child)).toBe("completed 1 0");
    expect(await gone).toBe(0);
  });

  test("a worker may be terminated with writes in flight, again and again", async () => {
    const disk = loadNativeDisk();
    await makeLog(disk, LOG_BYTES);
    for (let round = 0; round < 12; round++) {
      const worker = new Worker(CHILD, {
        workerData: ["write-for-ever", folder, backend, method],
      });
      expect(await new Promise((resolve) => worker.once("message", resolve))).toBe("writing");
      // At another place of its doings each time.
      for (let turns = 0; turns < round % 5; turns++) {
        await new Promise((resolve) => void setImmediate(resolve));
      }
      expect(await worker.terminate()).toBe(1);
      const lock = await disk.lock(join(folder, "lock"));
      expect(lock?.strength).toBe("flock");
      await lock!.release();
    }
    countFault("54 worker.terminate() with writes in flight", backend, ENDED, 25);
  });
});

/** Of the last chunks, which land last; they are looked at as soon as the lock is there. */
function lastBytes(file: DiskFile, chunk: number): Promise<number[]> {
  const ends = [4, 3, 2, 1, 0].map((back) => ZOMBIE_BYTES - back * chunk);
  return Promise.all(ends.map(async (end) => (await file.read(end - 1, 1))[0]!));
}

describe.runIf(haveRing)("the ring", () => {
  test.each([
    ["EINTR", EINTR],
    ["EAGAIN", EAGAIN],
    ["EBUSY", EBUSY],
  ])("io_uring_enter failing with %s loses and doubles nothing", async (name, errno) => {
    const opened = await openQueue("io_uring", "buffered-fdatasync");
    for (let after = 0; after < 12; after++) {
      opened.outcomes.length = 0;
      seam.setEnterFault(after, errno, 3);
      for (const slot of [0, 1, 2, 3]) opened.queue.submit(opened.log, slot, 4096, slot * 4096);
      waitForAll(opened.queue);
      expect(opened.outcomes.map((outcome) => outcome.slot).sort()).toEqual([0, 1, 2, 3]);
      expect(opened.outcomes.every((outcome) => outcome.code === undefined)).toBe(true);
    }
    await opened.close();
    const expected = "no completion is lost or doubled";
    countFault(`46 ${name} from io_uring_enter`, "every submission in turn", expected, 12);
  });

  test("a flag of deferred completions that stays set holds up nobody", async () => {
    const opened = await openQueue("io_uring", method);
    const looks = 100_000;
    seam.setStaleFlag(0, 0, looks);
    for (const slot of [0, 1, 2, 3]) opened.queue.submit(opened.log, slot, 4096, slot * 4096);
    waitForAll(opened.queue);
    expect(opened.outcomes.map(({ slot }) => slot).sort()).toEqual([0, 1, 2, 3]);
    // It is looked at once or twice for each completion, and not until it is gone.
    expect(seam.staleFlagLeft()).toBeGreaterThan(looks - 1000);
    await opened.close();
  });

  test("a lasting failure of io_uring_enter is thrown, and the slot stays free", async () => {
    const opened = await openQueue("io_uring", method);
    seam.setEnterFault(0, EPERM, 1);
    expect(() => opened.queue.submit(opened.log, 0, 4096, 0)).toThrow(/EPERM/);
    expect(opened.queue.inFlight).toBe(0);
    opened.queue.submit(opened.log, 0, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 0, code: undefined }]);
    await opened.close();
  });

  test("a write parted from its sync is still synced before it completes", async () => {
    const opened = await openQueue("io_uring", "buffered-fdatasync");
    seam.setSplitSubmission(0, 1, 1);
    // The write, then the sync that follows it: the second result is the sync's.
    seam.setCompletionFault(1, EIO, 1);
    opened.queue.submit(opened.log, 0, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes).toEqual([{ slot: 0, code: "EIO" }]);
    seam.setSplitSubmission(0, 1, 1);
    opened.queue.submit(opened.log, 0, 4096, 0);
    waitForAll(opened.queue);
    expect(opened.outcomes[1]).toEqual({ slot: 0, code: undefined });
    await opened.close();
  });
});

describe("the back end", () => {
  test.each([
    ["EPERM", EPERM],
    ["ENOSYS", ENOSYS],
    ["ENOMEM", ENOMEM],
  ])("is threads where io_uring is refused with %s, and says so", async (name, errno) => {
    seam.setRefusals(errno, 0);
    const { info } = loadNativeDisk({ testSeam: true });
    expect(info.backend).toBe("threads");
    expect(info.reason).toContain(name);
    countFault(`48 io_uring refused with ${name}`, "injected", "threads instead, and it is said");
  });

  test.runIf(haveRing)("is threads when only a larger ring is refused", async () => {
    const disk = loadNativeDisk({ testSeam: true });
    expect(disk.info.backend).toBe("io_uring");
    seam.setRefusals(ENOMEM, 0);
    const lock = (await disk.lock(join(folder, "lock")))!;
    const handler = { completed: () => {}, deliver: () => false };
    const queue = disk.openCommitQueue({ slotBytes: 4096, slotCount: 2, lock, handler });
    expect(disk.info.backend).toBe("threads");
    expect(disk.info.reason).toContain("ENOMEM");
    await queue.close();
    await lock.release();
  });

  test("is an error, and leaks no lock, where threads are refused as well", async () => {
    seam.setRefusals(EPERM, EAGAIN);
    const disk = loadNativeDisk({ testSeam: true });
    const lock = (await disk.lock(join(folder, "lock")))!;
    const handler = { completed: () => {}, deliver: () => false };
    const options = { slotBytes: 4096, slotCount: 2, lock, handler };
    expect(() => disk.openCommitQueue(options)).toThrow(/EAGAIN/);
    await lock.release();
    expect((await disk.lock(join(folder, "lock")))?.strength).toBe("flock");
  });
});

describe("the lock", () => {
  test("excludes another opening, another worker and another process", async () => {
    const disk = loadNativeDisk();
    const lock = (await disk.lock(join(folder, "lock")))!;
    expect(lock.strength).toBe("flock");
    expect(await disk.lock(join(folder, "lock"))).toBeUndefined();
    const worker = new Worker(CHILD, { workerData: ["try-lock", folder] });
    expect(await new Promise((resolve) => worker.once("message", resolve))).toBe("held");
    expect(await firstLine(startChild("try-lock", folder))).toBe("held");
    await lock.release();
    expect(await firstLine(startChild("try-lock", folder))).toBe("taken");
  });

  test("is given back when its holder is killed, and not inherited by its children", async () => {
    const disk = loadNativeDisk();
    const child = startChild("hold-lock", folder);
    expect(await firstLine(child)).toBe("taken");
    expect(await disk.lock(join(folder, "lock"))).toBeUndefined();
    const gone = ended(child);
    child.kill("SIGKILL");
    await gone;
    const lock = await disk.lock(join(folder, "lock"));
    expect(lock).toBeDefined();
    const bystander = startChild("foreign-fault", folder);
    await lock!.release();
    expect(await disk.lock(join(folder, "lock"))).toBeDefined();
    await ended(bystander);
  });
});

describe("mappings", () => {
  test("of a file cut short give EIO for what is gone, and the process lives", async () => {
    const path = join(folder, "run");
    fs.writeFileSync(path, new Uint8Array(1024 * 1024).fill(5));
    const mapping = await loadNativeDisk().map(path);
    const target = new Uint8Array(8192);
    fs.truncateSync(path, 4096);
    for (let round = 0; round < 3; round++) {
      expect(() => mapping.copy(500_000, 8192, target, 0)).toThrow(/EIO/);
      expect(() => mapping.copy(4090, 100, target, 0)).toThrow(/EIO/);
      mapping.copy(0, 4096, target, 10);
      expect(target[10]).toBe(5);
    }
    mapping.close();
    expect(() => mapping.copy(0, 1, target, 0)).toThrow(/EBADF/);
    countFault("32 file cut short while it is mapped", "ftruncate", "EIO, the process lives", 6);
  });

  test("leave a SIGBUS that is not theirs what it was", async () => {
    const child = startChild("foreign-fault", folder);
    const gone = ended(child);
    await firstLine(child);
    expect(await gone).toBe("SIGBUS");
  });
});

describe("files", () => {
  test("take zeros and give direct reads at any place", async () => {
    const disk = loadNativeDisk();
    const path = join(folder, "file");
    const bytes = Uint8Array.from({ length: 10_000 }, (_, i) => i % 251);
    const file = await disk.open(path, { write: true, create: true, direct: true });
    await file.write(0, bytes);
    expect(Buffer.compare(await file.read(4095, 3000), bytes.subarray(4095, 7095))).toBe(0);
    expect(Buffer.compare(await file.read(9_000, 5_000), bytes.subarray(9_000))).toBe(0);
    expect((await file.read(20_000, 10)).length).toBe(0);
    await file.zeroFill(1000, 3 * 1024 * 1024);
    expect(await file.size()).toBe(1000 + 3 * 1024 * 1024);
    const read = await file.read(0, 10_000);
    expect(Buffer.compare(read.subarray(0, 1000), bytes.subarray(0, 1000))).toBe(0);
    expect(read.subarray(1000).every((byte) => byte === 0)).toBe(true);
    await file.close();
  });

  test("read into memory that an earlier read gave, where that is possible", async () => {
    const disk = loadNativeDisk();
    const path = join(folder, "reused");
    const bytes = Uint8Array.from({ length: 20_480 }, (_, i) => i % 251);
    const file = await disk.open(path, { write: true, create: true, direct: true });
    await file.write(0, bytes.subarray(0, 18_000));
    const first = await file.read(0, 8192);
    const second = await file.read(8192, 4096, first);
    expect(second.buffer).toBe(first.buffer);
    expect(Buffer.compare(second, bytes.subarray(8192, 12_288))).toBe(0);
    // The end of the file, and what lies behind it; what is not aligned, and what does not fit.
    const cases: [offset: number, length: number, reuse: Uint8Array, reused: boolean][] = [
      [16_384, 8192, first, true],
      [20_480, 4096, first, true],
      [100, 4096, first, false],
      [0, 12_288, first, false],
      [4096, 4096, first.subarray(1), false],
    ];
    for (const [offset, length, reuse, reused] of cases) {
      const read = await file.read(offset, length, reuse);
      expect(read.buffer === reuse.buffer).toBe(reused);
      const expected = bytes.subarray(offset, Math.min(18_000, offset + length));
      expect(Buffer.compare(read, expected)).toBe(0);
    }
    await file.close();
  });
});
