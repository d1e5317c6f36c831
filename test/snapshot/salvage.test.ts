/** What of a damaged file can be had: files by hand, whose damage no store runs into. */
import { describe, expect, test } from "vitest";
import type { ManifestFile } from "../../src/manifest/format.js";
import type { Entries } from "../../src/run/entries.js";
import { runFileName } from "../../src/run/format.js";
import { RestoredTables } from "../../src/snapshot/restored-tables.js";
import { type BadPlace, salvageFile } from "../../src/snapshot/salvage-file.js";
import { RowSalvage } from "../../src/snapshot/salvage-rows.js";
import { numberKey, STORE_ID } from "../run/fixtures.js";
import { entryOf, FILE_ID, type Forged, forge } from "../run/forged.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY } from "./log.js";
import { contextOn } from "./rows.js";

const TO = "/data/saved";
const PATH = `${DIRECTORY}/${runFileName(FILE_ID)}`;
const storeId = Buffer.from(STORE_ID).toString("hex");

async function scene({ bytes }: Forged) {
  const machine = new SimulatedMachine({ seed: 1 });
  const disk = machine.boot();
  for (const directory of [DIRECTORY, TO]) await machine.run(disk.createDirectory(directory));
  const writing = async (): Promise<void> => {
    const file = await disk.open(PATH, { write: true, create: true });
    await file.write(0, bytes);
    await file.close();
  };
  await machine.run(writing());
  const salvage = async (file: ManifestFile) => {
    let rows = 0;
    const visit = async ({ count }: Entries): Promise<void> => {
      rows += count;
    };
    const options = { disk, directory: DIRECTORY, storeId, file };
    const places = await machine.run(salvageFile(options, visit));
    return { rows, places };
  };
  return { machine, disk, salvage };
}

function told({ places }: { places: BadPlace[] }): string[] {
  return places.map(({ what, rows }) => (rows === undefined ? `${what}: no row` : what));
}

const three = () => forge({ keys: [1, 2, 3].map((i) => numberKey(1, i)) });

describe("a file", () => {
  test("that is sound is had whole", async () => {
    const forged = three();
    expect(await (await scene(forged)).salvage(forged.file)).toEqual({ rows: 3, places: [] });
  });

  test("without a header that tells anything is lost whole", async () => {
    const forged = three();
    forged.bytes.fill(0, 0, 64);
    const { firstKey: from, lastKey: to, bytes } = forged.file;
    const what = "without its header no block can be told to be whole";
    const place = { file: PATH, offset: 0, bytes, rows: { from, to }, what };
    expect(await (await scene(forged)).salvage(forged.file)).toEqual({ rows: 0, places: [place] });
  });

  test.each(["open", "size"] as const)(
    "whose %s fails of the medium is lost whole",
    async (operation) => {
      const forged = three();
      const { machine, salvage } = await scene(forged);
      machine.addFault({ operation, path: PATH, error: "EIO" });
      const found = await salvage(forged.file);
      expect(told(found)).toEqual([expect.stringContaining("the device refuses to read it")]);
    },
  );

  test.each(["open", "size"] as const)(
    "whose %s fails of anything else is not judged",
    async (operation) => {
      const forged = three();
      const { machine, salvage } = await scene(forged);
      machine.addFault({ operation, path: PATH, error: "EMFILE" });
      await expect(salvage(forged.file)).rejects.toThrow("EMFILE");
    },
  );
});

describe("blocks", () => {
  test("that are no list, or out of order, are bad places between those around them", async () => {
    const noList = forge({
      keys: [1, 2, 3].map((i) => numberKey(1, i)),
      data: (key, row, i) => (i === 1 ? Buffer.from("no list of anything") : entryOf(key, row)),
    });
    const what = "the block is not a list of keys in their order";
    const between = await (await scene(noList)).salvage(noList.file);
    const rows = { from: numberKey(1, 1), to: numberKey(1, 3) };
    expect(between.rows).toBe(2);
    expect(between.places).toMatchObject([{ what, offset: noList.data[1]?.offset }]);
    expect(Buffer.compare(between.places[0]!.rows!.from, rows.from)).toBe(0);
    expect(Buffer.compare(between.places[0]!.rows!.to, rows.to)).toBe(0);

    const disordered = forge({ keys: [1, 3, 2].map((i) => numberKey(1, i)) });
    const file = { ...disordered.file, lastKey: numberKey(1, 3) };
    const found = await (await scene(disordered)).salvage(file);
    expect(found.rows).toBe(2);
    expect(told(found)).toEqual(["rows are missing", what]);
  });

  test("that are missing at the end, or anywhere, though nothing is damaged", async () => {
    const forged = three();
    const longer = { ...forged.file, rows: 4, lastKey: numberKey(1, 9) };
    const atEnd = await (await scene(forged)).salvage(longer);
    expect(told(atEnd)).toEqual(["rows are missing"]);
    expect(Buffer.compare(atEnd.places[0]!.rows!.from, numberKey(1, 3))).toBe(0);
    const anywhere = await (await scene(forged)).salvage({ ...forged.file, rows: 4 });
    expect(told(anywhere)).toEqual(["rows are missing"]);
    expect(Buffer.compare(anywhere.places[0]!.rows!.from, numberKey(1, 1))).toBe(0);
  });
});

test("many rows of a file whose end is damaged: all of them but those that nobody can read", async () => {
  const count = 1500;
  const keys = Array.from({ length: count }, (_, i) => numberKey(1, i));
  const forged = forge({ keys });
  forged.bytes[forged.bytes.length - 20]! ^= 1;
  const { machine, disk } = await scene(forged);
  const target = { directory: TO, storeId, fileBytes: 2000 };
  const layer = { firstSequence: 1, lastSequence: 9, files: [forged.file], lost: undefined };
  const source = { directory: DIRECTORY, storeId };
  const tables = new RestoredTables([{ id: 1, name: "t", schemas: [{ version: 1 }] }]);
  const salvage = new RowSalvage(contextOn(disk), source, target, [layer], tables);
  await machine.run(salvage.readFiles(() => {}));
  expect(salvage.lost).toEqual([]);
  const progress: number[] = [];
  const merging = salvage.merge({
    from: 10,
    sequence: 10,
    useOlder: false,
    onOlder: () => {},
    isReadable: ({ key }) => Buffer.compare(key, numberKey(1, 700)) !== 0,
    onProgress: (rows) => void progress.push(rows),
  });
  const { files, rowsOf } = await machine.run(merging);
  expect([...rowsOf]).toEqual([[1, count - 1]]);
  expect(progress).toEqual([1024]);
  expect(files.length).toBeGreaterThan(3);
  await machine.run(salvage.end());
  const left = machine.files().filter((path) => path.startsWith(TO));
  expect(left.length).toBe(files.length);
});
