/** Run files for tests: made of rows, on any disk, and a model to compare with. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import type { Disk } from "../../src/disk/disk.js";
import type { ManifestFile, ManifestRun, ManifestTable } from "../../src/manifest/format.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { RunFileWriter } from "../../src/run/file-writer.js";
import { RunFile } from "../../src/run/run-file.js";
import { RunSet } from "../../src/run/run-set.js";
import { SimulatedMachine } from "../sim/disk.js";
import { realDisks } from "../support/disks.js";
import fc from "../support/properties.js";

export const STORE_ID = Uint8Array.from({ length: 16 }, (_, i) => 0xa0 + i);

/** A full key and its row; `undefined` for a tombstone. */
export interface Item {
  readonly key: Buffer;
  readonly row: Buffer | undefined;
  readonly version: number;
}

/** A directory on a disk, to be disposed of. */
export interface Place {
  readonly disk: Disk;
  readonly directory: string;
  /** For the simulated disk. */
  readonly machine?: SimulatedMachine;
  /** Waits for work on that disk, and lets a simulated machine run meanwhile. */
  run<T>(work: Promise<T>): Promise<T>;
  dispose(): Promise<void>;
}

export async function onSimulated(seed = 1): Promise<Place> {
  const machine = new SimulatedMachine({ seed });
  const disk = machine.boot();
  const directory = "/runs";
  await machine.run(disk.createDirectory(directory));
  await machine.run(disk.syncDirectory("/"));
  const run = <T>(work: Promise<T>): Promise<T> => machine.run(work);
  return { disk, directory, machine, run, dispose: async () => {} };
}

/** Every disk of this machine, and the simulated one, by name. */
export function places(): Map<string, () => Promise<Place>> {
  const makers = new Map<string, () => Promise<Place>>([["simulated", () => onSimulated()]]);
  for (const [name, disk] of realDisks()) {
    makers.set(name, async () => {
      const directory = await mkdtemp(`${tmpdir()}/holdfast-run-`);
      const dispose = () => rm(directory, { recursive: true });
      return { disk, directory, run: (work) => work, dispose };
    });
  }
  return makers;
}

/** A table's id before an encoded key. */
export function fullKey(tableId: number, key: Uint8Array | string): Buffer {
  const bytes = Buffer.from(key as string);
  const full = Buffer.alloc(2 + bytes.length);
  full.writeUInt16BE(tableId);
  bytes.copy(full, 2);
  return full;
}

/** A number as a key of 8 bytes. */
export function numberKey(tableId: number, value: number): Buffer {
  const key = Buffer.alloc(10);
  key.writeUInt16BE(tableId);
  key.writeBigUInt64BE(BigInt(value), 2);
  return key;
}

export function item(key: Buffer, row: Buffer | string | undefined, version = 1): Item {
  return { key, row: row === undefined ? undefined : Buffer.from(row as string), version };
}

function describeTables(items: readonly Item[]): ManifestTable[] {
  const ids = new Set(items.map(({ key }) => key.readUInt16BE(0)));
  return [...ids].map((id) => ({ id, name: `table ${id}`, schemas: [{ id }] }));
}

export async function writeFile(
  place: Place,
  fileId: number,
  items: readonly Item[],
): Promise<ManifestFile> {
  const { disk, directory } = place;
  const options = { disk, directory, storeId: STORE_ID, fileId };
  const writer = await place.run(RunFileWriter.create(options));
  for (const { key, row, version } of items) {
    // Not at the beginning of the memory, as a caller's would not be.
    const memory = Buffer.concat([Buffer.from("x"), key, row ?? Buffer.alloc(0), Buffer.from("y")]);
    const keyEnd = 1 + key.length;
    const rowEnd = row === undefined ? -1 : keyEnd + row.length;
    writer.add(memory, 1, keyEnd, version, memory, keyEnd, rowEnd);
    memory.fill(0xee);
    if (writer.pendingBytes > 64 * 1024) await place.run(writer.write());
  }
  const range = { firstSequence: 1, lastSequence: 9, createdMicros: 1_000_000 };
  return place.run(writer.finish({ ...range, tables: describeTables(items) }));
}

export function openFile(
  place: Place,
  file: ManifestFile,
  cache = new BlockCache(1 << 20),
): Promise<RunFile> {
  const { disk, directory } = place;
  return place.run(RunFile.open({ disk, directory, storeId: STORE_ID, file, cache }));
}

/** Runs of one or more files each, the newest first; ids are given in that order. */
export async function writeRuns(
  place: Place,
  runs: readonly (readonly (readonly Item[])[])[],
): Promise<{ readonly runs: ManifestRun[]; readonly files: ManifestFile[] }> {
  const described: ManifestRun[] = [];
  const files: ManifestFile[] = [];
  for (const [age, parts] of runs.entries()) {
    const ids: number[] = [];
    for (const items of parts) {
      const id = files.length + 1;
      ids.push(id);
      files.push(await writeFile(place, id, items));
    }
    const sequences = { firstSequence: 1, lastSequence: runs.length - age };
    described.push({ id: age + 1, tier: 0, ...sequences, files: ids });
  }
  return { runs: described, files };
}

export function openSet(
  place: Place,
  described: { readonly runs: readonly ManifestRun[]; readonly files: readonly ManifestFile[] },
  options: { readonly cache?: BlockCache; readonly previous?: RunSet } = {},
): Promise<RunSet> {
  const { disk, directory } = place;
  const { cache = new BlockCache(1 << 20), ...rest } = options;
  const set = { disk, directory, storeId: STORE_ID, ...described, cache, ...rest };
  return place.run(RunSet.open(set));
}

/** What a cursor stands on. */
export interface Standing {
  readonly key: Buffer;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly row: Buffer;
  readonly rowStart: number;
  readonly rowEnd: number;
  readonly schemaVersion: number;
}

/** As text that can be compared, and read. */
export function shown(at: Standing): string {
  const key = at.key.toString("hex", at.keyStart, at.keyEnd);
  const row = at.rowEnd < 0 ? "deleted" : at.row.toString("hex", at.rowStart, at.rowEnd);
  return `${key} ${at.schemaVersion} ${row}`;
}

export function shownItem({ key, row, version }: Item): string {
  return `${key.toString("hex")} ${version} ${row === undefined ? "deleted" : row.toString("hex")}`;
}

/** All that a cursor gives from here on. */
export function collect(cursor: Standing & { next(): boolean }): string[] {
  const found: string[] = [];
  while (cursor.next()) found.push(shown(cursor));
  return found;
}

export async function readWhole(place: Place, path: string): Promise<Uint8Array> {
  const file = await place.run(place.disk.open(path));
  const bytes = await place.run(file.read(0, await place.run(file.size())));
  await place.run(file.close());
  return Uint8Array.from(bytes);
}

export async function writeWhole(place: Place, path: string, bytes: Uint8Array): Promise<void> {
  const file = await place.run(place.disk.open(path, { write: true, create: true }));
  await place.run(file.truncate(bytes.length));
  await place.run(file.write(0, bytes));
  await place.run(file.sync());
  await place.run(file.close());
}

const anyKey = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 12 }),
  fc.uint8Array({ minLength: 1, maxLength: 3 }).map((part) => Buffer.alloc(60, part)),
);
export const anyItem = fc
  .tuple(
    fc.integer({ min: 1, max: 3 }),
    anyKey,
    fc.option(fc.uint8Array({ maxLength: 300 }), { nil: undefined }),
    fc.integer({ min: 0, max: 65535 }),
  )
  .map(([table, key, row, version]) =>
    item(fullKey(table, key), row === undefined ? undefined : Buffer.from(row), version),
  );

/** Sorted, each key once. */
export const anyItems = fc
  .uniqueArray(anyItem, {
    minLength: 1,
    maxLength: 200,
    selector: ({ key }) => key.toString("hex"),
  })
  .map((items) => items.toSorted((a, b) => Buffer.compare(a.key, b.key)));

/** Bytes that LZ4 cannot make smaller. */
export function noise(length: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}
