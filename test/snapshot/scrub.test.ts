/** Archives that are read through: gone, malformed, or refused by a mistake of the program. */
import { expect, test } from "vitest";
import type { ManifestSegment } from "../../src/manifest/format.js";
import { archiveFileName } from "../../src/snapshot/archive-format.js";
import type { ScrubJob } from "../../src/snapshot/jobs.js";
import { runJob } from "../../src/snapshot/run-job.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, LogMaker, malform, put, STORE_ID } from "./log.js";
import { contextOn } from "./rows.js";

const PATH = `${DIRECTORY}/${archiveFileName(1)}`;

async function archived(malformed: boolean) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk);
  for (let i = 0; i < 3; i++) await machine.run(log.append([put("key", `${i}`)]));
  await machine.run(log.rotate());
  if (malformed) malform(machine, 1, 3 * ALIGNMENT, "operation");
  const base = { directory: DIRECTORY, storeId: STORE_ID };
  const segment = log.segments[0] as ManifestSegment;
  const job = { ...base, kind: "archive", segment } as const;
  const { archive } = await machine.run(runJob(job, contextOn(disk)));
  const scrubbing: ScrubJob = { ...base, kind: "scrub", subject: { kind: "archive", archive } };
  return { machine, scrub: () => machine.run(runJob(scrubbing, contextOn(disk))) };
}

test("a sound archive has no problems", async () => {
  const { scrub } = await archived(false);
  expect(await scrub()).toMatchObject({ problems: 0, first: undefined });
});

test("one that is gone has one", async () => {
  const { machine, scrub } = await archived(false);
  await machine.run(machine.boot().remove(PATH));
  expect(await scrub()).toMatchObject({ problems: 1, offset: 0 });
});

test("an operation that is none, under good checksums, is one", async () => {
  const { scrub } = await archived(true);
  const first = "operation kind 9 is unknown";
  expect(await scrub()).toMatchObject({ problems: 1, first, offset: 0 });
});

test("a mistake of the program is thrown, and not told as damage", async () => {
  const { machine, scrub } = await archived(false);
  machine.addFault({ operation: "read", path: PATH, error: "MISTAKE" });
  await expect(scrub()).rejects.toMatchObject({ code: "MISTAKE" });
});
