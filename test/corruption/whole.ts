/** The long way to an outcome: the store is opened, and everything that can be read is read. */

import { fromHex } from "../../src/base/bytes.js";
import type { Finding } from "../../src/cli/findings.js";
import { verifyStore } from "../../src/cli/verify-store.js";
import { open } from "../../src/index.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunFile } from "../../src/run/run-file.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import type { ReadTable } from "../../src/store/table.js";
import type { Files, ImageDisk } from "./image-disk.js";
import { type Outcome, outcomeText, refusalOf } from "./outcome.js";
import {
  DIRECTORY,
  imageOf,
  notes,
  OPEN_OPTIONS,
  SNAPSHOT,
  type Specimen,
  type State,
  trades,
} from "./specimen.js";

interface Tables {
  table(definition: typeof trades): ReadTable<number, { price: number; text: string }>;
  table(definition: typeof notes): ReadTable<string, { text: string }>;
}

type Attempt = (read: () => void) => void;

/**
 * Throws for a wrong answer. What refuses has to refuse with one voice: whatever of the store is
 * asked for, the refusals name the same file.
 */
export async function wholeOutcome(specimen: Specimen, changed: Files): Promise<Outcome> {
  const refusals: Outcome[] = [];
  const note = (error: unknown): void => void refusals.push(refusalOf(error));
  const attempt: Attempt = (read) => {
    try {
      read();
    } catch (error) {
      note(error);
    }
  };
  let how: "" | "torn" | "repaired" = "";
  const readStore = async (disk: ImageDisk): Promise<void> => {
    const store = await open(DIRECTORY, { ...OPEN_OPTIONS, disk });
    const { tail, repairedSlots, lastSequence } = store.recovery;
    if (repairedSlots.length > 0) how = "repaired";
    else if (tail === "torn") how = "torn";
    // In one turn, so that nothing is repaired in between.
    readTables(store as Tables, specimen.state, attempt);
    if (lastSequence === specimen.lastSequence) return;
    throw new Error(`the store ends at ${lastSequence} in silence`);
  };
  const readSnapshot = async (disk: ImageDisk): Promise<void> => {
    const { tables, environment, onWarning } = OPEN_OPTIONS;
    const at = await open(DIRECTORY, { tables, environment, onWarning, disk, at: SNAPSHOT });
    readTables(at as Tables, specimen.atSnapshot, attempt);
  };
  for (const reading of [readStore, readSnapshot, ...othersOf(specimen)]) {
    const disk = imageOf(specimen, changed);
    await reading(disk).catch(note);
    disk.stop();
  }
  const different = new Set(refusals.map(outcomeText));
  if (different.size > 1) throw new Error(`it refuses with ${[...different].join(" and ")}`);
  return refusals[0] ?? { kind: "right", how };
}

/** History, and what a run says of itself, as `holdfast restore` reads it. */
function othersOf({ manifest }: Specimen): ((disk: ImageDisk) => Promise<void>)[] {
  const { archives, files, storeId } = manifest;
  const ofArchives = archives.map((archive) => async (disk: ImageDisk) => {
    const visit = (): void => {};
    const { records } = await readArchive({ disk, directory: DIRECTORY, storeId, archive, visit });
    if (records === archive.lastSequence - archive.firstSequence + 1) return;
    throw new Error("an archive lacks transactions in silence");
  });
  const ofRuns = files.map((file) => async (disk: ImageDisk) => {
    const cache = new BlockCache(0);
    const id = fromHex(storeId) as Uint8Array;
    const run = await RunFile.open({ disk, directory: DIRECTORY, storeId: id, file, cache });
    if (run.properties().rows !== file.rows) throw new Error("the properties are wrong");
  });
  return [...ofArchives, ...ofRuns];
}

/** By ranges in both directions, and by every key. */
function readTables(store: Tables, state: State, attempt: Attempt): void {
  readTable(store.table(trades), Number, state, attempt);
  readTable(store.table(notes), String, state, attempt);
}

function readTable<K, R>(
  table: ReadTable<K, R>,
  toKey: (text: string) => K,
  state: State,
  attempt: Attempt,
): void {
  const { name } = table;
  const wanted = [...state].filter(([key]) => key.startsWith(`${name} `));
  const rows = new Map(wanted.map(([key, row]) => [key.slice(name.length + 1), row]));
  for (const reverse of [false, true]) {
    attempt(() => {
      let count = 0;
      for (const [key, row] of table.entries({ reverse })) {
        check(name, key, row, rows.get(String(key)));
        count++;
      }
      if (count !== rows.size) throw new Error(`${name} has ${count} rows in silence`);
    });
  }
  for (const [key, row] of rows) attempt(() => check(name, key, table.get(toKey(key)), row));
}

function check(table: string, key: unknown, row: unknown, expected: string | undefined): void {
  if (row !== undefined && JSON.stringify(row) === expected) return;
  throw new Error(`${table} ${String(key)} is ${JSON.stringify(row)}, not ${expected}`);
}

/** What `holdfast verify` says is damaged. */
export async function verifyDamage(specimen: Specimen, changed: Files): Promise<Finding[]> {
  const { findings } = await verifyStore(DIRECTORY, () => {}, imageOf(specimen, changed));
  return findings.filter(({ severity }) => severity === "damage");
}
