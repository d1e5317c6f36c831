/** Ownership on the simulated machine: races, kills and late writes by the thousand. */
import { expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import type { Disk } from "../../src/disk/disk.js";
import { acquireOwnership, type Ownership } from "../../src/disk/lock.js";
import { Random, SimulatedMachine } from "../sim/disk.js";

const PATH = "/db/LOCK";
const SEEDS = 400;

async function prepared(seed: number): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed });
  const disk = machine.boot();
  await machine.run(disk.createDirectory("/db"));
  machine.kill(disk);
  return machine;
}

/** Tries again and again to own the store for a while; tells when it begins and ends to do so. */
async function contend(
  disk: Disk,
  random: Random,
  begin: () => void,
  end: () => void,
  rounds: number,
): Promise<void> {
  // Mostly short; sometimes longer than the wait for the last writes of the dead.
  const millis = (): number => random.below(random.chance(0.25) ? 3000 : 3);
  const sleep = (): Promise<void> =>
    new Promise((resolve) => void disk.scheduler.after(millis(), resolve, true));
  for (let round = 0; round < rounds; round++) {
    let ownership: Ownership | undefined;
    try {
      ownership = await acquireOwnership(disk, PATH, { writerId: "sim" }, { waitMillis: 50 });
    } catch (error) {
      if (!isHoldfastError(error, "LOCKED")) throw error;
    }
    if (ownership !== undefined) begin();
    await sleep();
    if (ownership !== undefined) {
      end();
      await ownership.release();
    }
  }
}

/** Lets programs of both kinds contend while some are killed. Gives how often one was the owner. */
async function race(seed: number, fill: string): Promise<number> {
  const machine = await prepared(seed);
  const random = new Random(seed + 1);
  const owners = new Map<Disk, boolean>();
  let count = 0;
  let living = 5;
  const all: Promise<void>[] = [];
  const start = (): void => {
    const disk = machine.boot({ lock: random.chance(0.5) ? "none" : "flock" });
    const begin = (): void => {
      expect([...owners.values()].filter(Boolean), `seed ${seed}`).toHaveLength(0);
      owners.set(disk, true);
      count++;
    };
    const end = (): void => void owners.set(disk, false);
    owners.set(disk, false);
    all.push(contend(disk, random, begin, end, 4).finally(() => living--));
  };
  if (fill !== "") {
    const disk = machine.boot();
    const file = await machine.run(disk.open(PATH, { create: true, write: true }));
    await machine.run(file.write(0, new TextEncoder().encode(fill)));
  }
  for (let i = 0; i < 5; i++) start();
  let failure: unknown;
  Promise.all(all).catch((error: unknown) => {
    failure = error;
  });
  for (let steps = 0; living > 0 && failure === undefined && steps < 20_000; steps++) {
    if (random.below(150) === 0) {
      const victim = random.pick([...owners.keys()]);
      if (machine.isRunning(victim.self.pid - 1000)) living--;
      machine.kill(victim);
      owners.delete(victim);
    }
    await machine.step();
  }
  if (failure !== undefined) throw failure;
  return count;
}

test("never has two owners, whoever contends and whoever is killed", async () => {
  let count = 0;
  for (let seed = 0; seed < SEEDS; seed++) count += await race(seed, "");
  expect(count).toBeGreaterThan(2 * SEEDS);
});

test("nor while the file is being emptied", async () => {
  let count = 0;
  const fill = `${"y".repeat(255)}\n`.repeat(300);
  for (let seed = 0; seed < SEEDS; seed++) count += await race(seed, fill);
  expect(count).toBeGreaterThan(2 * SEEDS);
});

/** A program that was killed with writes in flight, some of which are late. */
async function killedWriter(seed: number): Promise<SimulatedMachine> {
  const machine = await prepared(seed);
  const disk = machine.boot();
  const { lock } = await machine.run(acquireOwnership(disk, PATH, { writerId: "killed" }));
  await machine.run(disk.open("/db/log", { write: true, create: true }));
  const handler = { completed: () => {}, deliver: () => false };
  const queue = disk.openCommitQueue({ slotBytes: 4096, slotCount: 16, lock, handler });
  const log = await machine.run(queue.openLog("/db/log", "direct-dsync"));
  for (let slot = 0; slot < queue.slotCount; slot++) {
    queue.slot(slot).fill(1);
    queue.submit(log, slot, 4096, slot * 4096);
  }
  machine.kill(disk);
  return machine;
}

test("with the flock, waits until the last write of a killed process has landed", async () => {
  let late = 0;
  for (let seed = 0; seed < 50; seed++) {
    const machine = await killedWriter(seed);
    late += machine.counters.get("zombie write");
    await machine.run(acquireOwnership(machine.boot(), PATH, { writerId: "next" }));
    const content = machine.read("/db/log");
    for (let i = 0; i < 200; i++) await machine.step();
    expect(Buffer.compare(machine.read("/db/log"), content)).toBe(0);
  }
  expect(late).toBeGreaterThan(100);
});

test("with the flock, gives up after the time it was given, and names nobody", async () => {
  const machine = await killedWriter(3);
  expect(machine.counters.get("zombie write")).toBeGreaterThan(0);
  const acquiring = acquireOwnership(machine.boot(), PATH, { writerId: "next" }, { waitMillis: 1 });
  const error = await machine.run(acquiring).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: "LOCKED", data: { file: PATH } });
  expect(error).not.toHaveProperty("data.holder");
});

test("without the flock, waits some time after a killed process that had it", async () => {
  for (let seed = 0; seed < 20; seed++) {
    const machine = await killedWriter(seed);
    const before = machine.events.nowMicros;
    const disk = machine.boot({ lock: "none" });
    const first = await machine.run(acquireOwnership(disk, PATH, { writerId: "next" }));
    expect(machine.events.nowMicros - before).toBeGreaterThanOrEqual(1_000_000);
    await machine.run(first.release());
    const again = machine.events.nowMicros;
    await machine.run(acquireOwnership(disk, PATH, { writerId: "next" }));
    expect(machine.events.nowMicros - again).toBeLessThan(100_000);
  }
});

test("after a power loss no claim of before counts", async () => {
  for (let seed = 0; seed < 50; seed++) {
    const machine = await prepared(seed);
    const lock = seed % 2 === 0 ? "none" : "flock";
    const disk = machine.boot({ lock });
    await machine.run(disk.syncDirectory("/"));
    await machine.run(acquireOwnership(disk, PATH, { writerId: "before" }));
    await machine.run(disk.syncDirectory("/db"));
    machine.crash("power");
    const after = machine.boot({ lock });
    const ownership = await machine.run(acquireOwnership(after, PATH, { writerId: "after" }));
    expect(ownership.lock.strength).toBe(lock);
  }
});
