/** Repairs of a file, by hand: what the log or the file itself must not be. */
import { describe, expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { ManifestFile, ManifestSegment } from "../../src/manifest/format.js";
import { runFileName } from "../../src/run/format.js";
import type { RepairJob, RepairResult } from "../../src/snapshot/jobs.js";
import { planRepair } from "../../src/snapshot/repair-plan.js";
import { runJob } from "../../src/snapshot/run-job.js";
import { manifest } from "../manifest/content.js";
import { numberKey, STORE_ID as RUN_STORE_ID } from "../run/fixtures.js";
import { type Forged, forge, type PlacedBlock } from "../run/forged.js";
import { SimulatedMachine } from "../sim/disk.js";
import { ALIGNMENT, DIRECTORY, LogMaker, malform, type Operation, put, STORE_ID } from "./log.js";
import { contextOn, rowsOf, TABLES } from "./rows.js";

const NOTHING = { runs: [], files: [] };
const fullKey = (text: string) => Uint8Array.from([0, 1, ...Buffer.from(text)]);

const FILE: ManifestFile = {
  id: 1,
  bytes: 1000,
  rows: 1,
  tombstones: 0,
  firstKey: fullKey("b"),
  lastKey: fullKey("d"),
  checksum: 0,
};

/** Six transactions in two segments, and the job that makes a file of the first `through`. */
async function scene(
  through: number,
  change: Partial<RepairJob> = {},
  pieceCount = 2,
  more: Operation[] = [],
) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk);
  const keys = ["a", "b", "c", "d", "e", "c"];
  for (const [i, key] of keys.entries()) {
    if (i === 3) await machine.run(log.rotate());
    await machine.run(log.append([put(key, `${i}`), put(key, "other table", 2)]));
  }
  if (more.length > 0) await machine.run(log.append(more));
  const pieces = log.segments
    .slice(0, pieceCount)
    .map((segment: ManifestSegment) => ({ kind: "segment", segment }) as const);
  const job: RepairJob = {
    kind: "repair",
    directory: DIRECTORY,
    storeId: STORE_ID,
    file: FILE,
    fromItself: false,
    source: {
      ...{ name: "the log", base: NOTHING, below: NOTHING, under: NOTHING },
      ...{ after: 0, through, log: pieces },
    },
    firstSequence: 1,
    lastSequence: through,
    dropTombstones: true,
    tables: TABLES,
    fileIds: { first: 100, count: 50 },
    fileBytes: 4096,
    arenaBytes: 1024 * 1024,
    ...change,
  };
  const repair = (): Promise<RepairResult> => machine.run(runJob(job, contextOn(disk)));
  return { machine, disk, repair };
}

describe("from the log", () => {
  test("only keys of the file's range and table, and no more of the log than is wanted", async () => {
    const { machine, disk, repair } = await scene(3);
    const result = await repair();
    const ids = result.files.map(({ id }) => id);
    const run = { id: 1, tier: 0, firstSequence: 1, lastSequence: 3, files: ids };
    const rows = await machine.run(rowsOf(disk, [run], result.files));
    expect([...rows]).toEqual([
      ["\0\x01b", "1"],
      ["\0\x01c", "2"],
    ]);
    const whole = await (await scene(6)).repair();
    expect(whole.bytesRead).toBeGreaterThan(result.bytesRead);
  });

  test("many small rows are copied with pauses, though no file is full", async () => {
    const rows = Array.from({ length: 2500 }, (_, i) => put(`c${i}`, "x"));
    const { repair } = await scene(7, { fileBytes: 1_000_000 }, 2, rows);
    const { files } = await repair();
    expect(files).toMatchObject([{ rows: 2503 }]);
  });

  test("one that ends too early is none", async () => {
    const { repair } = await scene(6, {}, 1);
    await expect(repair()).rejects.toMatchObject({
      code: "MISSING_FILE",
      message: "the log has no transaction 4",
    });
  });

  test.each([
    ["record", "a record's length is out of bounds"],
    ["operation", "transaction 6: operation kind 9 is unknown"],
  ] as const)("a %s that is none is damage", async (what, why) => {
    const { machine, repair } = await scene(6);
    malform(machine, 2, 3 * ALIGNMENT, what);
    await expect(repair()).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringContaining(why),
    });
  });
});

describe("from itself", () => {
  async function fromItself(forged: Forged, file = forged.file) {
    const storeId = Buffer.from(RUN_STORE_ID).toString("hex");
    const { machine, disk, repair } = await scene(3, { file, storeId, fromItself: true });
    const path = `${DIRECTORY}/${runFileName(file.id)}`;
    const writing = async (): Promise<void> => {
      const open = await disk.open(path, { write: true, create: true });
      await open.write(0, forged.bytes);
      await open.close();
    };
    await machine.run(writing());
    return repair();
  }

  test("a sound file is copied", async () => {
    const forged = forge();
    const { files } = await fromItself(forged);
    expect(files).toMatchObject([{ rows: 2, tombstones: 0 }]);
    expect(Buffer.compare(files[0]!.firstKey, forged.file.firstKey)).toBe(0);
  });

  test("blocks that are whole and not in order are damage", async () => {
    const forged = forge({ keys: [numberKey(1, 3), numberKey(1, 1)] });
    await expect(fromItself(forged)).rejects.toMatchObject({
      code: "CORRUPT_RUN",
      data: { file: `${DIRECTORY}/${runFileName(7)}` },
    });
  });

  test("as many rows as there were, and others, are damage", async () => {
    const forged = forge();
    const file = { ...forged.file, firstKey: Buffer.from(numberKey(1, 0)) };
    await expect(fromItself(forged, file)).rejects.toThrow("its rows are not those that it had");
  });

  test("cut off behind its rows it has them all, cut off between them it has not", async () => {
    const forged = forge();
    const [first, second] = forged.data as [PlacedBlock, PlacedBlock];
    const end = second.offset + second.length;
    const { files } = await fromItself({ ...forged, bytes: forged.bytes.subarray(0, end) });
    expect(files).toMatchObject([{ rows: 2 }]);
    const cut = { ...forged, bytes: forged.bytes.subarray(0, first.offset + first.length) };
    await expect(fromItself(cut)).rejects.toThrow("rows are lost");
  });

  test("fewer rows than there were are damage", async () => {
    const forged = forge();
    const file = { ...forged.file, rows: 3 };
    await expect(fromItself(forged, file)).rejects.toThrow("rows are lost");
  });

  test.each([
    ["of another format", 9, undefined],
    ["that is damaged all over", undefined, true],
  ])("a header %s tells no block to be whole", async (_name, version, all) => {
    const forged = forge();
    if (all === true) forged.bytes.fill(0, 0, 64);
    if (version !== undefined) {
      forged.bytes.writeUInt32LE(version, 8);
      forged.bytes.writeUInt32LE(crcOf(forged.bytes), 4);
    }
    await expect(fromItself(forged)).rejects.toThrow("no block can be told to be whole");
  });
});

function crcOf(header: Uint8Array): number {
  return portableChecksum.crc32c(header, 8, 64);
}

test("where the log is gone it is no source", () => {
  const [newest] = manifest.state.runs;
  const id = newest?.files[0] ?? 0;
  const names = (one: typeof manifest) =>
    planRepair(one, id)?.sources.map(({ name }) => name) ?? [];
  const without = { ...manifest, segments: [], archives: [] };
  expect(names(without)).not.toContain("the log");
});
