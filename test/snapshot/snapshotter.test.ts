import { expect, test } from "vitest";
import { HoldfastError } from "../../src/base/errors.js";
import { withNamedFiles } from "../../src/snapshot/publication.js";
import type { JobRunner } from "../../src/snapshot/runner.js";
import { makeScene, type Scene, stuck, withRun } from "./host.js";
import { DIRECTORY, put } from "./log.js";
import { rowsOf, sorted } from "./rows.js";
import { transaction } from "./stage.js";

async function isWhole({ host, rows }: Scene): Promise<void> {
  const { runsThrough } = host.manifest.state;
  expect(await rows()).toEqual(sorted(host.log.modelAt(runsThrough)));
}

/** Every file that is there is named, and the other way round. */
function hasNoStrays({ machine, host }: Scene): void {
  const ending = (path: string): boolean => /\.(run|archive)$/.test(path);
  const there = machine.files().filter(ending);
  const { files, archives } = host.manifest;
  expect(there.length).toBe(files.length + archives.length);
}

test("flushes when replay would take too long, merges, and gives segments back", async () => {
  const scene = await makeScene();
  const { host, snapshotter } = scene;
  await scene.write(600, (n) => transaction(n));
  await scene.idle();
  const { figures } = snapshotter;
  expect(figures.urgency).toBeLessThan(1);
  expect(figures.flushes).toMatchObject({ failures: 0, running: false, halted: false });
  expect(figures.flushes.done).toBeGreaterThan(10);
  expect(figures.merges.done).toBeGreaterThan(2);
  expect(figures.runs).toBeLessThan(8);
  expect(figures.budget.bytesRead).toBeGreaterThan(100_000);
  expect(host.released.length).toBeGreaterThan(3);
  expect(host.manifest.archives).toEqual([]);
  await isWhole(scene);
  hasNoStrays(scene);
  // Nothing is published that is not adopted, and in order.
  expect(host.adopted).toEqual([...host.adopted].sort((a, b) => a - b));
  expect(host.adopted.at(-1)).toBe(host.manifest.generation);
});

test("flushNow: all there is goes into runs, and a second one finds nothing to do", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9 });
  await scene.write(7, (n) => transaction(n));
  await scene.idle();
  expect(scene.host.manifest.state.runs).toEqual([]);
  await scene.run(scene.snapshotter.flushNow());
  expect(scene.host.manifest.state.runsThrough).toBe(7);
  await scene.run(scene.snapshotter.flushNow());
  expect(scene.snapshotter.figures.flushes.done).toBe(1);
  await isWhole(scene);
});

test("snapshotEveryMillis: a run is made then, and no timer is left while nothing is written", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9, snapshotEveryMillis: 500 });
  await scene.write(3, (n) => transaction(n));
  await scene.idle(300);
  expect(scene.host.manifest.state.runsThrough).toBe(0);
  await scene.idle(400);
  expect(scene.host.manifest.state.runsThrough).toBe(3);
  await scene.idle(5000);
  expect(scene.snapshotter.figures.flushes.done).toBe(1);
});

test("history is archived, and old archives go when they are too many", async () => {
  const scene = await makeScene({ history: "all" });
  await scene.write(600, (n) => transaction(n));
  await scene.idle();
  const { archives } = scene.host.manifest;
  expect(archives.length).toBeGreaterThan(3);
  expect(archives[0]).toMatchObject({ id: 1, firstSequence: 1 });
  for (const [index, archive] of archives.slice(1).entries()) {
    expect(archive.firstSequence).toBe((archives[index]?.lastSequence ?? 0) + 1);
  }
  hasNoStrays(scene);
  const bytes = archives.reduce((sum, archive) => sum + archive.bytes, 0);

  const bounded = await makeScene({ history: { keepBytes: Math.floor(bytes / 2) } });
  await bounded.write(600, (n) => transaction(n));
  await bounded.idle();
  // The last one that was made may be beyond the bound until the next.
  bounded.snapshotter.reconsider();
  await bounded.idle();
  const kept = bounded.host.manifest.archives;
  expect(kept.length).toBeLessThan(archives.length);
  expect(kept.at(-1)).toEqual(archives.at(-1));
  hasNoStrays(bounded);
});

test("segments and files that a snapshot names stay until it is dropped", async () => {
  const scene = await makeScene();
  const { host, snapshotter } = scene;
  await scene.write(60, (n) => transaction(n));
  await scene.idle();
  const { state, segments } = host.manifest;
  const snapshot = { name: "s", sequence: 60, createdMicros: 1, state };
  await scene.run(
    host.change((manifest) => ({
      ...manifest,
      snapshots: [{ ...snapshot, segments: segments.map(({ id }) => id) }],
    })),
  );
  const named = state.runs.flatMap((run) => run.files);
  await scene.write(400, (n) => transaction(n));
  await scene.idle();
  const left = () => new Set(host.manifest.files.map((file) => file.id));
  expect(named.filter((id) => !left().has(id))).toEqual([]);
  expect(host.released).not.toContain(segments[0]?.id);
  await isWhole(scene);
  await scene.run(host.change((before) => withNamedFiles({ ...before, snapshots: [] })));
  expect(named.filter((id) => left().has(id)).length).toBeLessThan(named.length);
  snapshotter.reconsider();
  await scene.idle();
  expect(host.released).toContain(segments[0]?.id);
  hasNoStrays(scene);
});

test("a full disk: one warning, and it goes on by itself when there is room", async () => {
  const scene = await makeScene();
  const { machine, host } = scene;
  await scene.write(1, (n) => transaction(n));
  const fault = machine.addFault({ operation: "write", error: "ENOSPC", path: ".run", times: 1e9 });
  await scene.write(60, (n) => transaction(n));
  await scene.idle(20_000);
  expect(fault.fired).toBeGreaterThan(3);
  expect(host.warnings).toEqual(["BACKGROUND"]);
  expect(scene.snapshotter.figures.flushes).toMatchObject({
    done: 0,
    halted: false,
    error: { code: "DISK_FULL" },
  });
  await expect(scene.run(scene.snapshotter.flushNow())).rejects.toMatchObject({
    code: "DISK_FULL",
  });
  machine.removeFaults();
  await scene.idle(60_000);
  expect(host.manifest.state.runsThrough).toBe(61);
  expect(scene.snapshotter.figures.flushes.error).toBeUndefined();
  await isWhole(scene);
  hasNoStrays(scene);
});

test("damage to the log stops the flushes with a warning; who asks learns why", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9 });
  const { machine, host, snapshotter } = scene;
  await scene.write(30, (n) => transaction(n));
  const path = `${DIRECTORY}/0000000000000001.log`;
  machine.flipBit(path, 700, 1);
  await expect(scene.run(snapshotter.flushNow())).rejects.toMatchObject({ code: "CORRUPT_LOG" });
  await scene.idle(300_000);
  expect(snapshotter.figures.flushes).toMatchObject({ failures: 1, halted: true });
  expect(host.warnings).toEqual(["BACKGROUND"]);
  machine.flipBit(path, 700, 1);
  await scene.run(snapshotter.flushNow());
  expect(snapshotter.figures.flushes).toMatchObject({ done: 1, halted: false });
});

test("a change that cannot be published, or a run that cannot be adopted, is tried again", async () => {
  const scene = await makeScene();
  const { host } = scene;
  let failing = 2;
  const fail = (): void => {
    if (failing-- > 0) throw new HoldfastError("IO", "not now");
  };
  host.onChange = fail;
  await scene.write(30, (n) => transaction(n));
  await scene.idle(20_000);
  expect(host.manifest.state.runsThrough).toBeGreaterThan(20);
  failing = 2;
  host.onChange = () => {};
  host.onAdopt = fail;
  await scene.write(30, (n) => transaction(n));
  await scene.idle(20_000);
  expect(host.adopted.at(-1)).toBe(host.manifest.generation);
  await isWhole(scene);
});

test("closing makes a run of the rest, and cancels a merge that is under way", async () => {
  const scene = await makeScene({}, stuck("merge"));
  const { host, snapshotter } = scene;
  await scene.write(205, (n) => transaction(n));
  await scene.idle();
  expect(snapshotter.figures.merges.running).toBe(true);
  await scene.write(5, (n) => transaction(n));
  await scene.run(snapshotter.close(10_000));
  expect(host.manifest.state.runsThrough).toBe(210);
  expect(host.warnings).toEqual([]);
  await expect(snapshotter.flushNow()).rejects.toMatchObject({ code: "CLOSED" });
  await isWhole(scene);
});

test("closing takes no longer than it may, nor makes a run where none is wanted", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9 }, stuck("flush"));
  await scene.write(10, (n) => transaction(n));
  const waiting = scene.snapshotter.flushNow().catch((error: unknown) => error);
  const before = scene.host.clock.monotonicMicros();
  await scene.run(scene.snapshotter.close(500));
  expect(scene.host.clock.monotonicMicros() - before).toBeLessThan(600_000);
  expect(await waiting).toMatchObject({ code: "CLOSED" });
  expect(scene.host.manifest.state.runsThrough).toBe(0);
  expect(scene.host.messages).toEqual([
    "the last run was not done within 500 ms: nothing is lost, and the next opening reads back " +
      "what came after transaction 0",
  ]);

  const other = await makeScene({ recoveryBudgetMicros: 1e9 });
  await other.write(10, (n) => transaction(n));
  await other.run(other.snapshotter.close(0));
  expect(other.host.manifest.state.runs).toEqual([]);
});

/** As it is, but that flushes wait to be let go. */
function held(): { wrap: (runner: JobRunner) => JobRunner; letGo: () => void } {
  let letGo = (): void => {};
  const free = new Promise<void>((resolve) => {
    letGo = resolve;
  });
  const wrap = (runner: JobRunner): JobRunner =>
    withRun(runner, async (job, signal) => {
      if (job.kind === "flush") await free;
      return runner.run(job, signal);
    });
  return { wrap, letGo };
}

test("writers that outrun the background are told", async () => {
  const options = { recoveryBudgetMicros: 1e9, slowBytes: 1000, stopBytes: 4000 };
  const { wrap, letGo } = held();
  const scene = await makeScene(options, wrap);
  const { host, snapshotter } = scene;
  await scene.write(50, () => [put("a", "b")]);
  expect(host.levels).toEqual(["slow", "stop"]);
  expect(snapshotter.pressure).toBe("stop");
  expect(host.warnings).toEqual(["BACK_PRESSURE", "BACK_PRESSURE"]);
  letGo();
  await scene.run(snapshotter.flushNow());
  expect(host.levels[2]).toMatch(/slow|none/);
  expect(snapshotter.pressure).toBe("none");
});

test("a power cut at any operation: the manifest in force names whole files", async () => {
  let crashes = 0;
  for (let at = 5; crashes < 60; at += 7) {
    const scene = await makeScene({ history: "all" });
    const { machine, host } = scene;
    await scene.write(100, (n) => transaction(n));
    machine.crashAfter(at, "power");
    try {
      await scene.write(100, (n) => transaction(n));
      await scene.idle();
      break;
    } catch {
      crashes++;
    }
    const { state, files } = host.manifest;
    const rows = await machine.run(rowsOf(machine.boot(), state.runs, files));
    expect(sorted(rows)).toEqual(sorted(host.log.modelAt(state.runsThrough)));
  }
  expect(crashes).toBeGreaterThan(20);
});
