/** `holdfast fork`: beside a writer or without; and what the other commands make of a fork. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runFileName } from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, makeDirectory, manifestOf, removeDirectories, verify } from "./frames.js";
import { type KnownStore, makeRunStore, openRuns, read, steps } from "./run-stores.js";
import { hashOf, holdfast, main } from "./stores.js";

let known: KnownStore;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore({ history: "all" });
});
afterAll(removeDirectories);

async function fork(directory: string, ...more: string[]) {
  const to = join(await makeDirectory(), "fork");
  const { code, stdout, stderr } = await holdfast("fork", directory, to, "--json", ...more);
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
  return { to, made: JSON.parse(stdout) };
}

test("as it is now, and as a snapshot has it: sound, and the parent as it was", async () => {
  const before = hashOf(known.directory);
  const { to, made } = await fork(known.directory, "--verify");
  expect(made).toMatchObject({ sequence: known.sequence, verification: { verdict: "sound" } });
  const then = await fork(known.directory, "--at", "round-1");
  expect(hashOf(known.directory)).toBe(before);
  expect(await read(to)).toEqual(known.now);
  expect(await read(then.to)).toEqual(known.snapshots["round-1"]);
  const { stdout } = await holdfast("inspect", to);
  expect(stdout).toContain(`forked from`);
  expect(stdout).toContain(made.parentId);
});

test("restore and salvage read a fork, with its manifests and without", async () => {
  const { to } = await fork(known.directory);
  const store = await openRuns(to);
  await store.snapshot("here");
  await store.close();
  const place = await makeDirectory();
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await holdfast(...args);
    expect(code, stdout + stderr).toBe(0);
  };
  await run("restore", to, "here", join(place, "restored"));
  expect(await read(join(place, "restored"))).toEqual(known.now);
  await run("salvage", to, join(place, "salvaged"));
  expect(await read(join(place, "salvaged"))).toEqual(known.now);
  for (const slot of [0, 1]) await rm(join(to, `manifest.${slot}`));
  // All rows are had, and that nothing proves it is told.
  const without = ["salvage", to, join(place, "without"), "--environment", "test"];
  expect((await holdfast(...without)).code).toBe(1);
  expect(await read(join(place, "without"))).toEqual(known.now);
});

test("a file that rots is found in the fork, and what the fork does about it stays there", async () => {
  const parent = await copyOf(known.directory);
  const { to } = await fork(parent);
  const { files } = await manifestOf(to);
  const [file] = files;
  if (file === undefined) throw new Error("no file is shared");
  expect(file.storeId).toBe((await manifestOf(parent)).storeId);
  await flip(join(to, runFileName(file.id)), 200);
  expect(await verify(to)).toMatchObject({ code: 1 });
  // The parent's name is of the same file; its content is the parent's to judge.
  const before = hashOf(parent);
  const store = await openRuns(to, { scrubEveryHours: 0 });
  await steps(store, 9000, 9040);
  await store.flush();
  await store.close().catch(() => {});
  expect(hashOf(parent)).toBe(before);
});

test("a place that is not empty, and a snapshot that is not there", async () => {
  const used = known.directory;
  const { code, stderr } = await holdfast("fork", known.directory, used);
  expect(code).toBe(2);
  expect(stderr).toContain("within the store");
  const to = join(await makeDirectory(), "fork");
  expect((await holdfast("fork", known.directory, to, "--at", "no")).code).toBe(1);
});

test("docs/fork.md: its commands do what it says", async () => {
  const page = readFileSync(new URL("../../docs/fork.md", import.meta.url), "utf8");
  const commands = /```sh\n([\s\S]*?)```/.exec(page)?.[1]?.trim().split("\n") ?? [];
  const place = await makeDirectory();
  const store = await openRuns(join(place, "state"));
  await steps(store, 0, 20);
  await store.snapshot("close");
  await store.close();
  for (const command of commands) {
    const args = command.replace(/ +#.*/, "").split(" ").slice(1);
    execFileSync(process.execPath, [main, ...args], { cwd: place });
  }
  expect(commands.length).toBeGreaterThan(2);
  expect(await read(join(place, "trial"))).toEqual(await read(join(place, "monday")));
  const compared = execFileSync(process.execPath, [main, "compare", "state", "trial"], {
    cwd: place,
    encoding: "utf8",
  });
  expect(compared).toContain("they hold the same");
});
