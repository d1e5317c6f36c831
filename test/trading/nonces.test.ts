/** Nonces: every one larger than all before, whatever crashes and whatever the clock does. */
import { describe, expect, test } from "vitest";
import { type NoncePolicy, nonceBlocks } from "../../src/trading/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { seedOfRun } from "../support/seed.js";
import { openDesk } from "./helpers.js";

const POLICIES: readonly NoncePolicy[] = ["counter", "milliseconds", "microseconds"];

describe.each(POLICIES)("%s", (policy) => {
  const nonces = { v: { policy } };

  test("20 callers at once get 20 different ones, in the order they asked", async () => {
    const { trading, run } = await openDesk(undefined, { nonces });
    const given = await run(
      Promise.all(Array.from({ length: 20 }, () => trading.nonces.next("v"))),
    );
    expect(new Set(given).size).toBe(20);
    expect(given).toEqual([...given].sort((a, b) => a - b));
  });

  test("also where a block is smaller than what is asked for at once", async () => {
    const { trading, run } = await openDesk(undefined, { nonces: { v: { policy, block: 2 } } });
    const given = await run(
      Promise.all(Array.from({ length: 21 }, () => trading.nonces.next("v"))),
    );
    expect(new Set(given).size).toBe(21);
  });

  test("crashes, power losses and clock jumps: larger than all before", async () => {
    const seed = seedOfRun(7);
    const random = new Random(seed);
    const machine = new SimulatedMachine({ seed });
    const block = 2 + random.below(30);
    let last = 0;
    for (let life = 0; life < 15; life++) {
      const desk = await openDesk(machine, { nonces: { v: { policy, block } } });
      machine.crashAfter(1 + random.below(60), random.chance(0.5) ? "power" : "kill");
      const work = async () => {
        for (let i = 0; i < 100; i++) {
          const { trading } = desk;
          // Either way of asking, in any order.
          const nonce = await (random.chance(0.3)
            ? trading.transact((t) => t.nextNonce("v"))
            : trading.nonces.next("v"));
          expect(nonce, `seed ${seed}, life ${life}`).toBeGreaterThan(last);
          last = nonce;
          if (random.chance(0.1)) machine.jumpClock((random.below(2001) - 1000) * 1_000_000);
          if (random.chance(0.3)) await desk.trading.setInstrument(`i-${life}-${i}`, INSTRUMENT);
        }
      };
      await desk.run(work).catch(() => {});
      machine.crash("power");
    }
    expect(last).toBeGreaterThan(50);
  });

  test("in a transaction: before and behind those that are asked for beside it", async () => {
    const desk = await openDesk(undefined, { nonces: { v: { policy, block: 3 } } });
    const { trading, run } = desk;
    const given: number[] = [];
    await run(async () => {
      for (let i = 0; i < 30; i++) {
        const waiting = Array.from({ length: i % 5 }, async () => {
          given.push(await trading.nonces.next("v"));
        });
        const sent = trading.transact((t) => given.push(t.nextNonce("v"), t.nextNonce("v")));
        await Promise.all([...waiting, sent]);
      }
    });
    expect(new Set(given).size).toBe(given.length);
    const durable = desk.store.table(nonceBlocks).get("v")?.reserved ?? 0;
    expect(Math.max(...given)).toBeLessThanOrEqual(durable);
  });

  test("a crash leaves out no more than a block", async () => {
    const block = 50;
    const desk = await openDesk(undefined, { nonces: { v: { policy, block } } });
    let last = 0;
    for (let i = 0; i < 130; i++) last = await desk.run(desk.trading.nonces.next("v"));
    const reserved = desk.store.table(nonceBlocks).get("v")?.reserved ?? 0;
    const unit = policy === "milliseconds" ? 1000 : 1;
    const now = policy === "counter" ? 0 : Math.floor(desk.machine.nowMicros() / unit);
    expect(reserved - Math.max(last, now)).toBeLessThanOrEqual(block);
    const again = await openDesk(desk.kill(), { nonces: { v: { policy, block } } });
    expect(await again.run(again.trading.nonces.next("v"))).toBeGreaterThan(last);
  });
});

const INSTRUMENT = { venue: "v", base: "A", quote: "USD" };

test("a block that was used up to the last one, and then a crash", async () => {
  for (let seed = 1; seed < 6; seed++) {
    const nonces = { v: { policy: "counter" as const, block: 4 } };
    const machine = new SimulatedMachine({ seed });
    const { trading, run } = await openDesk(machine, { nonces });
    expect(await run(trading.nonces.next("v"))).toBe(1);
    // The machine stands still: the next block does not get to the disk.
    for (const nonce of [2, 3, 4]) expect(await trading.nonces.next("v")).toBe(nonce);
    machine.crash("power");
    const again = await openDesk(machine, { nonces });
    expect(await again.run(again.trading.nonces.next("v")), `seed ${seed}`).toBeGreaterThan(4);
  }
});

test("in the common case nobody waits for the disk", async () => {
  const { trading, run, machine } = await openDesk();
  await run(trading.nonces.next("v"));
  // The machine does nothing meanwhile, and yet they are there.
  const operations = machine.operations;
  const given = [];
  for (let i = 0; i < 40; i++) given.push(await trading.nonces.next("v"));
  expect(given).toEqual(Array.from({ length: 40 }, (_, i) => i + 2));
  expect(machine.operations).toBe(operations);
});

test("a time is that of the clock, and after a jump back goes on from the last one", async () => {
  const nonces = { v: { policy: "milliseconds" as const } };
  const { trading, run, machine } = await openDesk(undefined, { nonces });
  const first = await run(trading.nonces.next("v"));
  expect(Math.abs(first - machine.nowMicros() / 1000)).toBeLessThan(10);
  machine.jumpClock(-3_600_000_000);
  expect(await run(trading.nonces.next("v"))).toBe(first + 1);
  machine.jumpClock(2 * 3_600_000_000);
  const later = await run(trading.nonces.next("v"));
  expect(Math.abs(later - machine.nowMicros() / 1000)).toBeLessThan(10);
});

test("what cannot be meant is refused, and a failing disk is told", async () => {
  const options = [
    { policy: "dice" },
    { policy: "counter", block: 1 },
    { policy: "counter", block: 10_001 },
    { policy: "milliseconds", block: 60_001 },
  ];
  for (const option of options) {
    const opening = openDesk(undefined, { nonces: { v: option as never } });
    await expect(opening).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  const desk = await openDesk();
  await desk.run(desk.trading.nonces.next("v"));
  const other = { nonces: { v: { policy: "microseconds" as const } } };
  const { trading, run, machine } = await openDesk(desk.kill(), other);
  await expect(run(trading.nonces.next("v"))).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  machine.addFault({ operation: "queueWrite", error: "EIO" });
  await expect(run(trading.nonces.next("w"))).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  await expect(run(trading.nonces.next("w"))).rejects.toMatchObject({ code: "POISONED" });
});

test("a counter that is only used in transactions has no gaps, however often it crashes", async () => {
  let machine = new SimulatedMachine({ seed: 1 });
  const given: number[] = [];
  for (let life = 0; life < 5; life++) {
    const { trading, run, kill } = await openDesk(machine);
    for (let i = 0; i < 3; i++) given.push(await run(trading.transact((t) => t.nextNonce("v"))));
    machine = kill();
  }
  expect(given).toEqual(Array.from({ length: 15 }, (_, i) => i + 1));
});
