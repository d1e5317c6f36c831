/** `holdfast verify FILE`: one file of a store, in its place or alone. */
import { copyFile, rm, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyFile } from "../../src/cli/verify-file.js";
import { archiveFileName } from "../../src/snapshot/archive-format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, makeDirectory, manifestOf, removeDirectories } from "./frames.js";
import { filesOf, makeRunStore } from "./run-stores.js";
import { holdfast } from "./stores.js";

let directory: string;

beforeAll(async () => {
  ensureBuilt();
  ({ directory } = await makeRunStore());
});

afterAll(removeDirectories);

const KINDS = [
  ["segment", ".log"],
  ["run", ".run"],
  ["archive", ".archive"],
  ["manifest", "manifest.0"],
] as const;

async function longestOf(files: readonly string[]): Promise<string> {
  const sizes = await Promise.all(files.map(async (file) => (await stat(file)).size));
  return files[sizes.indexOf(Math.max(...sizes))] as string;
}

test.each(KINDS)("a sound %s, in its store and alone", async (kind, end) => {
  // One that was made is not yet in the manifest, where its store was closed right then.
  const { archives } = await manifestOf(directory);
  const archived = archives.map(({ id }) => archiveFileName(id));
  for (const file of await filesOf(directory, end)) {
    const byManifest = kind !== "archive" || archived.includes(basename(file));
    const result = await verifyFile(file);
    expect(result, file).toMatchObject({ kind, verdict: "sound", findings: [], byManifest });
  }
  if (kind === "manifest") return;
  // The longest: a segment that nobody wrote to may be archived as well.
  const file = await longestOf(await filesOf(directory, end));
  const alone = join(await makeDirectory(), basename(file));
  await copyFile(file, alone);
  const result = await verifyFile(alone);
  expect(result).toMatchObject({ kind, verdict: "sound", findings: [], byManifest: false });
  expect(result.rows + result.transactions).toBeGreaterThan(0);
});

test.each(KINDS)("a damaged %s: exit 1, and where", async (_, end) => {
  const copy = await copyOf(directory);
  const [file] = await filesOf(copy, end);
  await flip(file as string, end === ".log" ? 4096 + 130 : 130);
  const { code, stdout } = await holdfast("verify", file as string);
  expect(code, stdout).toBe(1);
  expect(stdout).toMatch(/^damage: .* at \d+: /);
  expect(stdout).toContain(`${file}: DAMAGED: `);
});

test("what is no file of a store, and what is not there: exit 2", async () => {
  const copy = await copyOf(directory);
  const lock = await holdfast("verify", join(copy, "LOCK"));
  expect(lock.code).toBe(2);
  expect(lock.stderr).toContain("holdfast: NOT_A_STORE: ");
  const [file] = await filesOf(copy, ".run");
  await rm(file as string);
  expect((await holdfast("verify", file as string)).code).toBe(2);
});
