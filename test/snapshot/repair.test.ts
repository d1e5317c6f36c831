/** Damaged files of runs are made anew, and every state that names them reads as before. */
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/base/errors.js";
import { segmentFileName } from "../../src/log/format.js";
import type { Manifest, ManifestFile, ManifestState } from "../../src/manifest/format.js";
import { runFileName } from "../../src/run/format.js";
import type { History } from "../../src/snapshot/history.js";
import type { RepairJob } from "../../src/snapshot/jobs.js";
import { withNamedFiles, withRepair } from "../../src/snapshot/publication.js";
import { planRepair } from "../../src/snapshot/repair-plan.js";
import { runJob } from "../../src/snapshot/run-job.js";
import { InlineRunner } from "../../src/snapshot/runner.js";
import { Snapshotter } from "../../src/snapshot/snapshotter.js";
import { withoutSnapshot, withSnapshot } from "../../src/store/snapshots.js";
import { Random } from "../sim/random.js";
import { DEFAULTS, makeScene, type Scene } from "./host.js";
import { DIRECTORY, del, put, STORE_ID, type Transaction } from "./log.js";
import { contextOn, rowsOf, sorted, TABLES, UNLIMITED } from "./rows.js";

const pathOf = ({ id }: Pick<ManifestFile, "id">): string => `${DIRECTORY}/${runFileName(id)}`;

function statesOf({ state, snapshots }: Manifest): ManifestState[] {
  return [state, ...snapshots.map((snapshot) => snapshot.state)];
}

/** Every state has the rows of its sequence; throws CORRUPT_RUN or MISSING_FILE otherwise. */
async function allWhole({ host, run }: Scene): Promise<void> {
  for (const { runs, runsThrough } of statesOf(host.manifest)) {
    const rows = await run(rowsOf(host.disk, runs, host.manifest.files));
    expect(sorted(rows)).toEqual(sorted(host.log.modelAt(runsThrough)));
  }
}

function report(scene: Scene, file: ManifestFile): void {
  const data = { file: pathOf(file), offset: 64 };
  scene.snapshotter.damaged(new HoldfastError("CORRUPT_RUN", "it is damaged", data));
}

type Damage = "rows" | "end" | "header" | "short" | "gone" | "none";
const DAMAGES: readonly Damage[] = [
  "rows",
  "rows",
  "rows",
  "end",
  "header",
  "short",
  "gone",
  "none",
];

function damage({ machine, run, host }: Scene, file: ManifestFile, kind: Damage): Promise<void> {
  const path = pathOf(file);
  const work = async (): Promise<void> => {
    if (kind === "gone") return host.disk.remove(path);
    if (kind === "none") return;
    if (kind !== "short") {
      const at = { rows: 100, end: file.bytes - 20, header: 45 }[kind];
      machine.flipBit(path, at, 3);
      return;
    }
    const open = await host.disk.open(path, { write: true });
    await open.truncate(Math.floor(file.bytes / 2));
    await open.close();
  };
  return run(Promise.resolve().then(work));
}

const SEEDS = Number(process.env.HOLDFAST_REPAIR_SEEDS ?? 30);

/** How often which source was of use, over all seeds. */
const used = new Map<string, number>();

function count(what: string): void {
  used.set(what, (used.get(what) ?? 0) + 1);
}

const HISTORIES: readonly History[] = ["none", "none", "all", { keepBytes: 20_000 }];

type Play = Awaited<ReturnType<typeof begin>>;

/** A store with runs, snapshots and archives, often in the middle of a merge. */
async function begin(seed: number, history?: History) {
  const random = new Random(seed);
  const pick = <T>(list: readonly T[]): T => list[random.below(list.length)] as T;
  const scene = await makeScene(
    {
      history: history ?? pick(HISTORIES),
      runsPerTier: 2 + random.below(3),
      fileBytes: pick([600, 2048, 100_000]),
      arenaBytes: pick([2000, 20_000, 1_000_000]),
    },
    undefined,
    pick([8192, 32_768]),
  );
  const { host, run } = scene;
  const keys = pick([30, 100, 400]);
  const transaction = (): Transaction => {
    const operations = Array.from({ length: 1 + random.below(3) }, () => {
      const key = `key ${random.below(keys)}`;
      return random.below(3) === 0 ? del(key) : put(key, "x".repeat(1 + random.below(120)));
    });
    return random.below(40) === 0 ? "declare" : operations;
  };
  let snapshots = 0;
  for (let round = 0; round < 8; round++) {
    await scene.write(20 + random.below(60), transaction);
    if (random.below(2) === 0) await scene.idle(random.below(20));
    if (random.below(3) === 0) {
      const name = `s${snapshots++}`;
      const { lastSequence, end } = host.log;
      await run(host.change((now) => withSnapshot(now, name, lastSequence, end, 1)));
    }
    const [oldest] = host.manifest.snapshots;
    if (oldest !== undefined && random.below(5) === 0) {
      await run(host.change((now) => withNamedFiles(withoutSnapshot(now, oldest.name))));
    }
  }
  return { random, pick, scene, transaction };
}

async function play(seed: number): Promise<void> {
  const { random, pick, scene, transaction } = await begin(seed);
  const { host, snapshotter } = scene;
  if (random.below(2) === 0) await scene.idle();
  const file = pick(host.manifest.files);
  const kind = pick(DAMAGES);
  await damage(scene, file, kind);
  report(scene, file);
  if (random.below(2) === 0) await scene.write(30, transaction);
  await scene.idle(5000);
  const { repairs } = snapshotter.figures;
  expect({ ...repairs, messages: host.messages }).toMatchObject({ running: false, halted: false });
  const isNamed = host.manifest.files.some(({ id }) => id === file.id);
  if (isNamed) {
    expect(repairs.unrepaired).toBe(1);
    expect(host.warnings.filter((code) => code === "BACKGROUND").length).toBeGreaterThan(0);
    expect(kind).not.toMatch(/none|end|header/);
    count("lost");
    return;
  }
  expect(repairs.unrepaired).toBe(0);
  const told = host.messages.find((message) => message.includes("made anew from"));
  count(
    told === undefined ? "not needed" : told.replace(/^.*made anew from /, "").replace(/\d/, "N"),
  );
  await allWhole(scene);
  // What has taken its place is found whole, and merges with the rest.
  await scene.write(100, transaction);
  await scene.idle(5000);
  await allWhole(scene);
}

/** Makes each file anew from each source there is for it, and puts all that in place of the old. */
async function repairAll({ scene }: Play, which: (name: string) => boolean): Promise<number> {
  const { host, run } = scene;
  let repairs = 0;
  for (const { id } of host.manifest.files) {
    const plan = planRepair(host.manifest, id);
    if (plan === undefined) continue;
    const source = plan.sources.find(({ name }) => which(name));
    if (source === undefined) continue;
    const job: RepairJob = {
      ...plan,
      kind: "repair",
      directory: DIRECTORY,
      storeId: STORE_ID,
      fromItself: false,
      source,
      tables: TABLES,
      fileIds: { first: 1e9 + ++repairs * 1000, count: 1000 },
      fileBytes: 2048,
      arenaBytes: 5000,
    };
    const result = await run(
      runJob(job, contextOn(host.disk)).catch((error: HoldfastError) => {
        // A segment does not say where it begins.
        if (error.message.startsWith("the log has no transaction")) return undefined;
        throw error;
      }),
    );
    if (result === undefined) continue;
    count(source.name.replace(/\d+/, "N"));
    await run(host.change((manifest) => withRepair(manifest, id, result.files)));
  }
  return repairs;
}

/** The background of an opening after this one. */
async function reopen({ scene }: Play): Promise<Snapshotter> {
  const { host, run } = scene;
  await run(scene.snapshotter.close(0));
  const runner = new InlineRunner(host.disk, UNLIMITED);
  return new Snapshotter(host, { ...DEFAULTS, runsPerTier: 2 }, runner);
}

/** Keeps the runs as they are under a name, and merges them: deletions are forgotten. */
async function mergeOn(play: Play): Promise<void> {
  const { host, run, idle } = play.scene;
  const { lastSequence, end } = host.log;
  await run(host.change((now) => withSnapshot(now, "unmerged", lastSequence, end, 1)));
  const snapshotter = await reopen(play);
  snapshotter.reconsider();
  await idle(1000);
  await run(snapshotter.close(0));
}

test("from each source there is, every file of every state is made anew as it was", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const which = [/the log$/, /^snapshot|^the runs/, /^the log$/][seed % 3] as RegExp;
    const play = await begin(seed, seed % 2 === 0 ? "all" : undefined);
    const { scene } = play;
    try {
      await scene.run(scene.snapshotter.close(0));
      if (seed % 3 === 1) await mergeOn(play);
      if (scene.host.manifest.merge !== null) count("in the middle of a merge");
      await repairAll(play, (name) => which.test(name));
      await allWhole(scene);
      const snapshotter = await reopen(play);
      // What went on is brought to its end.
      snapshotter.reconsider();
      await scene.idle(1000);
      expect(snapshotter.figures.merges.error).toBeUndefined();
      await allWhole(scene);
      await scene.run(snapshotter.close(0));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  for (const what of ["in the middle of a merge", "the runs of today"]) {
    expect(used.get(what) ?? 0, what).toBeGreaterThan(2);
  }
}, 300_000);

test("whatever is damaged, it reads as before, or is known to be lost", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      await play(seed);
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
  }
  for (const source of ["itself", "the log", 'snapshot "sN" and the log', "lost"]) {
    expect(used.get(source) ?? 0, source).toBeGreaterThan(2);
  }
}, 300_000);

test("a run that has grown by declarations, and a snapshot from before that", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9, history: "all" });
  const { host, run, snapshotter } = scene;
  await scene.write(5, (n) => [put(`key ${n}`, "x")]);
  await run(snapshotter.flushNow());
  const { lastSequence, end } = host.log;
  await run(host.change((now) => withSnapshot(now, "s", lastSequence, end, 1)));
  await scene.write(2, () => "declare");
  await run(snapshotter.flushNow());
  const { state, files, snapshots } = host.manifest;
  expect([state.runs[0]?.lastSequence, snapshots[0]?.state.runsThrough]).toEqual([7, 5]);
  expect(planRepair(host.manifest, files[0]?.id ?? 0)).toMatchObject({
    firstSequence: 1,
    lastSequence: 5,
    dropTombstones: true,
    sources: [{ name: "the log", after: 0, through: 5 }],
  });
  // The snapshot keeps what only the log behind its runs has; the live state is too new for it.
  expect(planRepair(host.manifest, 999)).toBeUndefined();
});

test("a state that has forgotten a deletion: the row below stays hidden", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9, runsPerTier: 10 });
  const { host, run, idle, snapshotter } = scene;
  const writes: Transaction[] = [[put("a", "1"), put("b", "1"), put("c", "1")], [del("b")]];
  for (const transaction of writes) {
    await scene.write(1, () => transaction);
    await run(snapshotter.flushNow());
  }
  const { lastSequence, end } = host.log;
  await run(host.change((now) => withSnapshot(now, "s", lastSequence, end, 1)));
  await run(snapshotter.close(0));
  // With the log gone and the runs merged into one, nothing says that "b" was there.
  const merging = new Snapshotter(
    host,
    { ...DEFAULTS, runsPerTier: 2 },
    new InlineRunner(host.disk, UNLIMITED),
  );
  await run(host.log.rotate());
  merging.reconsider();
  await idle();
  expect(host.manifest.state.runs).toHaveLength(1);
  const [newest] = host.manifest.snapshots[0]?.state.runs ?? [];
  const file = host.manifest.files.find(({ id }) => id === newest?.files[0]) as ManifestFile;
  const plan = planRepair(host.manifest, file.id);
  const today = plan?.sources.find(({ name }) => name === "the runs of today");
  expect(today?.below.files).toHaveLength(1);
  const others = plan?.sources.filter((source) => source !== today) ?? [];
  for (const { log } of others) {
    for (const piece of log) {
      const id = piece.kind === "segment" ? piece.segment.id : 0;
      await run(host.disk.remove(`${DIRECTORY}/${segmentFileName(id)}`));
    }
  }
  await damage(scene, file, "gone");
  merging.damaged(new HoldfastError("CORRUPT_RUN", "bad", { file: pathOf(file), offset: 0 }));
  await idle(1000);
  expect(host.messages.at(-1)).toMatch(/made anew from the runs of today$/);
  await allWhole(scene);
  await run(merging.close(0));
});
