import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterEach, beforeAll, expect, test } from "vitest";
import { HoldfastError, isHoldfastError } from "../../src/base/errors.js";
import { portableDisk } from "../../src/disk/portable.js";
import type { FlushJob, Job } from "../../src/snapshot/jobs.js";
import { fromPlainError, toPlainError } from "../../src/snapshot/messages.js";
import { InlineRunner } from "../../src/snapshot/runner.js";
import { WorkerRunner } from "../../src/snapshot/worker-runner.js";
import { ensureBuilt } from "../support/built.js";
import { rowsOf, sorted } from "./rows.js";
import { makeStage } from "./stage.js";

beforeAll(ensureBuilt);

const closing: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

const NEVER = new AbortController().signal;

/** The stage's files in a real directory, and its jobs there. */
async function realStage() {
  const stage = await makeStage();
  const directory = await mkdtemp(join(tmpdir(), "holdfast-worker-"));
  closing.push(() => rm(directory, { recursive: true, force: true }));
  for (const path of stage.machine.files()) {
    await writeFile(join(directory, path.split("/").at(-1) as string), stage.machine.read(path));
  }
  const at = <J extends Job>(job: J): J => ({ ...job, directory });
  return { stage, directory, flush: at(stage.flush), merge: at(stage.merge) };
}

function makeRunner(budget = { bytesPerSecond: 1e12, burstBytes: 1e12 }, entry?: URL) {
  const crashes: string[] = [];
  const runner = new WorkerRunner({
    backend: "auto",
    budget,
    disk: portableDisk(),
    onCrash: (error) => void crashes.push(error.code),
    ...(entry === undefined ? {} : { entry }),
  });
  runner.keepAlive(true);
  closing.push(() => runner.close());
  return { runner, crashes };
}

async function isFlushed(
  { stage, directory, flush }: Awaited<ReturnType<typeof realStage>>,
  runner: WorkerRunner,
  job: FlushJob = flush,
): Promise<void> {
  const result = await runner.run(job, NEVER);
  const ids = result.files.map((file) => file.id);
  const run = { id: 1, tier: 0, firstSequence: 81, lastSequence: 120, files: ids };
  const all = [...result.files, ...stage.merge.files];
  const rows = await rowsOf(portableDisk(), [run, ...stage.runs], all, directory);
  expect(sorted(rows)).toEqual(sorted(stage.log.modelAt(120)));
}

test("jobs run in the thread, side by side", async () => {
  const real = await realStage();
  const { runner } = makeRunner();
  const [, merged] = await Promise.all([isFlushed(real, runner), runner.run(real.merge, NEVER)]);
  expect(merged.files.length).toBeGreaterThan(1);
  expect(runner.where).toBe("thread");
  expect(runner.budget.bytesWritten).toBeGreaterThan(merged.bytesWritten);
});

test("a merge that waits for the budget holds up no flush, and can be cancelled", async () => {
  const real = await realStage();
  const { runner } = makeRunner({ bytesPerSecond: 1, burstBytes: 1 });
  const abort = new AbortController();
  const merging = runner.run(real.merge, abort.signal).catch((error: unknown) => error);
  await isFlushed(real, runner);
  abort.abort();
  expect(await merging).toMatchObject({ code: "CLOSED" });
  const names = await readdir(real.directory);
  expect(names.filter((name) => /^0000000000001\d{3}.run$/.test(name))).toEqual([]);
});

test("an error keeps its code, its place and its cause", async () => {
  const real = await realStage();
  const { runner } = makeRunner();
  const gone = { ...real.flush, directory: `${real.directory}/gone` };
  const error = await runner.run(gone, NEVER).catch((e: unknown) => e);
  expect(isHoldfastError(error, "MISSING_FILE")).toBe(true);
  expect(error).toMatchObject({ data: { sequence: 81 }, cause: { code: "ENOENT" } });
});

test("a thread that ends in the middle of a job: a typed error, and the next job works", async () => {
  const real = await realStage();
  const { runner, crashes } = makeRunner({ bytesPerSecond: 1, burstBytes: 1 });
  const merging = runner.run(real.merge, NEVER).catch((error: unknown) => error);
  await isFlushed(real, runner);
  await runner.kill();
  expect(await merging).toMatchObject({ name: "HoldfastError", code: "IO" });
  expect(crashes).toEqual(["IO"]);
  await isFlushed(real, runner, { ...real.flush, fileIds: { first: 7000, count: 50 } });
});

test("at rest the thread is gone once its jobs are done; what is asked for meanwhile waits", async () => {
  const real = await realStage();
  const { runner, crashes } = makeRunner();
  // Before there is a thread there is none to end.
  await runner.rest();
  const early = isFlushed(real, runner);
  runner.goOn();
  await early;
  const merging = runner.run(real.merge, NEVER);
  const rest = runner.rest();
  let done = false;
  const next = { ...real.flush, fileIds: { first: 7000, count: 50 } };
  const waiting = isFlushed(real, runner, next).then(() => {
    done = true;
  });
  const abort = new AbortController();
  const cancelled = runner.run(real.merge, abort.signal).catch((error: unknown) => error);
  expect((await merging).files.length).toBeGreaterThan(1);
  await rest;
  abort.abort();
  expect(await cancelled).toMatchObject({ code: "CLOSED", message: "the job was cancelled" });
  expect(done).toBe(false);
  const before = runner.budget.bytesWritten;
  expect(before).toBeGreaterThan(0);
  runner.goOn();
  await waiting;
  expect(runner.budget.bytesWritten).toBeGreaterThan(before);
  expect(crashes).toEqual([]);
});

test("who is woken while it waits for its jobs keeps its thread", async () => {
  const real = await realStage();
  const { runner } = makeRunner();
  const merging = runner.run(real.merge, NEVER);
  const rest = runner.rest();
  runner.goOn();
  await Promise.all([merging, rest]);
  await isFlushed(real, runner);
});

test("where no thread can be had, jobs run on this one", async () => {
  const real = await realStage();
  const entry = pathToFileURL(join(real.directory, "nothing-here.js"));
  const { runner, crashes } = makeRunner(undefined, entry);
  for (let i = 0; i < 2; i++) {
    await expect(runner.run(real.flush, NEVER)).rejects.toMatchObject({ code: "IO" });
  }
  expect(crashes.length).toBe(2);
  await isFlushed(real, runner);
  expect(runner.where).toBe("inline");
});

test("closing cancels what runs and takes no more", async () => {
  const real = await realStage();
  const { runner, crashes } = makeRunner({ bytesPerSecond: 1, burstBytes: 1 });
  const merging = runner.run(real.merge, NEVER).catch((error: unknown) => error);
  await isFlushed(real, runner);
  await runner.close();
  expect(await merging).toMatchObject({ code: "CLOSED" });
  await expect(runner.run(real.flush, NEVER)).rejects.toMatchObject({ code: "CLOSED" });
  expect(crashes).toEqual([]);
});

test("what is cancelled before it begins does not begin", async () => {
  const real = await realStage();
  const { runner } = makeRunner();
  const cancelled = AbortSignal.abort();
  await expect(runner.run(real.flush, cancelled)).rejects.toMatchObject({ code: "CLOSED" });
  const inline = new InlineRunner(portableDisk(), { bytesPerSecond: 1e12, burstBytes: 1e12 });
  await inline.close();
  await expect(inline.run(real.flush, NEVER)).rejects.toMatchObject({ code: "CLOSED" });
});

test("hurried, before the thread is there and after, nothing waits for the budget", async () => {
  const real = await realStage();
  const { runner } = makeRunner({ bytesPerSecond: 1, burstBytes: 1 });
  runner.hurry(true);
  const first = await runner.run(real.merge, NEVER);
  expect(first.files.length).toBeGreaterThan(1);
  runner.hurry(false);
  runner.hurry(false);
  const abort = new AbortController();
  const second = { ...real.merge, fileIds: { first: 9000, count: 50 } };
  const waiting = runner.run(second, abort.signal);
  runner.hurry(true);
  expect((await waiting).files.length).toBe(first.files.length);
});

test("a job that is cancelled because its thread has ended is cancelled once", async () => {
  const real = await realStage();
  const abort = new AbortController();
  const runner = new WorkerRunner({
    backend: "auto",
    budget: { bytesPerSecond: 1, burstBytes: 1 },
    disk: portableDisk(),
    onCrash: () => abort.abort(),
  });
  closing.push(() => runner.close());
  runner.keepAlive(true);
  const merging = runner.run(real.merge, abort.signal).catch((error: unknown) => error);
  await isFlushed(real, runner);
  await runner.kill();
  expect(await merging).toMatchObject({ code: "IO" });
  expect(abort.signal.aborted).toBe(true);
});

test("an error of this package crosses with its data, and the code of its cause", () => {
  const cross = (cause: unknown) =>
    fromPlainError(toPlainError(new HoldfastError("IO", "it failed", { file: "a.run" }, cause)));
  const system = Object.assign(new Error("EIO: bad medium"), { code: "EIO" });
  const error = cross(system);
  expect(error).toMatchObject({ code: "IO", message: "it failed", data: { file: "a.run" } });
  expect(error.cause).toMatchObject({ name: "Error", code: "EIO", message: "EIO: bad medium" });
  const ours = new HoldfastError("CORRUPT_RUN", "a block");
  expect(cross(ours).cause).toMatchObject({ name: "HoldfastError", code: "CORRUPT_RUN" });
  const mistake = cross(new TypeError("no")).cause;
  expect(mistake).toMatchObject({ name: "AssertionError", message: "no" });
  expect(cross(undefined).cause).toBeUndefined();
});

test("what is not an error of this package crosses as a mistake of the program", () => {
  for (const error of ["a text", new TypeError("no")]) {
    expect(fromPlainError(toPlainError(error))).toMatchObject({ name: "AssertionError" });
  }
});
