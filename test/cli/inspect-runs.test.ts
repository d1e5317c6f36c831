/** `holdfast inspect` and `log` over runs, snapshots and archives. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { StoreReport } from "../../src/cli/examine-store.js";
import { RUN_HEADER_BYTES, runFileName } from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, makeDirectory, manifestOf, removeDirectories } from "./frames.js";
import {
  filesOf,
  type KnownStore,
  largestFile,
  makeRunStore,
  openRuns,
  steps,
} from "./run-stores.js";
import { entriesOf, gapsOf, hashOf, holdfast, parseLog, withWriter } from "./stores.js";

let known: KnownStore;
let forgetful: KnownStore;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore();
  forgetful = await makeRunStore({ history: "none" });
});

afterAll(removeDirectories);

async function inspect(directory: string): Promise<StoreReport> {
  const before = hashOf(directory);
  const { code, stdout, stderr } = await holdfast("inspect", directory, "--json");
  const report = JSON.parse(stdout) as StoreReport;
  expect({ code, stderr }).toEqual({ code: report.verdict === "sound" ? 0 : 1, stderr: "" });
  expect(hashOf(directory)).toBe(before);
  return report;
}

function rowsOf({ now }: KnownStore): Record<string, number> {
  const count = (table: string) => Object.keys(now).filter((key) => key.startsWith(table)).length;
  return { orders: count("orders "), names: count("names ") };
}

describe("inspect", () => {
  test("counts the rows of runs and log together", async () => {
    for (const store of [known, forgetful]) {
      const report = await inspect(store.directory);
      expect(report).toMatchObject({ verdict: "sound", rowsComplete: true, problems: [] });
      const rows = Object.fromEntries(report.tables.map((table) => [table.name, table.rows]));
      expect(rows).toEqual(rowsOf(store));
    }
  });

  test("runs, snapshots, history, and what there is to replay", async () => {
    const report = await inspect(known.directory);
    const { state, files, snapshots, archives } = await manifestOf(known.directory);
    expect(report.runs.map(({ id, tier }) => ({ id, tier }))).toEqual(
      state.runs.map(({ id, tier }) => ({ id, tier })),
    );
    expect(report.runs.every(({ rows, bytes, files: count }) => rows + bytes + count > 2)).toBe(
      true,
    );
    expect(report.runsThrough).toBe(state.runsThrough);
    expect(report.replay.transactions).toBe(known.sequence - state.runsThrough);
    expect(report.replay.operations).toBeGreaterThan(report.replay.transactions);
    expect(report.snapshots.map(({ name, sequence }) => ({ name, sequence }))).toEqual(
      snapshots.map(({ name, sequence }) => ({ name, sequence })),
    );
    expect(report.history).toMatchObject({ archives: archives.length, firstSequence: 1 });
    expect(report.sizes.runs).toBe(files.reduce((sum, { bytes }) => sum + bytes, 0));
    const { segments, runs, archives: inArchives, manifests, torn, total } = report.sizes;
    expect(total).toBeGreaterThanOrEqual(segments + runs + inArchives + manifests + torn);
    const { stdout } = await holdfast("inspect", known.directory);
    expect(stdout).toMatch(/^run +tier +files +rows +tombstones +size +sequences$/m);
    expect(stdout).toMatch(/^round-0 +\d+ /m);
    expect(stdout).toMatch(
      /^to replay +\d+ transactions, \d+ operations, .* ms when it is opened$/m,
    );
    expect(stdout).toMatch(/^history +transactions 1 to \d+ in \d+ archives, /m);
  });

  test("a damaged run is told, and the rows of other tables are counted", async () => {
    const directory = await copyOf(known.directory);
    const file = largestFile(await manifestOf(directory));
    await flip(join(directory, runFileName(file.id)), RUN_HEADER_BYTES + 100);
    const report = await inspect(directory);
    expect(report).toMatchObject({ verdict: "damaged", rowsComplete: false });
    expect(report.problems).toMatchObject([
      { file: join(directory, runFileName(file.id)), offset: RUN_HEADER_BYTES },
    ]);
    expect(report.tables.find(({ name }) => name === "names")?.rows).toBe(rowsOf(known).names);
  });

  test("files that are missing are named, whoever needs them", async () => {
    const directory = await copyOf(known.directory);
    const { snapshots, archives } = await manifestOf(directory);
    const id = snapshots[0]?.state.runs[0]?.files[0] as number;
    const archive = `${String(archives[0]?.id).padStart(16, "0")}.archive`;
    await rm(join(directory, runFileName(id)));
    await rm(join(directory, archive));
    const report = await inspect(directory);
    expect(report.problems.map(({ file }) => file).sort()).toEqual(
      [join(directory, archive), join(directory, runFileName(id))].sort(),
    );
  });
});

test("the hash of what is archived is the one that verify computes", async () => {
  const { history } = await inspect(known.directory);
  const { archives } = await manifestOf(known.directory);
  const { from, to, base, head } = history.hash as NonNullable<typeof history.hash>;
  expect(to).toBe(archives.at(-1)?.lastSequence);
  // A snapshot keeps segments before `from`: the hash goes through them all the same.
  expect(from).toBeGreaterThan(1);
  for (const start of [["--from", String(from), "--base", base], []]) {
    const args = ["verify", known.directory, ...start, "--to", String(to), "--head", head];
    const { code, stdout } = await holdfast(...args);
    expect({ code, stdout }).toMatchObject({ code: 0, stdout: expect.stringContaining(head) });
  }
  expect((await holdfast("inspect", known.directory)).stdout).toContain(
    `hash through transaction ${to}: ${head}`,
  );
});

describe("log", () => {
  test("with history: every transaction from the first, archives before the log", async () => {
    const { code, stdout, stderr } = await holdfast("log", known.directory, "--json");
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const entries = entriesOf(parseLog(stdout));
    expect(entries.map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: known.sequence }, (_, i) => i + 1),
    );
    expect(entries[0]?.file).toMatch(/\.archive$/);
    expect(entries.at(-1)?.file).toMatch(/\.log$/);
    expect(entries.every(({ writer, operations }) => writer === "tester" && operations.length > 0));
    const { archives } = await manifestOf(known.directory);
    const middle = archives[1]?.lastSequence ?? 0;
    const part = await holdfast(
      "log",
      known.directory,
      "--from",
      String(middle - 1),
      "--limit",
      "4",
      "--json",
    );
    expect(entriesOf(parseLog(part.stdout))).toEqual(entries.slice(middle - 2, middle + 2));
  });

  test("without: says where history begins, and what of it a snapshot keeps", async () => {
    const { code, stdout, stderr } = await holdfast("log", forgetful.directory, "--json");
    expect(code).toBe(0);
    const sequences = entriesOf(parseLog(stdout)).map(({ sequence }) => sequence);
    expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
    const [first] = sequences;
    expect(first).toBeGreaterThan(1);
    expect(sequences.at(-1)).toBe(forgetful.sequence);
    expect(stderr.split("\n")[0]).toBe(
      `holdfast: not kept one by one, their rows are in runs: transactions 1 to ` +
        `${(first as number) - 1}; history begins with transaction ${first}`,
    );
    const asked = await holdfast(
      "log",
      forgetful.directory,
      "--from",
      String(first),
      "--limit",
      "1",
    );
    expect(asked.stderr).toBe("");
  });

  test("a damaged archive is a gap, and the rest is printed", async () => {
    const directory = await copyOf(known.directory);
    const [, second] = await filesOf(directory, ".archive");
    await rm(second as string);
    const { code, stdout, stderr } = await holdfast("log", directory, "--json");
    expect(code).toBe(1);
    const { archives } = await manifestOf(directory);
    const lines = parseLog(stdout);
    expect(gapsOf(lines)).toMatchObject([
      {
        file: second,
        sequence: archives[1]?.firstSequence,
        lastSequence: archives[1]?.lastSequence,
      },
    ]);
    const missing = (archives[1]?.lastSequence ?? 0) - (archives[1]?.firstSequence ?? 0) + 1;
    expect(entriesOf(lines).length).toBe(known.sequence - missing);
    expect(stderr).toContain("the file is missing");
  });

  test("beside a writer whose log is let go of: each transaction once, in order", async () => {
    const directory = await makeDirectory();
    const store = await openRuns(directory);
    await steps(store, 0, 30);
    await store.flush();
    await store.close();
    await withWriter(directory, "write", async () => {
      for (let i = 0; i < 6; i++) {
        const { code, stdout, stderr } = await holdfast("log", directory, "--json");
        expect(stderr).not.toContain("CORRUPT_LOG");
        expect(code).toBe(0);
        const sequences = entriesOf(parseLog(stdout)).map(({ sequence }) => sequence);
        expect(sequences).toEqual([...new Set(sequences)].sort((a, b) => a - b));
      }
    });
  });
});
