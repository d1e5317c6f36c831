/** `holdfast salvage`: everything that can be proved, never an older row, and what could not. */
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { SalvageReport } from "../../src/cli/salvage-report.js";
import { FRAME_HEADER_BYTES } from "../../src/log/format.js";
import { runFileName } from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import { copyOf, flip, framesOf, makeDirectory, manifestOf, removeDirectories } from "./frames.js";
import { openRuns, read, stateOf, steps } from "./run-stores.js";
import { type History, makeHistory, STEPS, salvaged } from "./salvage-model.js";
import { hashOf, holdfast, withWriter } from "./stores.js";

let forgetful: History;
/** With archives of all its history. */
let lasting: History;

beforeAll(async () => {
  ensureBuilt();
  forgetful = await makeHistory();
  lasting = await makeHistory({ history: "all" });
});

afterAll(removeDirectories);

const SLOTS = ["manifest.0", "manifest.1"];

test("of a sound store all is had: exit 0", async () => {
  const { report, state } = await salvaged(forgetful, forgetful.directory);
  expect(report).toMatchObject({ complete: true, lost: [], harmless: [], knownBy: "manifest" });
  expect(report.sequence).toBe(forgetful.states.length - 1);
  expect(state).toEqual(forgetful.states.at(-1));
  expect(report.beyondGap).toEqual({ file: null, operations: 0, sequences: null });
  const to = join(await makeDirectory(), "saved");
  const { code, stdout, stderr } = await holdfast("salvage", forgetful.directory, to);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("all of it was had\n");
  expect(stdout).toContain(`${to}: sound\n`);
  const more = await openRuns(to);
  expect(more.lastSequence).toBe(report.sequence);
  await steps(more, 1000, 1020);
  expect(more.lastSequence).toBe(report.sequence + 20);
  await more.close();
});

describe("the log", () => {
  test("a bad frame in the middle: the state before it, and the rest beside it", async () => {
    const directory = await copyOf(forgetful.directory);
    const { state } = await manifestOf(directory);
    const frames = (await framesOf(directory)).filter(
      ({ header }) => header.firstSequence > state.runsThrough && header.recordCount > 0,
    );
    const bad = frames[3] as (typeof frames)[number];
    await flip(bad.path, bad.offset + FRAME_HEADER_BYTES + 40);
    const { report, to } = await salvaged(forgetful, directory);
    const first = bad.header.firstSequence;
    expect(report.sequence).toBe(first - 1);
    expect(report.lost).toMatchObject([
      { kind: "transactions", file: bad.path, offset: bad.offset, sequences: { first } },
    ]);
    const last = forgetful.states.length - 1;
    expect(report.beyondGap.sequences).toEqual({ first: first + 1, last });
    const lines = (await readFile(join(to, "beyond-gap.jsonl"), "utf8")).trim().split("\n");
    expect(lines.length).toBe(report.beyondGap.operations);
    const rows = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(rows.at(-1)).toMatchObject({ sequence: last, operation: "patch", table: "orders" });
    const written = await readFile(join(to, "salvage-report.json"), "utf8");
    expect(JSON.parse(written)).toEqual(report);
  });

  test("one that is in runs already does no harm", async () => {
    const directory = await copyOf(lasting.directory);
    const { state } = await manifestOf(directory);
    const frames = (await framesOf(directory)).filter(
      ({ header }) => header.firstSequence < state.runsThrough,
    );
    const bad = frames[0] as (typeof frames)[number];
    await flip(bad.path, bad.offset + FRAME_HEADER_BYTES + 40);
    const { report } = await salvaged(lasting, directory);
    expect(report).toMatchObject({ complete: true, lost: [] });
  });

  test("a manifest that is older than the log: the segments that came since count", async () => {
    const directory = await copyOf(forgetful.directory);
    const slots = await Promise.all(SLOTS.map((name) => readFile(join(directory, name))));
    const store = await openRuns(directory);
    await steps(store, STEPS, STEPS + 60);
    const expected = stateOf(store);
    const { lastSequence } = store;
    await store.close();
    for (const [i, name] of SLOTS.entries()) {
      await writeFile(join(directory, name), slots[i] as Buffer);
    }
    await expect(openRuns(directory)).rejects.toMatchObject({ code: "CORRUPT_MANIFEST" });
    const to = join(await makeDirectory(), "saved");
    const { code, stdout } = await holdfast("salvage", directory, to, "--json");
    const report = JSON.parse(stdout) as SalvageReport;
    expect({ code, lost: report.lost }).toEqual({ code: 0, lost: [] });
    expect(report.sequence).toBe(lastSequence);
    expect(await read(to)).toEqual(expected);
  });
});

describe("manifests", () => {
  test("one slot lost: nothing is", async () => {
    for (const slot of SLOTS) {
      const directory = await copyOf(forgetful.directory);
      await rm(join(directory, slot));
      const { report } = await salvaged(forgetful, directory);
      expect(report).toMatchObject({ complete: true, knownBy: "manifest" });
    }
  });

  test("both lost, with all history: the log proves everything but its own end", async () => {
    const directory = await copyOf(lasting.directory);
    for (const slot of SLOTS) await rm(join(directory, slot));
    const { report, state } = await salvaged(lasting, directory, { environment: "saved" });
    expect(report).toMatchObject({ complete: false, knownBy: "files", environment: "saved" });
    expect(report.lost.map(({ kind }) => kind)).toEqual(["manifest"]);
    expect(state).toEqual(lasting.states.at(-1));
  });

  test("both lost: what the files say, and that it cannot be proved", async () => {
    const directory = await copyOf(forgetful.directory);
    for (const slot of SLOTS) await writeFile(join(directory, slot), "nothing");
    const { report, state } = await salvaged(forgetful, directory, { environment: "saved" });
    expect(report.complete).toBe(false);
    expect(report.lost[0]).toMatchObject({ kind: "manifest" });
    expect(Object.keys(state).length).toBeGreaterThan(0);
  });

  test("both lost and a run file too: older rows do not take its place", async () => {
    const { state } = await manifestOf(forgetful.directory);
    for (const id of state.runs.flatMap((run) => run.files)) {
      const directory = await copyOf(forgetful.directory);
      for (const slot of SLOTS) await rm(join(directory, slot));
      await rm(join(directory, runFileName(id)));
      const { report } = await salvaged(forgetful, directory, { environment: "saved" });
      expect(report.complete).toBe(false);
    }
  });

  test("both lost, and nobody says the environment: exit 2, nothing is made", async () => {
    const directory = await copyOf(forgetful.directory);
    for (const slot of SLOTS) await rm(join(directory, slot));
    const to = join(await makeDirectory(), "saved");
    const { code, stderr } = await holdfast("salvage", directory, to);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^holdfast: INVALID_ARGUMENT: .*say --environment\n$/);
    await expect(readFile(join(to, "manifest.0"))).rejects.toMatchObject({ code: "ENOENT" });
  });
});

describe("refused, with exit 2", () => {
  test("a store that somebody has open: LOCKED, with the process", async () => {
    const directory = await copyOf(forgetful.directory);
    await withWriter(directory, "hold", async (child) => {
      const to = join(await makeDirectory(), "saved");
      const { code, stderr } = await holdfast("salvage", directory, to);
      expect(code).toBe(2);
      expect(stderr).toContain(`holdfast: LOCKED: ${directory} is open: process ${child.pid} `);
    });
  });

  test("a place that is not empty, which stays as it is", async () => {
    const to = await makeDirectory();
    await writeFile(join(to, "letter.txt"), "dear");
    const before = hashOf(to);
    const { code, stderr } = await holdfast("salvage", forgetful.directory, to);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^holdfast: INVALID_ARGUMENT: .* is not empty .*\n$/);
    expect(hashOf(to)).toBe(before);
  });

  test("a directory without a store", async () => {
    const { code, stderr } = await holdfast("salvage", await makeDirectory(), "/nowhere/at/all");
    expect(code).toBe(2);
    expect(stderr).toContain("holdfast: NOT_A_STORE: ");
  });
});
