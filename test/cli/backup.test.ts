/** `holdfast backup` and `holdfast restore` of a backup. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, removeDirectories } from "./frames.js";
import { type KnownStore, makeRunStore, read } from "./run-stores.js";
import { hashOf, holdfast } from "./stores.js";

let known: KnownStore;
let place: string;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore();
  place = join(await makeDirectory(), "backups");
});
afterAll(removeDirectories);

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await holdfast(...args);
  expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
  return stdout;
}

test("made, listed, verified and restored; the store is as it was", async () => {
  const before = hashOf(known.directory);
  const first = JSON.parse(await ok("backup", known.directory, place, "--json"));
  expect(first).toMatchObject({ name: "backup-000001", sequence: known.sequence });
  expect(first.verified).toMatch(/^20/);
  expect(await ok("backup", known.directory, place, "--unverified")).toMatch(/verified +never/);
  expect(hashOf(known.directory)).toBe(before);
  expect(await ok("backup", "--list", place)).toMatch(/backup-000001 .*\nbackup-000002 .* never /);
  expect(await ok("backup", "--verify", place)).toContain("restored, and it holds the same");
  const { backups } = JSON.parse(await ok("backup", "--list", place, "--json"));
  expect(backups[1]).toMatchObject({ name: "backup-000002", verified: expect.any(String) });
  const to = join(await makeDirectory(), "restored");
  const options = ["--environment", "other", "--json"];
  const made = JSON.parse(await ok("restore", place, "newest", to, ...options));
  expect(made).toMatchObject({
    backup: { name: "backup-000002", sequence: known.sequence },
    environment: "other",
    verification: { verdict: "sound" },
  });
  expect(await read(to, "other")).toEqual(known.now);
});

test("damage is 1, and what is no place of backups 2", async () => {
  const code = async (...args: string[]) => (await holdfast(...args)).code;
  expect(await code("backup", known.directory)).toBe(2);
  expect(await code("backup", known.directory, known.directory)).toBe(2);
  expect(await code("backup", "--list", known.directory)).toBe(2);
  expect(await code("backup", "--verify", place, "backup-000077")).toBe(2);
  expect(await code("restore", place, "backup-000077", join(place, "there"))).toBe(2);
  const directory = join(place, "backup-000001");
  const archive = readdirSync(directory).find((name) => name.endsWith(".archive")) as string;
  const bytes = readFileSync(join(directory, archive));
  bytes[200] = (bytes[200] as number) ^ 1;
  writeFileSync(join(directory, archive), bytes);
  expect(await code("backup", "--verify", place, "backup-000001")).toBe(1);
  const there = join(await makeDirectory(), "there");
  expect(await code("restore", place, "backup-000001", there)).toBe(1);
});
