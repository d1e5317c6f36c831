/** `holdfast verify` over runs, snapshots and archives: every kind of damage, and what is lost. */
import { rm, truncate, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Finding } from "../../src/cli/findings.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  ENTRY_AT,
  RUN_AT,
  RUN_HEADER_BYTES,
  runFileName,
} from "../../src/run/format.js";
import { ensureBuilt } from "../support/built.js";
import {
  copyOf,
  edit,
  flip,
  makeDirectory,
  manifestOf,
  placesOf,
  removeDirectories,
  verify,
} from "./frames.js";
import {
  filesOf,
  type KnownStore,
  largestFile,
  makeRunStore,
  openRuns,
  orders,
  stateOf,
  steps,
} from "./run-stores.js";
import { holdfast, segmentPath, withWriter } from "./stores.js";

let known: KnownStore;
/** The same without history: what is in runs is nowhere else. */
let forgetful: KnownStore;

beforeAll(async () => {
  ensureBuilt();
  known = await makeRunStore();
  forgetful = await makeRunStore({ history: "none" });
});

afterAll(removeDirectories);

function damages(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ severity }) => severity === "damage");
}

/** A file that only the snapshot names, and one that only the state does. */
async function filesApart(directory: string) {
  const { state, snapshots, files } = await manifestOf(directory);
  const ofState = new Set(state.runs.flatMap((run) => run.files));
  const named = snapshots.map(({ name, state: { runs } }) => ({
    name,
    ids: new Set(runs.flatMap((run) => run.files)),
  }));
  const alone = files.find(
    ({ id }) => ofState.has(id) && !named.some(({ ids }) => ids.has(id)),
  ) as ManifestFile;
  const shared = files.find(({ id }) => named.some(({ ids }) => ids.has(id))) as ManifestFile;
  const sharedBy = named.filter(({ ids }) => ids.has(shared.id)).map(({ name }) => name);
  return { alone, shared, sharedBy, sharedByState: ofState.has(shared.id) };
}

describe("a sound store", () => {
  test("with history: exit 0, and counts of everything", async () => {
    const result = await verify(known.directory);
    const { files, archives, snapshots } = await manifestOf(known.directory);
    expect(result).toMatchObject({ code: 0, verdict: "sound", findings: [], inUse: false });
    expect(result).toMatchObject({
      runFiles: files.length,
      rows: files.reduce((sum, { rows, tombstones }) => sum + rows + tombstones, 0),
      archives: archives.length,
      snapshots: snapshots.length,
      lastSequence: known.sequence,
      historyFrom: 1,
    });
    expect(archives.length).toBeGreaterThan(0);
    const { stdout } = await holdfast("verify", known.directory);
    expect(stdout).toMatch(/^runs: \d+ files with [\d,]+ rows$/m);
    expect(stdout).toMatch(/^history: \d+ archives? with \d+ transactions$/m);
  });

  test("without history, after the log of its runs is gone", async () => {
    const result = await verify(forgetful.directory);
    expect(result).toMatchObject({ code: 0, findings: [], archives: 0 });
    expect(result.historyFrom).toBeGreaterThan(1);
    expect(result.transactions).toBeLessThan(forgetful.sequence);
  });

  test("stray runs and archives are notes", async () => {
    const directory = await copyOf(known.directory);
    const run = join(directory, runFileName(9999));
    const archive = join(directory, `${"9999".padStart(16, "0")}.archive`);
    await writeFile(run, "half a run");
    await writeFile(archive, "half an archive");
    const result = await verify(directory);
    expect(result.code).toBe(0);
    expect(placesOf(result)).toEqual([
      { kind: "stray-file", file: archive, offset: 0, sequences: null },
      { kind: "stray-file", file: run, offset: 0, sequences: null },
    ]);
  });

  test("in use, while runs are made, merged and removed", async () => {
    const directory = await makeDirectory();
    const store = await openRuns(directory, { recoveryBudgetMillis: 1, history: "all" });
    let writing = true;
    const writer = (async () => {
      for (let i = 0; writing; i += 10) {
        await steps(store, i, i + 10);
        await store.flush();
      }
    })();
    try {
      for (let i = 0; i < 5; i++) {
        for (const command of ["verify", "inspect"]) {
          const { code, stdout, stderr } = await holdfast(command, directory);
          expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
        }
      }
    } finally {
      writing = false;
      await writer;
      await store.close();
    }
    expect(await verify(directory)).toMatchObject({ code: 0, findings: [] });
  }, 120_000);

  test("in use by another process", async () => {
    const directory = await makeDirectory();
    await withWriter(directory, "write", async () => {
      for (let i = 0; i < 3; i++) {
        const { code, stdout } = await holdfast("verify", directory);
        expect(code, stdout).toBe(0);
        expect(stdout).toContain("the store is in use");
      }
    });
  });
});

describe("a damaged run", () => {
  test("a bit in a block of rows: its place, table, keys, transactions, whose it is", async () => {
    const directory = await copyOf(known.directory);
    const { alone } = await filesApart(directory);
    const file = join(directory, runFileName(alone.id));
    await flip(file, RUN_HEADER_BYTES + BLOCK_HEADER_BYTES + 20);
    const result = await verify(directory);
    expect(result.code).toBe(1);
    const [first] = damages(result.findings);
    const { state } = await manifestOf(directory);
    const run = state.runs.find((one) => one.files.includes(alone.id));
    expect(first).toMatchObject({
      kind: "run",
      file,
      offset: RUN_HEADER_BYTES,
      sequences: { first: run?.firstSequence, last: run?.lastSequence },
      loss: { state: true, snapshots: [], canBeRebuilt: true, from: { table: "orders" } },
    });
    const { stdout } = await holdfast("verify", directory);
    expect(stdout).toMatch(/; rows of table "orders": keys \d+ to \d+|rows from key /);
    expect(stdout).toContain("; needed by the state of the store; can be rebuilt: ");
  });

  test("that a snapshot needs: it is named, and that the log is gone", async () => {
    const directory = await copyOf(forgetful.directory);
    const { shared, sharedBy, sharedByState } = await filesApart(directory);
    await rm(join(directory, runFileName(shared.id)));
    const [found] = damages((await verify(directory)).findings);
    expect(found).toMatchObject({
      kind: "missing-file",
      file: join(directory, runFileName(shared.id)),
      loss: { state: sharedByState, snapshots: sharedBy, canBeRebuilt: false },
    });
    expect(found?.loss?.from?.table).toBe("orders");
    const { stdout, code } = await holdfast("verify", directory);
    expect(code).toBe(1);
    expect(stdout).toContain(`snapshot "${sharedBy[0]}"`);
    expect(stdout).toContain("from its first transaction on are gone");
  });

  test("cut short, grown, or another file of the same name", async () => {
    const { shared } = await filesApart(known.directory);
    const name = runFileName(shared.id);
    const cut = await copyOf(known.directory);
    await truncate(join(cut, name), shared.bytes - 30);
    const grown = await copyOf(known.directory);
    await edit(join(grown, name), () => {});
    await truncate(join(grown, name), shared.bytes + 10);
    const swapped = await copyOf(known.directory);
    const other = (await filesOf(swapped, ".run")).find((file) => basename(file) !== name);
    await edit(join(swapped, name), (bytes) => void bytes.fill(0));
    expect(other).toBeDefined();
    for (const directory of [cut, grown, swapped]) {
      const result = await verify(directory);
      expect(result.code).toBe(1);
      expect(new Set(damages(result.findings).map(({ file }) => file))).toEqual(
        new Set([join(directory, name)]),
      );
      const inspected = await holdfast("inspect", directory);
      expect(inspected.code).toBe(directory === swapped ? inspected.code : 1);
    }
  });

  test("a bit anywhere in a file is found", async () => {
    const directory = await copyOf(known.directory);
    const file = largestFile(await manifestOf(directory));
    const path = join(directory, runFileName(file.id));
    for (let offset = 0; offset < file.bytes; offset += Math.ceil(file.bytes / 12)) {
      await flip(path, offset);
      const result = await verify(directory);
      expect(damages(result.findings).length, `at ${offset}`).toBeGreaterThan(0);
      expect(damages(result.findings).every((one) => one.file === path)).toBe(true);
      await flip(path, offset);
    }
    expect(await verify(directory)).toMatchObject({ code: 0 });
  });

  test("a row that no schema explains, under good checksums", async () => {
    const directory = await makeDirectory();
    const store = await openRuns(directory);
    // Too little to be compressed.
    await store.table(orders).put(7, { price: 1, text: "a" });
    await store.flush();
    await store.close();
    const [path] = await filesOf(directory, ".run");
    await edit(path as string, (bytes) => {
      const at = RUN_HEADER_BYTES;
      expect(bytes[at + BLOCK_AT.compression]).toBe(0);
      bytes.writeUInt16LE(77, at + BLOCK_HEADER_BYTES + ENTRY_AT.schemaVersion);
      const end = at + bytes.readUInt32LE(at + BLOCK_AT.blockBytes);
      const seed = bytes.readUInt32LE(RUN_AT.checksum);
      const sum = portableChecksum.crc32c(bytes, at + BLOCK_AT.blockBytes, end, seed);
      bytes.writeUInt32LE(sum, at + BLOCK_AT.checksum);
    });
    const place = { table: "orders", key: 7 };
    const { findings } = await verify(directory);
    expect(findings).toMatchObject([
      { kind: "run-row", file: path, offset: RUN_HEADER_BYTES, loss: { from: place, to: place } },
    ]);
    expect(findings[0]?.message).toContain('version 77 of table "orders" was never declared');
  });
});

describe("a damaged log or archive", () => {
  test("a frame that only a snapshot needs, with transactions or without", async () => {
    const directory = await copyOf(forgetful.directory);
    const { snapshots, state } = await manifestOf(directory);
    const [snapshot] = snapshots;
    const from = snapshot?.state.replayFrom;
    expect(from?.segmentId).toBeLessThan(state.replayFrom.segmentId);
    await flip(segmentPath(directory, from?.segmentId ?? 0), (from?.offset ?? 0) + 40);
    const found = damages((await verify(directory)).findings);
    expect(found).toMatchObject([{ loss: { state: false, snapshots: [snapshot?.name] } }]);
  });

  test("an archive: flipped, cut short, missing; the state is whole", async () => {
    const { archives } = await manifestOf(known.directory);
    const archive = archives[1] ?? archives[0];
    const name = `${String(archive?.id).padStart(16, "0")}.archive`;
    const ways: [string, (path: string) => Promise<void>][] = [
      ["archive", (path) => flip(path, 100)],
      ["archive", (path) => truncate(path, (archive?.bytes ?? 0) - 1)],
      ["missing-file", (path) => rm(path)],
    ];
    for (const [kind, damage] of ways) {
      const directory = await copyOf(known.directory);
      await damage(join(directory, name));
      const [found, ...more] = damages((await verify(directory)).findings);
      expect(more).toEqual([]);
      expect(found).toMatchObject({
        kind,
        file: join(directory, name),
        sequences: { last: archive?.lastSequence },
        loss: { state: false, snapshots: [] },
      });
      const store = await openRuns(directory).then(
        async (opened) => {
          const rows = stateOf(opened);
          await opened.close();
          return rows;
        },
        (error: { code: string }) => error.code,
      );
      expect(store).toEqual(kind === "missing-file" ? "MISSING_FILE" : known.now);
    }
  });

  test("with an archive gone, a run can no longer be rebuilt", async () => {
    const directory = await copyOf(known.directory);
    const [oldest] = await filesOf(directory, ".archive");
    await rm(oldest as string);
    const { files, state } = await manifestOf(directory);
    const run = state.runs.at(-1);
    const id = files.find((file) => run?.files.includes(file.id))?.id as number;
    await flip(join(directory, runFileName(id)), RUN_HEADER_BYTES + BLOCK_HEADER_BYTES + 3);
    const found = damages((await verify(directory)).findings).find(({ kind }) => kind === "run");
    expect(found?.loss).toMatchObject({ state: true, canBeRebuilt: false });
  });
});
