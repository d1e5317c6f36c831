/** Series in snapshots, forks, histories and what is salvaged: all that holds tables holds them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { type OpenOptions, open, openHistory } from "../../src/index.js";
import { holdfast } from "../cli/stores.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ensureBuilt } from "../support/built.js";
import { DIRECTORY, openOn } from "../support/simulated-store.js";
import { batchOf, lineOf, linesOf, sliced, type Tick, ticks } from "./model.js";

const series = ticks("insert", { rows: 60 });
const options: OpenOptions = { series: [series], environment: "test", onWarning: () => {} };

function rowsOf(from: number, to: number): Tick[] {
  return Array.from({ length: to - from }, (_, at) => {
    const i = from + at;
    const venue = `v${i % 3}`;
    return { time: 10 * i, price: BigInt(i), size: i / 4, id: BigInt(i), buy: i % 2 === 0, venue };
  });
}

/** What is left of all rows up to there. */
function lines(to: number): string[] {
  return rowsOf(0, to).slice(-60).map(lineOf);
}

test("snapshots, forks and the history beside the writer", async () => {
  const machine = new SimulatedMachine({ seed: 5 });
  const disk = machine.boot();
  const store = await openOn(machine, { ...options, disk, history: "all" });
  const append = (from: number) =>
    machine.run(store.series(series).append(batchOf(rowsOf(from, from + 25))));
  for (const from of [0, 25, 50]) await append(from);
  await machine.run(store.snapshot("before"));
  const sequence = store.lastSequence;
  await append(75);
  await machine.run(store.fork("/data/then", { at: "before" }));
  await machine.run(store.fork("/data/now"));
  await append(100);
  expect(linesOf(store.series(series).range())).toEqual(lines(125));

  const snapshot = await machine.run(open(DIRECTORY, { ...options, disk, at: "before" }));
  expect(linesOf(snapshot.series(series).range())).toEqual(lines(75));
  expect(await machine.run(sliced(snapshot.series(series), { gte: 300 }))).toEqual(
    lines(75).slice(15),
  );
  await snapshot.close();
  await machine.run(store.durable());
  const history = await machine.run(openHistory(DIRECTORY, { ...options, disk }));
  const past = await machine.run(history.at(sequence));
  expect(linesOf(past.series(series).range())).toEqual(lines(75));
  await past.close();
  history.close();

  for (const [directory, count] of [["/data/then", 75] as const, ["/data/now", 100] as const]) {
    const fork = await machine.run(open(directory, { ...options, disk: machine.boot() }));
    expect(linesOf(fork.series(series).range())).toEqual(lines(count));
    await machine.run(fork.series(series).append(batchOf(rowsOf(count, count + 25))));
    expect(linesOf(fork.series(series).range())).toEqual(lines(count + 25));
    await machine.run(fork.close());
  }
  expect(linesOf(store.series(series).range())).toEqual(lines(125));
  await machine.run(store.close());
});

test("a rollback takes chunks and the open one back together, and appends go on from there", async () => {
  const machine = new SimulatedMachine({ seed: 7 });
  const store = await openOn(machine, { ...options, history: "all" });
  const append = (from: number) =>
    machine.run(store.series(series).append(batchOf(rowsOf(from, from + 25))));
  for (const from of [0, 25, 50]) await append(from);
  const sequence = store.lastSequence;
  for (const from of [75, 100, 125, 150]) await append(from);
  const info = await machine.run(store.rollback(sequence, { reason: "a bad feed" }));
  expect(info.atomic).toBe(true);
  expect(linesOf(store.series(series).range())).toEqual(lines(75));
  await append(75);
  expect(linesOf(store.series(series).range())).toEqual(lines(100));
  await machine.run(store.close());
  const again = await openOn(machine, options);
  expect(linesOf(again.series(series).range())).toEqual(lines(100));
  await machine.run(again.close());
});

test("a rollback whose series do not fit one transaction is refused, and changes nothing", async () => {
  const machine = new SimulatedMachine({ seed: 8 });
  const large = ticks("insert", { rows: 600 });
  const limits = { series: [large], frameBytesMax: 8192 };
  const store = await openOn(machine, { ...options, ...limits, history: "all" });
  const append = async (from: number, to: number) => {
    for (let at = from; at < to; at += 25) {
      await machine.run(store.series(large).append(batchOf(rowsOf(at, at + 25))));
    }
  };
  await append(0, 600);
  const sequence = store.lastSequence;
  await append(600, 1200);
  const last = store.lastSequence;
  await expect(machine.run(store.rollback(sequence, { reason: "too far" }))).rejects.toMatchObject({
    code: "TOO_LARGE",
  });
  expect(store.lastSequence).toBe(last);
  expect(linesOf(store.series(large).range())).toEqual(rowsOf(600, 1200).map(lineOf));
  await machine.run(store.close());
});

test("slices are of one state, and end with their signal", async () => {
  const machine = new SimulatedMachine({ seed: 6 });
  const store = await openOn(machine, options);
  await machine.run(store.series(series).append(batchOf(rowsOf(0, 60))));
  const read = async () => {
    const found: string[] = [];
    for await (const slice of store.series(series).slices()) {
      found.push(...linesOf(slice));
      // It seals, and forgets what is still to be read.
      await store.series(series).append(batchOf(rowsOf(60 + found.length, 90 + found.length)));
    }
    return found;
  };
  expect(await machine.run(read())).toEqual(rowsOf(0, 60).map(lineOf));
  const controller = new AbortController();
  const { signal } = controller;
  const ended = async () => {
    for await (const _ of store.series(series).slices({ signal }))
      controller.abort(new Error("enough"));
  };
  await expect(machine.run(ended())).rejects.toThrow("enough");
  expect(store.stats().memory.views).toBe(0);
  await machine.run(store.close());
});

const place = mkdtempSync(join(tmpdir(), "holdfast-"));

afterAll(() => rmSync(place, { recursive: true, force: true }));

test("verify looks at them, and salvage brings them out", async () => {
  ensureBuilt();
  const [from, to] = [join(place, "state"), join(place, "saved")];
  const store = await open(from, options);
  for (let at = 0; at < 100; at += 10)
    await store.series(series).append(batchOf(rowsOf(at, at + 10)));
  await store.close();
  expect(await holdfast("verify", from)).toMatchObject({ code: 0 });
  expect(await holdfast("salvage", from, to)).toMatchObject({ code: 0 });
  const saved = await open(to, options);
  expect(linesOf(saved.series(series).range())).toEqual(lines(100));
  await saved.series(series).append(batchOf(rowsOf(100, 120)));
  expect(linesOf(saved.series(series).range())).toEqual(lines(120));
  await saved.close();
});
