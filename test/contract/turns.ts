/** The part of the contract about turns: deliveries, ends of turns, timers and failed writes. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  type DiskCapabilities,
  type DiskFixture,
  type FaultyFixture,
  type MakeDisk,
  readFileOf,
} from "./fixture.js";
import { QueueFixture } from "./queue-fixture.js";

export function turnsContract(make: MakeDisk, capabilities: DiskCapabilities): void {
  describe("deliver", () => {
    let fixture: DiskFixture;
    let queue: QueueFixture;

    beforeEach(async () => {
      fixture = await make();
      queue = await QueueFixture.open(fixture);
    });

    afterEach(async () => {
      await queue.close();
      await fixture.dispose();
    });

    /** Lanes that note when they go on, one promise continuation after another. */
    async function lanes(viaWait: boolean): Promise<string[]> {
      const log = (await queue.openLog(capabilities.methods[0]!))!;
      const notes: string[] = [];
      queue.onDeliver = () => {
        // Holds everything back until all have completed, so that it has to be called many times.
        if (queue.queue.inFlight > 0) return false;
        notes.push("deliver");
        queue.deliverOne();
        return queue.readyCount > 0;
      };
      const lane = async (slot: number): Promise<void> => {
        await queue.write(log, slot, 4096, slot * 4096);
        for (let step = 0; step < 5; step++) await undefined;
        notes.push("continued");
        fixture.disk.scheduler.endOfTurn(() => notes.push("end of turn"));
      };
      const running = [0, 1, 2, 3].map(lane);
      if (viaWait) while (queue.queue.inFlight > 0) queue.wait();
      await Promise.all(running);
      await new Promise<void>((resolve) => fixture.disk.scheduler.endOfTurn(resolve));
      return notes;
    }

    test.each([
      ["completions from the event loop", false],
      ["completions that wait has reaped", true],
    ])("is called in turns of their own after %s", async (_, viaWait) => {
      const notes = await lanes(viaWait);
      const rounds = notes.filter((note) => note !== "end of turn");
      expect(rounds).toEqual(Array(4).fill(["deliver", "continued"]).flat());
      expect(notes.filter((note) => note === "end of turn")).toHaveLength(4);
    });

    test("is not called again once it has given false", async () => {
      const log = (await queue.openLog(capabilities.methods[0]!))!;
      await queue.write(log, 0, 4096, 0);
      const before = queue.deliveries;
      await new Promise<void>((resolve) => {
        fixture.disk.scheduler.after(5, resolve, true);
      });
      expect(queue.deliveries).toBe(before);
    });
  });

  describe("the scheduler", () => {
    let fixture: DiskFixture;

    beforeEach(async () => {
      fixture = await make();
    });

    afterEach(() => fixture.dispose());

    test("endOfTurn runs after all continuations, and those that they made ready", async () => {
      const { scheduler } = fixture.disk;
      const notes: string[] = [];
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => {
        open = resolve;
      });
      const ended = new Promise<void>((resolve) => {
        const lane = async (depth: number): Promise<void> => {
          await gate;
          for (let i = 0; i < depth; i++) await undefined;
          notes.push("continued");
        };
        void lane(0);
        void gate.then(() => {
          scheduler.endOfTurn(() => {
            notes.push("end");
            resolve();
          });
        });
        for (let depth = 1; depth <= 50; depth++) void lane(depth);
      });
      open();
      await ended;
      expect(notes).toEqual([...Array(51).fill("continued"), "end"]);
    });

    test("endOfTurn called from plain code runs after it and its continuations", async () => {
      const { scheduler } = fixture.disk;
      const notes: string[] = [];
      await new Promise<void>((resolve) => {
        scheduler.after(
          0,
          () => {
            scheduler.endOfTurn(() => {
              notes.push("end");
              resolve();
            });
            void Promise.resolve().then(() => notes.push("continued"));
            notes.push("plain");
          },
          true,
        );
      });
      expect(notes).toEqual(["plain", "continued", "end"]);
    });

    test("endOfTurn from inside endOfTurn runs later", async () => {
      const { scheduler } = fixture.disk;
      const notes: string[] = [];
      await new Promise<void>((resolve) => {
        scheduler.endOfTurn(() => {
          scheduler.endOfTurn(() => {
            notes.push("second");
            resolve();
          });
          void Promise.resolve().then(() => notes.push("continued"));
          notes.push("first");
        });
      });
      expect(notes).toEqual(["first", "continued", "second"]);
    });

    test("timers run after their time, in order, unless cancelled", async () => {
      const { clock, scheduler } = fixture.disk;
      const notes: string[] = [];
      const start = clock.monotonicMicros();
      await new Promise<void>((resolve) => {
        scheduler.after(1, () => notes.push("cancelled"), true).cancel();
        scheduler.after(2, () => notes.push("unreferenced"), false);
        scheduler.after(30, () => resolve(), true);
        const late = scheduler.after(10, () => notes.push("ten"), true);
        scheduler.after(20, () => late.cancel(), true);
      });
      // Node.js rounds timers to milliseconds of a clock of its own.
      expect(clock.monotonicMicros() - start).toBeGreaterThanOrEqual(29_000);
      expect(notes).toEqual(["unreferenced", "ten"]);
    });

    test("the clocks are what they claim to be", async () => {
      const { clock, scheduler } = fixture.disk;
      let before = clock.monotonicMicros();
      for (let i = 0; i < 1000; i++) {
        const now = clock.monotonicMicros();
        expect(now).toBeGreaterThanOrEqual(before);
        before = now;
        expect(Number.isSafeInteger(clock.nowMicros())).toBe(true);
      }
      const [wall, monotonic] = [clock.nowMicros(), clock.monotonicMicros()];
      await new Promise<void>((resolve) => {
        scheduler.after(20, resolve, true);
      });
      const passed = clock.monotonicMicros() - monotonic;
      expect(Math.abs(clock.nowMicros() - wall - passed)).toBeLessThan(5000);
      expect(new Date(clock.nowMicros() / 1000).getUTCFullYear()).toBeGreaterThan(2020);
    });
  });

  const { faulty } = capabilities;
  if (faulty !== undefined) failuresContract(faulty, capabilities);
}

function failuresContract(
  makeFaulty: () => Promise<FaultyFixture | undefined>,
  capabilities: DiskCapabilities,
): void {
  describe("failed writes", () => {
    let fixture: FaultyFixture | undefined;
    let queue: QueueFixture;

    beforeEach(async (context) => {
      fixture = await makeFaulty();
      if (fixture === undefined) {
        context.skip();
        return;
      }
      queue = await QueueFixture.open(fixture);
    });

    afterEach(async () => {
      if (fixture === undefined) return;
      await queue.close();
      await fixture.dispose();
    });

    const someFailure = { code: expect.stringMatching(/^(EIO|ENOSPC)$/) as unknown as string };

    test("are told to completed, with a system error", async () => {
      const { failingPath, failWrites } = fixture!;
      const log = (await queue.openLog(capabilities.methods.at(-1)!, failingPath))!;
      failWrites(1);
      await expect(queue.write(log, 0, 4096, 0)).rejects.toMatchObject(someFailure);
      expect(queue.failures[0]).toBeInstanceOf(Error);
      expect(queue.failures[0]).toMatchObject({ path: log.path });
      expect(queue.queue.inFlight).toBe(0);
    });

    test("are thrown by writeNow", async () => {
      const { failingPath, failWrites } = fixture!;
      const log = (await queue.openLog(capabilities.methods.at(-1)!, failingPath))!;
      failWrites(1);
      expect(() => queue.queue.writeNow(log, 0, 4096, 0)).toThrow(
        expect.objectContaining(someFailure),
      );
      expect(queue.calls).toEqual([]);
    });

    test("do not get lost with many in flight, nor inside wait", async () => {
      const { failingPath, failWrites } = fixture!;
      const log = (await queue.openLog(capabilities.methods.at(-1)!, failingPath))!;
      failWrites(6);
      const settled = Promise.allSettled(
        [0, 1, 2, 3, 4, 5].map((slot) => queue.write(log, slot, 4096, slot * 4096)),
      );
      queue.wait();
      queue.wait();
      const outcomes = await settled;
      expect(outcomes.map(({ status }) => status)).toEqual(Array(6).fill("rejected"));
      expect(queue.completed.toSorted()).toEqual([0, 1, 2, 3, 4, 5]);
    });

    test("a short write is completed by the queue", async (context) => {
      const { shortenWrite, disk } = fixture!;
      if (shortenWrite === undefined) {
        context.skip();
        return;
      }
      const log = (await queue.openLog(capabilities.methods[0]!))!;
      queue.queue.slot(0).fill(7);
      shortenWrite();
      await queue.write(log, 0, 16_384, 4096);
      expect(queue.completed).toEqual([0]);
      const content = await readFileOf(disk, queue.path);
      expect(content.subarray(4096, 4096 + 16_384).every((byte) => byte === 7)).toBe(true);
    });
  });
}
