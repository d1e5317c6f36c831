/** Clock and scheduler of real disks. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { systemClock, systemScheduler } from "../../src/disk/runtime.js";

afterEach(() => {
  vi.restoreAllMocks();
});

describe("the clock", () => {
  /** The wall clock is looked at once a millisecond. */
  function passMillisecond(): void {
    const start = systemClock.monotonicMicros();
    while (systemClock.monotonicMicros() < start + 1001);
  }

  test("is within a millisecond of the wall clock, and has microseconds", () => {
    const fractions = new Set<number>();
    for (let i = 0; i < 2000; i++) {
      const before = Date.now();
      const micros = systemClock.nowMicros();
      const after = Date.now();
      expect(Number.isSafeInteger(micros)).toBe(true);
      expect(Math.floor(micros / 1000)).toBeGreaterThanOrEqual(before - 1);
      expect(Math.floor(micros / 1000)).toBeLessThanOrEqual(after + 1);
      fractions.add(micros % 1000);
    }
    expect(fractions.size).toBeGreaterThan(10);
  });

  test("follows the wall clock when that is set, forwards and backwards", () => {
    const start = Date.now();
    for (const step of [3_600_000, -3_600_000, 5, 0]) {
      vi.spyOn(Date, "now").mockReturnValue(start + step);
      passMillisecond();
      expect(Math.floor(systemClock.nowMicros() / 1000)).toBe(start + step);
    }
  });

  test("has a monotonic face that the wall clock does not move", () => {
    const before = systemClock.monotonicMicros();
    vi.spyOn(Date, "now").mockReturnValue(0);
    const after = systemClock.monotonicMicros();
    expect(after).toBeGreaterThanOrEqual(before);
    expect(after - before).toBeLessThan(1e6);
  });
});

describe("the end of the turn", () => {
  /** What had run when the callback ran, asked for from `from`. */
  async function runFrom(from: (ask: () => void) => void): Promise<string[]> {
    const order: string[] = [];
    const done = new Promise<void>((resolve) => {
      setImmediate(() => {
        setImmediate(() => order.push("next turn"));
        from(() => {
          systemScheduler.endOfTurn(() => {
            order.push("end of turn");
            setImmediate(resolve);
          });
        });
        void Promise.resolve()
          .then(() => order.push("first"))
          .then(() => order.push("second"))
          .then(() => void Promise.resolve().then(() => order.push("third")));
      });
    });
    await done;
    return order;
  }

  const EXPECTED = ["first", "second", "third", "end of turn", "next turn"];

  test("comes after every continuation, asked for from plain code", async () => {
    expect(await runFrom((ask) => ask())).toEqual(EXPECTED);
  });

  test("comes after every continuation, asked for from a continuation", async () => {
    expect(await runFrom((ask) => void Promise.resolve().then(ask))).toEqual(EXPECTED);
  });

  test("comes after every continuation, asked for from a tick", async () => {
    expect(await runFrom((ask) => process.nextTick(ask))).toEqual(EXPECTED);
  });
});

describe("timers", () => {
  test("run once, unless they are cancelled", async () => {
    const ran: string[] = [];
    systemScheduler.after(1, () => ran.push("cancelled"), true).cancel();
    await new Promise<void>((resolve) => void systemScheduler.after(2, resolve, true));
    expect(ran).toEqual([]);
  });
});
