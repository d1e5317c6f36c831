/** What is particular to the portable disk; what all disks have in common is in test/contract. */
import * as fs from "node:fs";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { openFile, syncDirectory } from "../../src/disk/node-files.js";
import { portableDisk } from "../../src/disk/portable.js";
import { PortableLog } from "../../src/disk/portable-log.js";
import { faultsOf } from "../support/fault-matrix.js";

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/holdfast-portable-`);
});

afterEach(() => rm(directory, { recursive: true }));

function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

const countFault = faultsOf("portable-disk");

describe("a portable log", () => {
  /** The pool answers when the test lets it, with what the test says. */
  interface PoolCall {
    readonly name: "write" | "fdatasync";
    readonly bytes: Uint8Array | undefined;
    answer(error: Error | null, written?: number): void;
  }

  let calls: PoolCall[];
  let settled: [slot: number, error: Error | undefined][];
  let log: PortableLog;

  function openLog(method: "buffered-dsync" | "buffered-fdatasync"): void {
    const path = `${directory}/log`;
    fs.writeFileSync(path, new Uint8Array(65_536));
    const fds = [fs.openSync(path, "r+"), fs.openSync(path, "r+")] as const;
    settled = [];
    const settle = (slot: number, error: Error | undefined): void =>
      void settled.push([slot, error]);
    log = new PortableLog(path, method, fds, settle, () => {}, {
      write: (_fd, bytes, from, length, _offset, callback) =>
        void calls.push({
          name: "write",
          bytes: bytes.subarray(from, from + length),
          answer: (error, written = length) => callback(error, written),
        }),
      fdatasync: (_fd, callback) =>
        void calls.push({ name: "fdatasync", bytes: undefined, answer: callback }),
    });
  }

  beforeEach(() => {
    calls = [];
  });

  function take(name: PoolCall["name"]): PoolCall {
    const call = calls.shift();
    expect(call?.name).toBe(name);
    return call!;
  }

  const EIO = Object.assign(new Error("EIO: injected"), { code: "EIO" });

  test("shares one sync among all frames written before it, and never has two", () => {
    openLog("buffered-fdatasync");
    log.submit(0, new Uint8Array(10), 0);
    log.submit(1, new Uint8Array(10), 4096);
    log.submit(2, new Uint8Array(10), 8192);
    take("write").answer(null);
    expect(calls.map(({ name }) => name)).toEqual(["fdatasync"]);
    log.submit(3, new Uint8Array(10), 12_288);
    expect(calls).toHaveLength(1);
    take("fdatasync").answer(null);
    expect(settled).toEqual([[0, undefined]]);
    take("write").answer(null);
    take("write").answer(null);
    expect(calls.map(({ name }) => name)).toEqual(["write"]);
    take("write").answer(null);
    take("fdatasync").answer(null);
    expect(settled.map(([slot]) => slot)).toEqual([0, 1, 2, 3]);
  });

  test("has one durable write in the pool at a time", () => {
    openLog("buffered-dsync");
    for (let slot = 0; slot < 3; slot++) log.submit(slot, new Uint8Array(10), slot * 4096);
    for (let slot = 0; slot < 3; slot++) {
      expect(calls).toHaveLength(1);
      take("write").answer(null);
      expect(settled).toHaveLength(slot + 1);
    }
  });

  test("writes on after a short write, and takes no progress for a failure", () => {
    openLog("buffered-dsync");
    log.submit(0, Uint8Array.from([1, 2, 3, 4, 5]), 0);
    take("write").answer(null, 2);
    expect([...calls[0]!.bytes!]).toEqual([3, 4, 5]);
    take("write").answer(null, 3);
    expect(settled).toEqual([[0, undefined]]);
    log.submit(1, new Uint8Array(10), 0);
    take("write").answer(null, 0);
    expect(settled[1]).toMatchObject([1, { code: "EIO", path: `${directory}/log` }]);
  });

  test("fails everything that was not durable when a sync fails, and tries nothing again", async () => {
    openLog("buffered-fdatasync");
    log.submit(0, new Uint8Array(10), 0);
    log.submit(1, new Uint8Array(10), 4096);
    take("write").answer(null);
    take("fdatasync").answer(EIO);
    expect(settled).toEqual([[0, EIO]]);
    await turn();
    expect(settled).toEqual([
      [0, EIO],
      [1, EIO],
    ]);
    log.submit(2, new Uint8Array(10), 0);
    expect(settled).toHaveLength(2);
    await turn();
    expect(settled[2]).toEqual([2, EIO]);
    expect(() => log.writeNow(new Uint8Array(10), 0)).toThrow(EIO);
    expect(calls).toEqual([]);
    await log.close();
  });

  test("a late write of the pool does not undo what came after it", async () => {
    openLog("buffered-fdatasync");
    const slot = new Uint8Array(4096).fill(1);
    log.submit(0, slot, 0);
    const late = take("write");
    expect(log.settleOne(true)).toBe(false);
    expect(log.settleOne(false)).toBe(true);
    expect(settled).toEqual([[0, undefined]]);
    // The slot is free: what is done with it must not reach the write that is still under way.
    slot.fill(9);
    expect(late.bytes!.every((byte) => byte === 1)).toBe(true);
    log.writeNow(new Uint8Array(100).fill(2), 1000);
    expect(late.bytes![999]).toBe(1);
    expect(late.bytes!.subarray(1000, 1100).every((byte) => byte === 2)).toBe(true);
    expect(late.bytes![1100]).toBe(1);
    const closing = log.close();
    let closed = false;
    void closing.then(() => {
      closed = true;
    });
    await turn();
    expect(closed).toBe(false);
    late.answer(null);
    take("fdatasync").answer(null);
    await closing;
    expect(settled).toHaveLength(1);
  });

  test("a late write that fails is reported by the next one", async () => {
    openLog("buffered-dsync");
    log.submit(0, new Uint8Array(10), 0);
    log.settleOne(false);
    take("write").answer(EIO);
    expect(settled).toEqual([[0, undefined]]);
    log.submit(1, new Uint8Array(10), 4096);
    await turn();
    expect(settled[1]).toEqual([1, EIO]);
    await log.close();
    countFault("37 failure told one call late", "node:fs, injected", "the next write tells it");
  });

  test("or by closing, if there is no next one", async () => {
    openLog("buffered-dsync");
    log.submit(0, new Uint8Array(10), 0);
    log.settleOne(false);
    take("write").answer(EIO);
    await expect(log.close()).rejects.toBe(EIO);
  });
});

describe("the portable disk", () => {
  test("says why it was taken", () => {
    expect(portableDisk({ reason: "no compiler" }).info).toEqual({
      kind: "portable",
      backend: "node:fs",
      reason: "no compiler",
    });
    expect(portableDisk().info).not.toHaveProperty("reason");
  });

  test.runIf(process.platform === "linux")("knows memory file systems", async () => {
    const place = await portableDisk().describe("/dev/shm");
    expect(place).toMatchObject({ fileSystem: "tmpfs", volatile: true, known: true });
    expect(place).toMatchObject({ directProven: false, directAlignment: 0 });
  });

  test("locks the file, whatever it is called", async () => {
    const disk = portableDisk();
    const lock = await disk.lock(`${directory}/LOCK`);
    await symlink(`${directory}/LOCK`, `${directory}/alias`);
    expect(await disk.lock(`${directory}/alias`)).toBeUndefined();
    expect(await portableDisk().lock(`${directory}/alias`)).toBeUndefined();
    await lock!.release();
    const alias = await disk.lock(`${directory}/alias`);
    expect(alias).toBeDefined();
    await alias!.release();
  });
});

describe("files over node:fs", () => {
  test.runIf(process.platform === "linux")("failures name the file", async () => {
    await symlink("/dev/full", `${directory}/full`);
    const file = await openFile(`${directory}/full`, { write: true });
    const full = { code: "ENOSPC", path: `${directory}/full` };
    await expect(file.write(0, new Uint8Array(10))).rejects.toMatchObject(full);
    await expect(file.zeroFill(0, 10)).rejects.toMatchObject(full);
    await file.close();
  });

  test("a directory can be synced where the platform cannot do it", async () => {
    vi.spyOn(process, "platform", "get").mockReturnValue("win32");
    await syncDirectory(directory);
    await expect(syncDirectory(`${directory}/none`)).rejects.toMatchObject({ code: "ENOENT" });
    vi.restoreAllMocks();
  });
});
