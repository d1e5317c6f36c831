/**
 * Every byte of a log of 64 KiB, changed in ten ways, and every length of its files: refused with file
 * and offset where a replayed frame or the header of its segment is hit, and all that was
 * acknowledged everywhere else.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { segmentFileName } from "../../src/log/format.js";
import { recordFaults } from "../support/fault-matrix.js";
import { logProbe } from "./probes.js";
import { DIRECTORY, makeSpecimen, type Specimen } from "./specimen.js";
import { faultRow, Sweep, withoutTraces } from "./sweep.js";
import { type Unit, unitsOf } from "./units.js";

/** Behind the last frame nothing is kept: a part of it says what the rest would. */
const SPACE_BYTES = 2048;
const SPACE_STEP = 61;

let specimen: Specimen;
let units: Unit[];
const sweeps: Sweep[] = [];

beforeAll(async () => {
  specimen = await makeSpecimen();
  units = unitsOf(specimen);
});

withoutTraces();

/** What is replayed, with its headers and padding, is a log of this much. */
test("the log that is swept is as long as it has to be", () => {
  const swept = units.filter(({ path, what }) => path.endsWith(".log") && !/space/.test(what));
  expect(swept.reduce((sum, { from, to }) => sum + to - from, 0)).toBeGreaterThan(64 * 1024);
  const kept = swept.filter(({ fate }) => fate === "refused");
  expect(kept.reduce((sum, { from, to }) => sum + to - from, 0)).toBeGreaterThan(50 * 1024);
});

describe.each([
  ["sealed", 3],
  ["active", 4],
  ["spare", 5],
] as const)("the %s segment", (state, id) => {
  const path = `${DIRECTORY}/${segmentFileName(id)}`;

  test("every byte", { timeout: 600_000 }, async () => {
    expect(specimen.manifest.segments.find((one) => one.id === id)?.state).toBe(state);
    const contents = new Map(specimen.files);
    const probe = logProbe(specimen, contents, id);
    const sweep = new Sweep(contents);
    sweeps.push(sweep);
    for (const unit of units.filter((one) => one.path === path)) {
      if (!unit.what.startsWith("space")) await sweep.bytes(unit, probe);
      else {
        const middle = Math.min(unit.from + (state === "active" ? SPACE_BYTES : 0), unit.to);
        await sweep.bytes({ ...unit, to: middle }, probe);
        await sweep.bytes({ ...unit, from: middle }, probe, { step: SPACE_STEP });
      }
    }
    sweep.finish(`the ${state} segment`);
  });

  test("every length", { timeout: 600_000 }, async () => {
    const contents = new Map(specimen.files);
    const probe = logProbe(specimen, contents, id);
    const sweep = new Sweep(contents);
    sweeps.push(sweep);
    const end = specimen.manifest.segments.find((one) => one.id === id)?.bytes as number;
    // The manifest says how long it is at least: what it is short of that is missed.
    const short: Unit = {
      path,
      from: 0,
      to: end,
      what: `${state} segment`,
      fate: "refused",
      code: "CORRUPT_LOG",
    };
    await sweep.lengths(short, probe);
    const size = (specimen.files.get(path) as Uint8Array).length;
    await sweep.lengths(
      { path, from: end, to: size, what: "space behind a sealed end", fate: "nothing" },
      probe,
    );
    sweep.finish(`the ${state} segment, cut short`);
  });
});

afterAll(() => {
  const expected =
    "CORRUPT_LOG with file and offset, or nothing carried there: all that was acknowledged";
  recordFaults("corruption-log", [
    faultRow(
      "10 bit flip in an acked frame",
      "every byte of a 64 KiB log, ten ways",
      sweeps,
      "bytes",
      expected,
    ),
    faultRow(
      "20 segment truncated below its durable sequence",
      "every length",
      sweeps,
      "cuts",
      expected,
    ),
  ]);
});
