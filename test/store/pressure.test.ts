/**
 * Writers that are faster than the background: slowed while they wait, refused if they never do.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ensureBuilt } from "../support/built.js";
import { DIRECTORY, fill, idle, items, keysOf, openOn, upTo } from "../support/simulated-store.js";

const SLOW = 256 * 1024;
const STOP = 512 * 1024;
/**
 * A frame and what is in it, a row in memory, and how seldom a writer that never pauses is weighed.
 */
const SLACK = 1024 * 1024;

const wide = defineTable({
  name: "wide",
  version: 1,
  key: integer(),
  fields: { text: string() },
});

const row = { text: "x".repeat(1000) };

interface Told {
  readonly options: OpenOptions;
  readonly warnings: string[];
}

function listening(bounds: OpenOptions["bounds"] = {}): Told {
  const warnings: string[] = [];
  const onWarning: NonNullable<OpenOptions["onWarning"]> = ({ code, message }) => {
    if (code === "BACKGROUND" || code === "BACK_PRESSURE") warnings.push(`${code}: ${message}`);
  };
  const options = { onWarning, bounds: { slowBytes: SLOW, stopBytes: STOP, ...bounds } };
  return { options: { tables: [wide], ...options }, warnings };
}

/** Never lets the event loop turn; gives the promises of what was not refused. */
function rush(store: Store, from: number): { taken: Promise<void>[]; refused: Promise<unknown> } {
  const taken: Promise<void>[] = [];
  for (let i = 0; i < 20_000; i++) {
    const { lastSequence } = store;
    const promise = store.table(wide).put(from + i, row);
    if (store.lastSequence === lastSequence) {
      return { taken, refused: promise.catch((error: unknown) => error) };
    }
    taken.push(promise);
  }
  throw new Error("it took everything");
}

function assertBounded(store: Store): void {
  const { tail } = store.stats().background;
  expect(tail.memoryBytes).toBeLessThan(STOP + SLACK);
  expect(tail.bytes).toBeLessThan(STOP + SLACK);
}

/** A writer that never pauses, refused; then all it was promised is there, before and after. */
async function rushes(reopen: (told: Told) => Promise<Store>): Promise<void> {
  const told = listening();
  let store = await reopen(told);
  let count = 0;
  for (let round = 0; round < 3; round++) {
    const { taken, refused } = rush(store, count);
    expect(taken.length).toBeGreaterThan(100);
    assertBounded(store);
    expect(store.stats().background.pressure).toBe("stop");
    expect(() => store.transactSync((t) => t.put(wide, 0, row))).toThrow(
      expect.objectContaining({ code: "OVERLOADED" }) as Error,
    );
    expect(await refused).toMatchObject({ code: "OVERLOADED" });
    expect(store.table(wide).get(count + taken.length)).toBeUndefined();
    await Promise.all(taken);
    count += taken.length;
    await store.flush();
    expect(store.stats().background.pressure).toBe("none");
  }
  expect(told.warnings.filter((text) => text.endsWith(": stop"))).toHaveLength(3);
  await store.close();
  store = await reopen(listening());
  expect([...store.table(wide).keys()]).toEqual(upTo(count));
  await store.close();
}

/** Many who wait for each of their writes: none is refused, and all are done. */
async function waits(store: Store, warnings: readonly string[]): Promise<void> {
  let most = 0;
  const writer = async (first: number): Promise<void> => {
    for (let i = 0; i < 40; i++) {
      await store.table(wide).put(first + i, row);
      most = Math.max(most, store.stats().background.tail.memoryBytes);
    }
  };
  await Promise.all(Array.from({ length: 50 }, (_, n) => writer(n * 40)));
  expect(most).toBeGreaterThan(SLOW);
  expect(most).toBeLessThan(STOP);
  expect([...store.table(wide).keys()]).toEqual(upTo(2000));
  await store.flush();
  expect(store.stats().background.pressure).toBe("none");
  // Once for each time that the level rose.
  expect(warnings.length).toBeGreaterThan(0);
  expect(warnings.every((text) => text.endsWith(": slow"))).toBe(true);
}

describe("on a simulated machine", () => {
  const machineOf = (): SimulatedMachine => new SimulatedMachine({ seed: 7 });

  test("a writer that never pauses is refused, and keeps what it was promised", async () => {
    const machine = machineOf();
    await machine.run(
      rushes((told) =>
        open(DIRECTORY, { disk: machine.boot(), segmentBytes: 64 * 1024, ...told.options }),
      ),
    );
  });

  test("writers that wait are slowed, and never refused", async () => {
    const machine = machineOf();
    const { options, warnings } = listening();
    const work = async (): Promise<void> => {
      const disk = machine.boot();
      const store = await open(DIRECTORY, { disk, segmentBytes: 64 * 1024, ...options });
      await waits(store, warnings);
      await store.close();
    };
    await machine.run(work());
  });

  test("where flushing has ended for good, writers are slowed and told why", async () => {
    const machine = machineOf();
    const { options, warnings } = listening();
    const store = await openOn(machine, {
      ...options,
      tables: [items],
      recoveryBudgetMillis: 60_000,
    });
    await fill(machine, store, 0, 20);
    // In the middle of what is still to be made a run of.
    machine.flipBit(`${DIRECTORY}/0000000000000001.log`, 12_500, 1);
    const bytes = 6000;
    await fill(machine, store, 20, 40, bytes);
    await expect(machine.run(store.flush())).rejects.toMatchObject({ code: "CORRUPT_LOG" });
    expect(store.stats().background.flushes).toMatchObject({ halted: true });
    const failed = /^BACKGROUND: making a run of the log failed: .*is damaged at/;
    expect(warnings.find((text) => text.startsWith("BACKGROUND"))).toMatch(failed);
    let written = 40;
    let error: unknown;
    const { clock } = machine.boot();
    const since = clock.monotonicMicros();
    for (; error === undefined && written < 200; written++) {
      error = await fill(machine, store, written, written + 1, bytes).catch((e: unknown) => e);
    }
    expect(error).toMatchObject({
      code: "OVERLOADED",
      message: expect.stringMatching(/making runs of the log has ended: .*is damaged at/) as string,
    });
    // They were slowed before.
    expect(clock.monotonicMicros() - since).toBeGreaterThan(5_000_000);
    const told = warnings.filter((text) => text.startsWith("BACK_PRESSURE"));
    expect(told).toHaveLength(2);
    expect(told[1]).toMatch(/: stop; making runs of the log has ended: .*is damaged at/);
    expect(store.stats().background.tail.bytes).toBeLessThan(STOP + SLACK);
    expect(keysOf(store)).toEqual(upTo(written - 1));
    machine.flipBit(`${DIRECTORY}/0000000000000001.log`, 12_500, 1);
    await machine.run(store.flush());
    await fill(machine, store, written, written + 1);
    await machine.run(store.close());
  });

  test("too many runs slow writers as well, until they are merged", async () => {
    // With other seeds merges may have ended whenever the next write begins: none has to wait then.
    const machine = new SimulatedMachine({ seed: 1 });
    // Merges keep to the budget, which flushes alone use up.
    const bounds = { runsPerTier: 2, runsHurry: 1000, runsSlow: 6, runsStop: 12 };
    const { options, warnings } = listening({ ...bounds, slowBytes: 1e9, stopBytes: 1e9 });
    const few = { tables: [items], backgroundBytesPerSecond: 65_536, frameBytesMax: 1024 * 1024 };
    const store = await openOn(machine, { ...options, ...few });
    const { clock } = machine.boot();
    const text = (n: number): string => `${Math.sin(n)}${Math.cos(n)}`.repeat(100);
    let most = 0;
    let slowMicros = 0;
    for (let n = 0; n < 60; n++) {
      const value = n;
      const since = clock.monotonicMicros();
      const { pressure } = store.stats().background;
      await machine.run(
        store.transact((transaction) => {
          for (let i = 0; i < 40; i++) transaction.put(items, n * 40 + i, { value, text: text(i) });
        }),
      );
      if (pressure === "slow") slowMicros += clock.monotonicMicros() - since;
      await machine.run(store.flush());
      most = Math.max(most, store.stats().background.runs);
    }
    expect(slowMicros).toBeGreaterThan(1_000_000);
    expect(most).toBeGreaterThanOrEqual(6);
    expect(most).toBeLessThan(12);
    expect(warnings.length).toBeGreaterThan(0);
    expect(warnings.every((one) => one.endsWith(": slow"))).toBe(true);
    await idle(machine, 600_000);
    expect(store.stats().background.pressure).toBe("none");
    expect([...store.table(items).keys()]).toEqual(upTo(2400));
    await machine.run(store.close());
  });
});

describe("with a thread", () => {
  const directories: string[] = [];
  beforeAll(ensureBuilt);
  afterEach(async () => {
    for (const directory of directories.splice(0)) await rm(directory, { recursive: true });
  });

  async function place(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), "holdfast-pressure-"));
    directories.push(directory);
    return directory;
  }

  test("a writer that never pauses is refused, and keeps what it was promised", async () => {
    const directory = await place();
    await rushes(({ options }) => open(directory, options));
  });

  test("writers that wait are slowed, and never refused", async () => {
    const { options, warnings } = listening();
    const store = await open(await place(), options);
    await waits(store, warnings);
    await store.close();
  });
});
