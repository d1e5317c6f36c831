import { expect, test } from "vitest";
import { IoBudget } from "../../src/snapshot/budget.js";
import { nextFlush, nextPressure } from "../../src/snapshot/trigger.js";
import { SimulatedMachine } from "../sim/disk.js";

function budgetOn(bytesPerSecond: number, burstBytes: number) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  const budget = new IoBudget({ bytesPerSecond, burstBytes }, disk.clock, disk.scheduler);
  const abort = new AbortController();
  const wait = (): Promise<void> => machine.run(budget.wait(abort.signal));
  const seconds = (): number => disk.clock.monotonicMicros() / 1e6;
  return { machine, disk, budget, abort, wait, seconds };
}

test("the average stays at the rate, those who never wait included", async () => {
  const { budget, wait, seconds } = budgetOn(1_000_000, 100_000);
  let bytes = 0;
  for (let i = 0; i < 100; i++) {
    budget.count(30_000, 20_000);
    bytes += 50_000;
    if (i % 3 > 0) continue;
    await wait();
    expect(bytes / (seconds() + 0.1)).toBeLessThanOrEqual(1_000_001);
  }
  expect(seconds()).toBeLessThan(5.2);
  const { bytesRead, bytesWritten, waitedMicros } = budget.figures;
  expect({ bytesRead, bytesWritten }).toEqual({ bytesRead: 3_000_000, bytesWritten: 2_000_000 });
  expect(waitedMicros).toBeGreaterThan(4_000_000);
});

test("a burst is free, what is saved up is bounded", async () => {
  const { disk, machine, budget, wait, seconds } = budgetOn(1000, 500);
  await machine.run(
    new Promise<void>((resolve) => void disk.scheduler.after(10_000, resolve, true)),
  );
  const before = seconds();
  budget.count(500, 0);
  await wait();
  expect(seconds() - before).toBeLessThan(0.001);
  budget.count(0, 1000);
  expect(budget.figures.short).toBe(true);
  await wait();
  expect(seconds() - before).toBeGreaterThan(0.99);
});

test("a debt is bounded, a hurry or a cancellation ends the waiting", async () => {
  const { machine, budget, abort, wait, seconds } = budgetOn(1000, 500);
  budget.count(1_000_000_000, 0);
  await wait();
  expect(seconds()).toBeGreaterThan(3.9);
  expect(seconds()).toBeLessThan(4.2);
  budget.count(1_000_000_000, 0);
  const waiting = budget.wait(abort.signal);
  budget.hurry(true);
  await machine.run(waiting);
  expect(budget.figures.short).toBe(false);
  budget.hurry(false);
  const other = budget.wait(abort.signal);
  abort.abort();
  await machine.run(other);
  expect(seconds()).toBeLessThan(4.4);
});

test("without a limit nobody waits", async () => {
  const { budget, wait, seconds } = budgetOn(Number.POSITIVE_INFINITY, 10);
  budget.count(1e12, 1e12);
  await wait();
  expect(budget.figures.short).toBe(false);
  expect(seconds()).toBeLessThan(0.001);
});

const OPTIONS = { recoveryBudgetMicros: 50_000, slowBytes: 1000, stopBytes: 4000 };
const COST = { microsPerOperation: 2, microsPerKilobyte: 4 };

test.each([
  [0, 0, 0, false, 0],
  [17_400, 0, 0, false, 0.696],
  [17_500, 0, 0, true, 0.7],
  [1, 8_960_000, 0, true, 0.70004],
  [1, 0, 699, false, 0.00004],
  [1, 0, 700, true, 0.00004],
  [0, 9e9, 9e9, false, 703.125],
])("%i operations, %i bytes, %i in memory: flush %s", (operations, bytes, memory, flush, part) => {
  const tail = { operations, bytes, memoryBytes: memory };
  const trigger = nextFlush(tail, COST, OPTIONS);
  expect(trigger.flush).toBe(flush);
  expect(trigger.urgency).toBeCloseTo(part, 4);
});

test("pressure rises at once and falls late", () => {
  const levels: string[] = [];
  let level: ReturnType<typeof nextPressure> = "none";
  for (const bytes of [0, 999, 1000, 800, 740, 5000, 3100, 2900, 751, 749]) {
    level = nextPressure(level, { operations: 1, bytes: 0, memoryBytes: bytes }, 1, OPTIONS);
    levels.push(level);
  }
  const [none, slow, stop] = ["none", "slow", "stop"];
  expect(levels).toEqual([none, none, slow, slow, none, stop, stop, slow, slow, none]);
  const onDisk = { operations: 1, bytes: 4000, memoryBytes: 0 };
  expect(nextPressure("none", onDisk, 1, OPTIONS)).toBe("stop");
});

test("so does it with the number of runs", () => {
  const levels: string[] = [];
  let level: ReturnType<typeof nextPressure> = "none";
  const nothing = { operations: 0, bytes: 0, memoryBytes: 0 };
  for (const runs of [79, 80, 61, 59, 240, 181, 179, 60, 59]) {
    level = nextPressure(level, nothing, runs, OPTIONS);
    levels.push(level);
  }
  const [none, slow, stop] = ["none", "slow", "stop"];
  expect(levels).toEqual([none, slow, slow, none, stop, stop, slow, slow, none]);
});
