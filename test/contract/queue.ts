/** The part of the contract about the commit queue. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type LogFile, WRITE_METHODS, type WriteMethod } from "../../src/disk/disk.js";
import {
  type DiskCapabilities,
  type DiskFixture,
  type MakeDisk,
  pattern,
  readFileOf,
  same,
  turn,
} from "./fixture.js";
import { QueueFixture, SLOT_BYTES, SLOTS } from "./queue-fixture.js";

export function queueContract(make: MakeDisk, capabilities: DiskCapabilities): void {
  let fixture: DiskFixture;
  let queue: QueueFixture;
  let closed: boolean;

  beforeEach(async () => {
    fixture = await make();
    queue = await QueueFixture.open(fixture);
    closed = false;
  });

  afterEach(async () => {
    expect(queue.deliveredInside).toBe(false);
    if (!closed) await queue.close();
    await fixture.dispose();
  });

  /** The first method that works, for what does not depend on the method. */
  async function anyLog(): Promise<LogFile> {
    const log = await queue.openLog(capabilities.methods[0]!);
    if (log === undefined) throw new Error("no method works here");
    return log;
  }

  describe("slots", () => {
    test("are as many and as large as asked for, aligned, apart and zeroed", () => {
      expect(queue.queue.slotCount).toBe(SLOTS);
      const slots = Array.from({ length: SLOTS }, (_, slot) => queue.queue.slot(slot));
      for (const [i, slot] of slots.entries()) {
        expect(slot).toHaveLength(SLOT_BYTES);
        expect(slot.byteOffset % 4096).toBe(0);
        expect(slot.every((byte) => byte === 0)).toBe(true);
        slot.fill(i + 1);
      }
      expect(slots.every((slot, i) => slot.every((byte) => byte === i + 1))).toBe(true);
      for (const [i, slot] of slots.entries()) expect(queue.queue.slot(i)).toBe(slot);
      for (const none of [-1, SLOTS]) expect(() => queue.queue.slot(none)).toThrow(/a slot of/);
    });
  });

  describe("openLog", () => {
    test("takes the methods of this disk and refuses others with EINVAL", async () => {
      for (const method of WRITE_METHODS) {
        const log = await queue.openLog(method);
        if (capabilities.methods.includes(method)) expect(log, method).toBeDefined();
        if (!fixture.disk.writeMethods.includes(method)) expect(log, method).toBeUndefined();
        if (log === undefined) continue;
        expect(log.path).toBe(queue.path);
        expect(log.method).toBe(method);
        await log.close();
        await log.close();
      }
    });

    test("does not create files", async () => {
      const path = `${fixture.directory}/none`;
      await expect(queue.queue.openLog(path, capabilities.methods[0]!)).rejects.toMatchObject({
        code: "ENOENT",
        path,
      });
      expect(await fixture.disk.list(fixture.directory)).not.toContain("none");
    });
  });

  describe.each(capabilities.methods)("writes with %s", (method: WriteMethod) => {
    test("are there when they have completed, at their place, of their length", async () => {
      const log = (await queue.openLog(method))!;
      queue.queue.slot(2).set(pattern(SLOT_BYTES));
      await queue.write(log, 2, 8192, 4096);
      expect(queue.completed).toEqual([2]);
      const content = await readFileOf(fixture.disk, queue.path);
      expect(same(content.subarray(4096, 4096 + 8192), pattern(8192))).toBe(true);
      expect(content.subarray(0, 4096).every((byte) => byte === 0)).toBe(true);
      expect(content.subarray(4096 + 8192).every((byte) => byte === 0)).toBe(true);
      expect(content).toHaveLength(1024 * 1024);
    });

    test("can all be in flight, are each completed once, and slots are used again", async () => {
      const log = (await queue.openLog(method))!;
      const rounds = 12;
      const lane = async (slot: number): Promise<void> => {
        for (let round = 0; round < rounds; round++) {
          const bytes = queue.queue.slot(slot);
          bytes.set(pattern(4096, slot * 31 + round));
          await queue.write(log, slot, 4096, (slot * rounds + round) * 4096);
        }
      };
      await Promise.all(Array.from({ length: SLOTS }, (_, slot) => lane(slot)));
      expect(queue.completed).toHaveLength(SLOTS * rounds);
      expect(queue.queue.inFlight).toBe(0);
      expect(queue.failures).toEqual([]);
      const content = await readFileOf(fixture.disk, queue.path);
      for (let at = 0; at < SLOTS * rounds; at++) {
        const expected = pattern(4096, Math.floor(at / rounds) * 31 + (at % rounds));
        expect(same(content.subarray(at * 4096, (at + 1) * 4096), expected), `${at}`).toBe(true);
      }
    });

    test("writeNow is done when it returns, and nothing is told", async () => {
      const log = (await queue.openLog(method))!;
      queue.queue.slot(0).set(pattern(4096, 5));
      queue.inside = true;
      queue.queue.writeNow(log, 0, 4096, 40_960);
      queue.inside = false;
      const content = await readFileOf(fixture.disk, queue.path);
      expect(same(content.subarray(40_960, 45_056), pattern(4096, 5))).toBe(true);
      await turn();
      expect(queue.calls).toEqual([]);
    });

    test("writeNow works while others are in flight", async () => {
      const log = (await queue.openLog(method))!;
      const written = [0, 1, 2].map((slot) => {
        queue.queue.slot(slot).fill(slot + 1);
        return queue.write(log, slot, 4096, slot * 4096);
      });
      queue.queue.slot(3).fill(4);
      queue.queue.writeNow(log, 3, 4096, 3 * 4096);
      await Promise.all(written);
      expect([...queue.completed].sort()).toEqual([0, 1, 2]);
      const content = await readFileOf(fixture.disk, queue.path);
      expect([0, 1, 2, 3].map((i) => content[i * 4096 + 4095])).toEqual([1, 2, 3, 4]);
    });

    test("wait completes at least one, never delivers, and a delivery follows", async () => {
      const log = (await queue.openLog(method))!;
      const written = Array.from({ length: SLOTS }, (_, slot) => {
        queue.queue.slot(slot).fill(slot + 1);
        return queue.write(log, slot, SLOT_BYTES, slot * SLOT_BYTES);
      });
      expect(queue.queue.inFlight).toBe(SLOTS);
      for (let waits = 0; queue.queue.inFlight > 0; waits++) {
        const before = queue.completed.length;
        queue.wait();
        expect(queue.completed.length).toBeGreaterThan(before);
        expect(queue.queue.inFlight).toBe(SLOTS - queue.completed.length);
        expect(waits).toBeLessThan(SLOTS);
      }
      expect(queue.deliveries).toBe(0);
      const content = await readFileOf(fixture.disk, queue.path);
      await Promise.all(written);
      expect(queue.deliveries).toBeGreaterThan(0);
      expect([...queue.completed].sort()).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
      for (let slot = 0; slot < SLOTS; slot++) {
        const part = content.subarray(slot * SLOT_BYTES, (slot + 1) * SLOT_BYTES);
        expect(part.every((byte) => byte === slot + 1)).toBe(true);
      }
    });

    test("a slot that wait has freed can be used at once, also for the same place", async () => {
      const log = (await queue.openLog(method))!;
      for (let round = 1; round <= 60; round++) {
        for (let slot = 0; slot < 3; slot++) {
          queue.queue.slot(slot).fill(round);
          void queue.write(log, slot, SLOT_BYTES, slot * SLOT_BYTES);
        }
        while (queue.queue.inFlight > 0) queue.wait();
        if (round % 10 === 0) await turn();
      }
      await log.close();
      const content = await readFileOf(fixture.disk, queue.path);
      expect(content.subarray(0, 3 * SLOT_BYTES).every((byte) => byte === 60)).toBe(true);
      expect(queue.completed).toHaveLength(180);
    });

    test("closing a log waits for its writes", async () => {
      const log = (await queue.openLog(method))!;
      for (let slot = 0; slot < 4; slot++) void queue.write(log, slot, 4096, slot * 4096);
      await log.close();
      expect([...queue.completed].sort()).toEqual([0, 1, 2, 3]);
    });
  });

  describe("more than one log", () => {
    test("can be written at a time, by different methods", async () => {
      const paths = ["a", "b", "c"].map((name) => `${fixture.directory}/${name}`);
      const logs: LogFile[] = [];
      for (const [i, path] of paths.entries()) {
        const file = await fixture.disk.open(path, { write: true, create: true });
        await file.zeroFill(0, 65_536);
        await file.close();
        const method = capabilities.methods[i % capabilities.methods.length]!;
        logs.push((await queue.openLog(method, path))!);
      }
      await Promise.all(
        logs.map((log, slot) => {
          queue.queue.slot(slot).fill(slot + 1);
          return queue.write(log, slot, 4096, 8192);
        }),
      );
      for (const [i, path] of paths.entries()) {
        const content = await readFileOf(fixture.disk, path);
        expect(content.indexOf(i + 1)).toBe(8192);
        expect(content.lastIndexOf(i + 1)).toBe(8192 + 4095);
      }
    });
  });

  describe("close", () => {
    test("waits for all writes, and can be called twice", async () => {
      const log = await anyLog();
      const written = [0, 1, 2, 3].map((slot) => queue.write(log, slot, 4096, slot * 4096));
      await Promise.all([queue.queue.close(), queue.queue.close()]);
      await queue.close();
      closed = true;
      expect(queue.queue.inFlight).toBe(0);
      await Promise.all(written);
      await expect(queue.queue.openLog(queue.path, capabilities.methods[0]!)).rejects.toMatchObject(
        { code: "EBADF" },
      );
    });
  });
}
