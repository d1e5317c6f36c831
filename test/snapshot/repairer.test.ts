/** What decides about repairs, where jobs fail of something else, or what they are for goes. */
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/base/errors.js";
import { segmentFileName } from "../../src/log/format.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { runFileName } from "../../src/run/format.js";
import type { SnapshotterOptions } from "../../src/snapshot/host.js";
import type { Job } from "../../src/snapshot/jobs.js";
import type { JobRunner } from "../../src/snapshot/runner.js";
import { makeScene, type Scene, stuck, withRun } from "./host.js";
import { DIRECTORY } from "./log.js";
import { transaction } from "./stage.js";

/** One file of one run, and its log. */
async function oneRun(
  wrap?: (runner: JobRunner) => JobRunner,
  options: Partial<SnapshotterOptions> = { fileBytes: 1_000_000 },
): Promise<Scene> {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9, ...options }, wrap);
  await scene.write(10, (n) => transaction(n));
  await scene.run(scene.snapshotter.flushNow());
  expect(scene.host.manifest.files).toHaveLength(1);
  return scene;
}

/** Damages the only file, and tells the background. */
async function damageIt({ machine, host, snapshotter, idle }: Scene): Promise<ManifestFile> {
  const [file] = host.manifest.files as [ManifestFile];
  const path = `${DIRECTORY}/${runFileName(file.id)}`;
  machine.flipBit(path, 100, 3);
  const data = { file: path, offset: 64 };
  snapshotter.damaged(new HoldfastError("CORRUPT_RUN", "it is damaged", data));
  await idle(500);
  return file;
}

/** Repairs go another way, the others as they are. */
function repairing(run: (job: Job, pass: () => Promise<unknown>) => Promise<unknown>) {
  return (runner: JobRunner): JobRunner =>
    withRun(runner, (job, signal) => {
      if (job.kind !== "repair") return runner.run(job, signal);
      return run(job, () => runner.run(job, signal)) as never;
    });
}

test("what was made anew and is damaged again is not made anew a second time", async () => {
  const scene = await oneRun(undefined, { fileBytes: undefined } as never);
  const { host, snapshotter } = scene;
  await damageIt(scene);
  expect(host.messages).toEqual(["it is damaged. It was made anew from the log"]);
  await damageIt(scene);
  expect(host.messages.at(-1)).toContain("(it was repaired before, and is damaged again)");
  expect(snapshotter.figures.repairs).toMatchObject({ repaired: 1, unrepaired: 1 });
});

test("a file that nothing needs any more by the second try is not missed", async () => {
  let scene: Scene | undefined;
  const tries: boolean[] = [];
  const wrap = repairing(async (job) => {
    if (job.kind === "repair") tries.push(job.fromItself);
    const { host } = scene as Scene;
    await host.change((manifest) => {
      const replayFrom = { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 };
      return { ...manifest, state: { runs: [], runsThrough: 0, replayFrom }, files: [] };
    });
    throw new HoldfastError("CORRUPT_RUN", "no");
  });
  scene = await oneRun(wrap);
  await damageIt(scene);
  expect(tries).toEqual([true, false]);
  expect(scene.host.messages).toEqual([]);
  const { repairs } = scene.snapshotter.figures;
  expect(repairs).toMatchObject({ repaired: 0, unrepaired: 0, running: false });
});

test("a repair that is cancelled comes to nothing", async () => {
  const scene = await oneRun(stuck("repair"));
  await damageIt(scene);
  const { generation } = scene.host.manifest;
  await scene.run(scene.snapshotter.close(0));
  expect(scene.host.manifest.generation).toBe(generation);
  expect(scene.snapshotter.figures.repairs).toMatchObject({ repaired: 0, unrepaired: 1 });
  expect(scene.host.messages).toEqual([]);
});

test("a thread that has ended says nothing of the source: it is tried again", async () => {
  let failures = 0;
  const wrap = repairing((_job, pass) => {
    if (failures++ > 0) return pass();
    return Promise.reject(new HoldfastError("IO", "the thread has ended"));
  });
  const scene = await oneRun(wrap);
  await damageIt(scene);
  expect(scene.host.messages).toEqual([
    "repairing a run failed: the thread has ended; it is tried again",
  ]);
  await scene.idle(20_000);
  expect(scene.host.messages.at(-1)).toContain("It was made anew from");
});

test("a source that cannot be read is none; one that is a file of the repair's own says nothing", async () => {
  const file = `${DIRECTORY}/${segmentFileName(1)}`;
  const unreadable = repairing((job, pass) =>
    job.kind === "repair" && job.fromItself
      ? pass()
      : Promise.reject(new HoldfastError("IO", "it cannot be read", { file })),
  );
  const scene = await oneRun(unreadable);
  await damageIt(scene);
  expect(scene.host.messages.at(-1)).toContain("the log: it cannot be read");
  expect(scene.snapshotter.figures.repairs).toMatchObject({ unrepaired: 1 });

  const own = repairing((job) => {
    const id = "fileIds" in job ? job.fileIds.first : 0;
    const data = { file: `${DIRECTORY}/${runFileName(id)}` };
    return Promise.reject(new HoldfastError("IO", "it cannot be written", data));
  });
  const other = await oneRun(own);
  await damageIt(other);
  expect(other.host.messages.at(-1)).toMatch(/it cannot be written; it is tried again$/);
});

test("a mistake of the program in a repair ends the repairs, and is told", async () => {
  const scene = await oneRun(repairing(() => Promise.reject(new TypeError("no such thing"))));
  await damageIt(scene);
  expect(scene.host.messages).toEqual([
    "repairing a run failed: no such thing; it is not tried again by itself",
  ]);
  expect(scene.snapshotter.figures.repairs).toMatchObject({ halted: true });
});

test("an error that names no file is about none", async () => {
  const scene = await oneRun();
  scene.snapshotter.damaged(new HoldfastError("CORRUPT_RUN", "something is damaged"));
  await scene.idle();
  expect(scene.snapshotter.figures.repairs).toMatchObject({ unrepaired: 0, done: 0 });
  expect(scene.host.messages).toEqual([]);
});

test("merges that had been given up go on once a file was made anew", async () => {
  let mistakes = 0;
  const scene = await makeScene({}, (runner) =>
    withRun(runner, (job, signal) => {
      if (job.kind !== "merge" || mistakes++ > 0) return runner.run(job, signal);
      return Promise.reject(new TypeError("no such thing"));
    }),
  );
  const { host, machine, snapshotter } = scene;
  await scene.write(205, (n) => transaction(n));
  await scene.idle();
  expect(snapshotter.figures.merges).toMatchObject({ halted: true, done: 0 });
  const { id } = host.manifest.files[0] as ManifestFile;
  const path = `${DIRECTORY}/${runFileName(id)}`;
  machine.flipBit(path, 100, 3);
  const data = { file: path, offset: 64 };
  snapshotter.damaged(new HoldfastError("CORRUPT_RUN", "it is damaged", data));
  await scene.idle(500);
  expect(snapshotter.figures.merges).toMatchObject({ halted: false });
  expect(snapshotter.figures.merges.done).toBeGreaterThan(0);
});
