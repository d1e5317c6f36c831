/**
 * From runs of which parts are lost, and what the log says, to one run of rows that are proven.
 *
 * Layers lie one above the other: the log from a transaction C to a transaction S, without a gap,
 * then the runs, the newest first. The newest layer that has a key has its newest row, unless a
 * layer above that has lost a part where the key may have been. What a layer of transactions a to b
 * has lost does no harm if C <= a: the log then has each of these changes. Otherwise an older row
 * is not the row of that key: it is counted, and left out.
 */
import { fromHex } from "../base/bytes.js";
import { FLUSH_ARENA_BYTES, RUN_FILE_BYTES } from "../base/limits.js";
import type { ManifestFile } from "../manifest/format.js";
import { BlockCache } from "../run/block-cache.js";
import { runFileName } from "../run/format.js";
import { RunCursor } from "../run/run-cursor.js";
import { newRowPlace, RunFile } from "../run/run-file.js";
import { verifyRunFile } from "../run/verify.js";
import { type JobContext, pause } from "./context.js";
import type { BaseRow } from "./newest-rows.js";
import type { RestoredTables } from "./restored-tables.js";
import { type RunOutputOptions, withOutput } from "./run-output.js";
import { type BadPlace, salvageFile } from "./salvage-file.js";
import { type RestoreTarget, RUN_FILES_MAX } from "./snapshot-rows.js";
import { SpilledRows } from "./spilled-rows.js";

const CACHE_BYTES = 8 * 1024 * 1024;
const ROWS_PER_PAUSE = 1024;

/** A run, or what is known of one that is not there. */
export interface SalvageLayer {
  /** Transactions whose changes it has. */
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** In the order of their keys. */
  readonly files: readonly ManifestFile[];
  /** Why any key may have been in a part of it that is lost; undefined: `files` is all of it. */
  readonly lost: string | undefined;
}

/** A part of a layer that is lost. */
export interface LostPart {
  readonly place: BadPlace;
  readonly firstSequence: number;
  readonly lastSequence: number;
  /** The log has all of these changes, or no row is concerned. */
  harmless: boolean;
  /** Keys of which an older row is there. */
  olderRows: number;
}

/** A row that may not be the newest of its key. */
export interface SalvagedRow {
  readonly key: Uint8Array;
  readonly schemaVersion: number;
  readonly row: Uint8Array;
  /** Of its layer: the row is that of one of these transactions. */
  readonly firstSequence: number;
  readonly lastSequence: number;
}

export interface MergeOptions {
  /** The log is there from this transaction on: C. */
  readonly from: number;
  /** The last one: S. */
  readonly sequence: number;
  readonly useOlder: boolean;
  readonly onOlder: (row: SalvagedRow, above: LostPart) => void;
  /** False for a row that nobody could read. */
  readonly isReadable: (row: SalvagedRow) => boolean;
  readonly onProgress: (rows: number) => void;
}

export interface SalvagedRows {
  readonly files: readonly ManifestFile[];
  /** Rows by the id of the table. */
  readonly rowsOf: ReadonlyMap<number, number>;
}

interface OpenLayer extends SalvageLayer {
  readonly parts: LostPart[];
  readonly open: RunFile[];
}

export class RowSalvage {
  /** What the log says, the newest of each key. */
  readonly log: SpilledRows;
  readonly #context: JobContext;
  readonly #source: RestoreTarget;
  readonly #target: RestoreTarget;
  readonly #tables: RestoredTables;
  readonly #cache = new BlockCache(CACHE_BYTES);
  readonly #layers: OpenLayer[];
  /** Made here, and removed at the end. */
  readonly #copies: ManifestFile[] = [];
  #nextFileId = 1;

  constructor(
    context: JobContext,
    source: RestoreTarget,
    target: RestoreTarget,
    layers: readonly SalvageLayer[],
    tables: RestoredTables,
  ) {
    this.#context = context;
    this.#source = source;
    this.#target = target;
    this.#tables = tables;
    this.#layers = layers.map((layer) => ({ ...layer, parts: lostOf(layer, source), open: [] }));
    const { arenaBytes = FLUSH_ARENA_BYTES } = target;
    this.log = new SpilledRows(arenaBytes, context, () => this.#output(1));
  }

  /**
   * What patches of the log are of, in the layers below it: the newest row of a key, unless a part
   * that is lost may have had a newer one which the log, from transaction `from` on, has not.
   */
  findBelow(fullKey: Uint8Array, from: number): BaseRow | undefined {
    const place = newRowPlace();
    const hash = this.#context.disk.checksum.crc32c(fullKey, 0, fullKey.length);
    for (const { open, parts } of this.#layers) {
      for (const file of open) {
        const { firstKey, lastKey } = file.file;
        if (Buffer.compare(fullKey, firstKey) < 0 || Buffer.compare(fullKey, lastKey) > 0) continue;
        if (!file.find(fullKey, fullKey.length, hash, place)) continue;
        const { block, start, end, schemaVersion } = place;
        return end < 0 ? undefined : { bytes: block, start, end, schemaVersion };
      }
      const mayHide = ({ harmless, firstSequence, place: lost }: LostPart): boolean =>
        !harmless && from > firstSequence && isWithin(fullKey, lost);
      if (parts.some(mayHide)) return undefined;
    }
    return undefined;
  }

  /** Everything that is lost of the layers, harmless or not. */
  get lost(): LostPart[] {
    return this.#layers.flatMap(({ parts }) => parts);
  }

  /** Reads every file through; of those that are damaged, what is whole is copied. */
  async readFiles(onFile: (index: number, count: number) => void): Promise<void> {
    const count = this.#layers.reduce((sum, { files }) => sum + files.length, 0);
    let index = 0;
    for (const layer of this.#layers) {
      for (const file of layer.files) {
        onFile(++index, count);
        await this.#readFile(layer, file);
      }
    }
  }

  async #readFile(layer: OpenLayer, file: ManifestFile): Promise<void> {
    const { disk } = this.#context;
    const { directory, storeId } = this.#source;
    const id = fromHex(storeId) as Uint8Array;
    const { problems } = await verifyRunFile(disk, directory, id, file, () => {});
    if (problems === 0) {
      layer.open.push(await this.#open(this.#source, file));
      return;
    }
    const { firstSequence, lastSequence } = layer;
    const options = { disk, directory, storeId, file };
    const output = this.#output(lastSequence);
    const { places, copies } = await withOutput(output, this.#context, async (copy) => {
      const places = await salvageFile(options, async (entries) => {
        for (let i = 0; i < entries.count; i++) {
          let { writer } = copy;
          if (writer === undefined) writer = await copy.open();
          const { bytes } = entries;
          const [keyStart, keyEnd] = [entries.keyStart(i), entries.keyEnd(i)];
          const version = entries.schemaVersion(i);
          writer.add(bytes, keyStart, keyEnd, version, bytes, keyEnd, entries.valueEnd(i));
        }
        if (copy.due) await copy.flush();
      });
      return { places, copies: await copy.finish() };
    });
    this.#copies.push(...copies);
    for (const one of copies) layer.open.push(await this.#open(this.#target, one));
    for (const place of places) {
      const harmless = place.rows === undefined;
      layer.parts.push({ place, firstSequence, lastSequence, harmless, olderRows: 0 });
    }
  }

  #open({ directory, storeId }: RestoreTarget, file: ManifestFile): Promise<RunFile> {
    const { disk } = this.#context;
    const id = fromHex(storeId) as Uint8Array;
    return RunFile.open({ disk, directory, storeId: id, file, cache: this.#cache });
  }

  /** Writes the rows that are proven. */
  async merge(options: MergeOptions): Promise<SalvagedRows> {
    for (const part of this.lost) part.harmless ||= options.from <= part.firstSequence;
    await this.log.spill();
    const byId = new Map(this.log.files.map((file) => [file.id, file]));
    const ofLog: RunFile[][] = [];
    try {
      for (const { files } of this.log.runs) {
        const open: RunFile[] = [];
        ofLog.push(open);
        for (const id of files) {
          open.push(await this.#open(this.#target, byId.get(id) as ManifestFile));
        }
      }
      return await this.#write([...ofLog, ...this.#layers.map(({ open }) => open)], options);
    } finally {
      for (const file of ofLog.flat()) await file.release();
    }
  }

  #write(inputs: readonly (readonly RunFile[])[], options: MergeOptions): Promise<SalvagedRows> {
    const rowsOf = new Map<number, number>();
    const ofLog = inputs.length - this.#layers.length;
    const cursor = new RunCursor(inputs, { keep: false, tombstones: true });
    let seen = 0;
    return withOutput(this.#output(options.sequence), this.#context, async (output) => {
      while (cursor.next()) {
        if (++seen % ROWS_PER_PAUSE === 0) {
          options.onProgress(seen);
          await pause(this.#context);
        }
        const { key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd, age } = cursor;
        if (rowEnd < 0) continue;
        const layer = this.#layers[age - ofLog];
        const found: SalvagedRow = {
          key: key.subarray(keyStart, keyEnd),
          schemaVersion,
          row: row.subarray(rowStart, rowEnd),
          firstSequence: layer?.firstSequence ?? options.from,
          lastSequence: layer?.lastSequence ?? options.sequence,
        };
        if (layer !== undefined && !this.#isNewest(found, age - ofLog, options)) continue;
        if (!options.isReadable(found)) continue;
        const tableId = ((found.key[0] as number) << 8) | (found.key[1] as number);
        rowsOf.set(tableId, (rowsOf.get(tableId) ?? 0) + 1);
        let { writer } = output;
        if (writer === undefined) writer = await output.open();
        writer.add(key, keyStart, keyEnd, schemaVersion, row, rowStart, rowEnd);
        if (output.due) await output.flush();
      }
      return { files: await output.finish(), rowsOf };
    });
  }

  /** Or to be used all the same. */
  #isNewest(row: SalvagedRow, at: number, { useOlder, onOlder }: MergeOptions): boolean {
    for (let i = 0; i < at; i++) {
      for (const part of (this.#layers[i] as OpenLayer).parts) {
        if (part.harmless || !isWithin(row.key, part.place)) continue;
        part.olderRows++;
        onOlder(row, part);
        return useOlder;
      }
    }
    return true;
  }

  /** Lets go of all files, and removes those that were made on the way. */
  async end(): Promise<void> {
    for (const file of this.#layers.flatMap(({ open }) => open)) await file.release();
    const { directory } = this.#target;
    await this.log.drop(directory);
    for (const { id } of this.#copies) {
      await this.#context.disk.remove(`${directory}/${runFileName(id)}`);
    }
  }

  #output(lastSequence: number): RunOutputOptions {
    const { directory, storeId, fileBytes = RUN_FILE_BYTES } = this.#target;
    const fileIds = { first: this.#nextFileId, count: RUN_FILES_MAX };
    this.#nextFileId += RUN_FILES_MAX;
    const { all: tables } = this.#tables;
    return { directory, storeId, fileIds, fileBytes, firstSequence: 1, lastSequence, tables };
  }
}

/** Of a layer as a whole: its rows may have had any key. */
function lostOf(layer: SalvageLayer, { directory }: RestoreTarget): LostPart[] {
  const { lost, firstSequence, lastSequence } = layer;
  if (lost === undefined) return [];
  const rows = { from: new Uint8Array(0), to: LAST_KEY };
  const place: BadPlace = { file: directory, offset: 0, bytes: 0, what: lost, rows };
  return [{ place, firstSequence, lastSequence, harmless: false, olderRows: 0 }];
}

/** No key is above it: tables have ids below that. */
const LAST_KEY = Uint8Array.of(0xff, 0xff, 0xff);

function isWithin(key: Uint8Array, { rows }: BadPlace): boolean {
  return (
    rows !== undefined && Buffer.compare(key, rows.from) >= 0 && Buffer.compare(key, rows.to) <= 0
  );
}
