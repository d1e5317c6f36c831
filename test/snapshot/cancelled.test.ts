/** What is done by the time it is cancelled is not published. */
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/base/errors.js";
import type { SnapshotterOptions } from "../../src/snapshot/host.js";
import type { Job } from "../../src/snapshot/jobs.js";
import { makeScene, type Scene, withRun } from "./host.js";
import { DIRECTORY } from "./log.js";
import { transaction } from "./stage.js";

const NEVER = new AbortController().signal;

/** What it begins by itself; whoever asks for another job has it cancelled himself. */
type Kind = Exclude<
  Job["kind"],
  | "copy"
  | "checksum"
  | "copy-log"
  | "digest"
  | "put-blob"
  | "read-blob"
  | "sweep-packs"
  | "compact-packs"
>;

/** Brings the background to a job of that kind. */
const BEGINNINGS: Record<Kind, (scene: Scene) => Promise<void>> = {
  flush: (scene) => scene.write(30, (n) => transaction(n)),
  merge: (scene) => scene.write(205, (n) => transaction(n)),
  archive: (scene) => scene.write(300, (n) => transaction(n)),
  repair: async (scene) => {
    await scene.write(30, (n) => transaction(n));
    await scene.idle();
    const { id } = scene.host.manifest.files[0] as { id: number };
    const path = `${DIRECTORY}/${String(id).padStart(16, "0")}.run`;
    scene.machine.flipBit(path, 100, 3);
    const data = { file: path, offset: 64 };
    scene.snapshotter.damaged(new HoldfastError("CORRUPT_RUN", "it is damaged", data));
  },
  scrub: async (scene) => {
    await scene.write(30, (n) => transaction(n));
    await scene.idle(1000);
  },
};

const KINDS: readonly (readonly [Kind, Partial<SnapshotterOptions>])[] = [
  ["flush", {}],
  ["merge", {}],
  ["archive", { history: "all" }],
  ["repair", {}],
  ["scrub", { scrubEveryMillis: 500 }],
];

test.each(KINDS)("%s", async (kind, options) => {
  let done = 0;
  const scene = await makeScene(options, (runner) =>
    withRun(runner, async (job, signal) => {
      if (job.kind !== kind) return runner.run(job, signal);
      const result = await runner.run(job, NEVER);
      done++;
      if (!signal.aborted) {
        await new Promise<void>((resolve) => {
          signal.addEventListener("abort", () => resolve());
        });
      }
      return result;
    }),
  );
  const { host, snapshotter } = scene;
  await BEGINNINGS[kind](scene);
  await scene.idle();
  expect(done).toBe(1);
  const { generation } = host.manifest;
  await scene.run(snapshotter.close(0));
  expect(done).toBe(1);
  expect(host.manifest.generation).toBe(generation);
  expect(host.warnings).toEqual([]);
  const { flushes, merges, archives, repairs, scrubs } = snapshotter.figures;
  const works = {
    flush: flushes,
    merge: merges,
    archive: archives,
    repair: repairs,
    scrub: scrubs,
  };
  expect(works[kind]).toMatchObject({ done: 0, failures: 0, running: false });
});

test("a thread that has ended is told, unless the store is being closed", async () => {
  const scene = await makeScene();
  const { host, snapshotter } = scene;
  snapshotter.crashed(new HoldfastError("IO", "the thread has ended"));
  expect(host.messages).toEqual(["the thread has ended"]);
  const closed = snapshotter.close(0);
  snapshotter.crashed(new HoldfastError("IO", "once more"));
  await scene.run(closed);
  expect(host.messages).toEqual(["the thread has ended"]);
  expect(snapshotter.figures.crashes).toBe(2);
});

test("who asked for a run before the store was closed, and waits for the log, is refused", async () => {
  const scene = await makeScene({ recoveryBudgetMicros: 1e9 });
  const { host, snapshotter } = scene;
  await scene.write(3, (n) => transaction(n));
  let durable = (): void => {};
  host.durable = () =>
    new Promise((resolve) => {
      durable = resolve;
    });
  const flushed = snapshotter.flushNow();
  await scene.run(snapshotter.close(0));
  durable();
  await expect(flushed).rejects.toMatchObject({ code: "CLOSED" });
  expect(host.manifest.state.runsThrough).toBe(0);
});
