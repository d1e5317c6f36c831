/**
 * Every byte of a run of 64 KiB, of two archives and of both slots of the manifest, changed in ten
 * ways, and every length of them.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import { MANIFEST_SLOT_NAMES, type ManifestFile } from "../../src/manifest/format.js";
import { recordFaults } from "../support/fault-matrix.js";
import { archiveProbe, slotProbe } from "./probes.js";
import { copiedRanges, RunProbe } from "./run-probe.js";
import { DIRECTORY, makeSpecimen, type Specimen } from "./specimen.js";
import { faultRow, Sweep, withoutTraces } from "./sweep.js";
import { type Unit, unitsOf } from "./units.js";

let specimen: Specimen;
let units: Unit[];

beforeAll(async () => {
  specimen = await makeSpecimen();
  units = unitsOf(specimen);
});

withoutTraces();

/** The whole file as one unit: what a length is refused with. */
function wholeOf(path: string, code: "CORRUPT_RUN" | "CORRUPT_LOG"): Unit {
  const to = (specimen.files.get(path) as Uint8Array).length;
  return { path, from: 0, to, what: "file", fate: "refused", code };
}

describe("the run", () => {
  const sweeps: Sweep[] = [];

  async function probeOf(contents: Map<string, Uint8Array>): Promise<RunProbe> {
    const probe = new RunProbe(specimen, contents, specimen.manifest.files[0] as ManifestFile);
    await probe.prepare();
    return probe;
  }

  test("is read by its parts, each by itself, and by nothing else", async () => {
    const probe = await probeOf(new Map(specimen.files));
    const parts = units.filter(({ path }) => path === probe.path);
    expect(await copiedRanges(probe)).toEqual(parts.map(({ from, to }) => [from, to]));
    expect(parts.at(-1)?.to).toBeGreaterThan(64 * 1024);
    expect(new Set(parts.map(({ what }) => what)).size).toBe(7);
  });

  test("every byte", { timeout: 600_000 }, async () => {
    const contents = new Map(specimen.files);
    const run = await probeOf(contents);
    const sweep = new Sweep(contents);
    sweeps.push(sweep);
    for (const unit of units.filter(({ path }) => path === run.path)) {
      await sweep.bytes(unit, run.probe);
    }
    sweep.finish("the run");
  });

  test("every length", { timeout: 600_000 }, async () => {
    const contents = new Map(specimen.files);
    const run = await probeOf(contents);
    const sweep = new Sweep(contents);
    sweeps.push(sweep);
    // Not of a part, so that it is opened.
    await sweep.lengths(wholeOf(run.path, "CORRUPT_RUN"), () => run.probe(-1));
    sweep.finish("the run, cut short");
  });

  afterAll(() => {
    const expected = "CORRUPT_RUN with file and offset";
    recordFaults("corruption-run", [
      faultRow(
        "30 bit flip in snapshot block",
        "every byte of a 64 KiB run, ten ways",
        sweeps,
        "bytes",
        expected,
      ),
      faultRow("30 run truncated", "every length of a 64 KiB run", sweeps, "cuts", expected),
    ]);
  });
});

describe("archives", () => {
  const sweeps: Sweep[] = [];

  test.each([1, 2])(
    "of segment %i: every byte and every length",
    { timeout: 600_000 },
    async (id) => {
      const contents = new Map(specimen.files);
      const path = `${DIRECTORY}/${archiveFileName(id)}`;
      const probe = archiveProbe(specimen, contents, id);
      const sweep = new Sweep(contents);
      sweeps.push(sweep);
      for (const unit of units.filter((one) => one.path === path)) await sweep.bytes(unit, probe);
      await sweep.lengths(wholeOf(path, "CORRUPT_LOG"), probe);
      sweep.finish(`archive ${id}`);
    },
  );

  afterAll(() => {
    recordFaults("corruption-archives", [
      faultRow(
        "10 bit flip in an archived segment",
        "every byte, ten ways",
        sweeps,
        "bytes",
        "CORRUPT_LOG with file and offset",
      ),
      faultRow(
        "20 archive truncated",
        "every length",
        sweeps,
        "cuts",
        "CORRUPT_LOG with file and offset",
      ),
    ]);
  });
});

describe("slots of the manifest", () => {
  const ofOne: Sweep[] = [];
  const ofBoth: Sweep[] = [];
  const paths = MANIFEST_SLOT_NAMES.map((name) => `${DIRECTORY}/${name}`);

  test.each(MANIFEST_SLOT_NAMES)(
    "%s: every byte and every length",
    { timeout: 600_000 },
    async (name) => {
      const contents = new Map(specimen.files);
      const probe = slotProbe(specimen, contents);
      const sweep = new Sweep(contents);
      ofOne.push(sweep);
      for (const unit of units.filter((one) => one.path === `${DIRECTORY}/${name}`)) {
        await sweep.bytes(unit, probe);
        await sweep.lengths(unit, probe);
      }
      sweep.finish(name);
    },
  );

  test("both at once: every byte and every length that matters", { timeout: 600_000 }, async () => {
    const contents = new Map(specimen.files);
    const probe = slotProbe(specimen, contents);
    const sweep = new Sweep(contents);
    ofBoth.push(sweep);
    const [slot] = units.filter(({ what }) => what === "manifest slot") as [Unit];
    const unit: Unit = { ...slot, what: "both slots", fate: "refused", code: "CORRUPT_MANIFEST" };
    await sweep.bytes(unit, probe, { paths });
    await sweep.lengths(unit, probe, { paths });
    sweep.finish("both slots");
  });

  afterAll(() => {
    recordFaults("corruption-manifest", [
      faultRow(
        "22 corrupt newest manifest",
        "every byte of one slot, ten ways",
        ofOne,
        "bytes",
        "the other slot is used, this one is named, or nothing was carried there",
      ),
      faultRow("22 manifest truncated", "every length of one slot", ofOne, "cuts", "the same"),
      faultRow(
        "23 both manifests corrupt",
        "every byte of both slots",
        ofBoth,
        "bytes",
        "CORRUPT_MANIFEST",
      ),
      faultRow(
        "23 both manifests truncated",
        "every length of both slots",
        ofBoth,
        "cuts",
        "CORRUPT_MANIFEST",
      ),
    ]);
  });
});
