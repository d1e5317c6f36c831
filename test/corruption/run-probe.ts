/**
 * The outcome of a change in a run file. A file is read by blocks, header and footer, each checked by
 * itself (`copiedRanges` shows it); so who reads the one that was changed has seen the difference.
 */
import { fromHex } from "../../src/base/bytes.js";
import type { Disk, DiskMapping } from "../../src/disk/disk.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { BlockCache } from "../../src/run/block-cache.js";
import { Entries } from "../../src/run/entries.js";
import {
  BLOCK_KIND,
  type BlockKind,
  RUN_AT,
  RUN_FOOTER_BYTES,
  runFileName,
} from "../../src/run/format.js";
import { newRowPlace, RunFile } from "../../src/run/run-file.js";
import { walkBlocks } from "../../src/run/walk.js";
import { fastChecksum, fastTools } from "./image-disk.js";
import { type Outcome, RIGHT, refusalOf } from "./outcome.js";
import type { Contents, Probe } from "./probes.js";
import { DIRECTORY, type Specimen } from "./specimen.js";

/** What every copy out of the mapping was of. */
export type CopyNote = (offset: number, length: number) => void;

interface Block {
  readonly from: number;
  readonly to: number;
  readonly kind: BlockKind;
  /** Of a data block: its first key. */
  readonly key: Buffer | undefined;
}

export class RunProbe {
  readonly path: string;
  readonly #file: ManifestFile;
  readonly #contents: Contents;
  readonly #storeId: Uint8Array;
  readonly #disk: Disk;
  #blocks: Block[] = [];
  /** Has root and index in its cache. */
  #warm: RunFile | undefined;
  /** Has nothing. */
  #cold: RunFile | undefined;
  onCopy: CopyNote = () => {};

  constructor({ manifest }: Specimen, contents: Contents, file: ManifestFile) {
    this.path = `${DIRECTORY}/${runFileName(file.id)}`;
    this.#file = file;
    this.#contents = contents;
    this.#storeId = fromHex(manifest.storeId) as Uint8Array;
    const disk: Partial<Disk> = { ...fastTools, map: async () => this.#map() };
    this.#disk = disk as Disk;
  }

  /** To be called before the file is changed. */
  async prepare(): Promise<void> {
    const bytes = this.#contents.get(this.path) as Uint8Array;
    const seed = Buffer.from(bytes.buffer, bytes.byteOffset).readUInt32LE(RUN_AT.checksum);
    const end = bytes.length - RUN_FOOTER_BYTES;
    const read = async (offset: number, length: number) => bytes.slice(offset, offset + length);
    const { id: fileId } = this.#file;
    const walking = { file: this.path, fileId, seed, end, tools: fastTools, read };
    for await (const block of walkBlocks(walking)) {
      if (!block.ok) throw new Error(`the specimen is damaged at ${block.offset}`);
      const { offset: from, length, kind, raw } = block;
      const entries = kind === BLOCK_KIND.data ? Entries.of(raw, from) : undefined;
      const key = entries && raw.subarray(entries.keyStart(0), entries.keyEnd(0));
      this.#blocks.push({ from, to: from + length, kind, key });
    }
    this.#cold = await this.#open(0);
    this.#warm = await this.#open(1 << 20);
    this.#warm.cursor(false).first();
  }

  /** As `prepare` left it, all of it is read, each thing by itself. */
  async readWhole(): Promise<void> {
    const file = await this.#open(0);
    const cursor = file.cursor(false);
    const place = newRowPlace();
    for (let on = cursor.first(); on; on = cursor.next()) {
      const key = cursor.key.subarray(cursor.keyStart, cursor.keyEnd);
      const found = file.find(key, key.length, fastChecksum.crc32c(key, 0, key.length), place);
      if (!found) throw new Error("a key of the file is not found in it");
    }
    file.properties();
    await file.release();
  }

  /** Reads what stands at a place; or, without one, whether the file is opened at all. */
  readonly probe: Probe = async (at) => {
    try {
      const block = this.#blocks.find(({ from, to }) => at >= from && at < to);
      if (block === undefined) await (await this.#open(0)).release();
      else this.#read(block);
      return RIGHT;
    } catch (error) {
      return refusalOf(error) satisfies Outcome;
    }
  };

  #read({ kind, key }: Block): void {
    const cold = this.#cold as RunFile;
    if (kind === BLOCK_KIND.data && key !== undefined) {
      (this.#warm as RunFile).cursor(false).seek(key, 0, key.length);
    } else if (kind === BLOCK_KIND.properties) cold.properties();
    else if (kind === BLOCK_KIND.filter) {
      const { firstKey } = this.#file;
      cold.find(
        firstKey,
        firstKey.length,
        fastChecksum.crc32c(firstKey, 0, firstKey.length),
        newRowPlace(),
      );
    } else cold.cursor(false).first();
  }

  #open(cacheBytes: number): Promise<RunFile> {
    const cache = new BlockCache(cacheBytes);
    const options = { disk: this.#disk, directory: DIRECTORY, storeId: this.#storeId };
    return RunFile.open({ ...options, file: this.#file, cache });
  }

  #map(): DiskMapping {
    const bytes = () => this.#contents.get(this.path) as Uint8Array;
    return {
      length: bytes().length,
      copy: (offset, length, target, targetStart) => {
        if (offset < 0 || offset + length > bytes().length) throw new RangeError("outside");
        this.onCopy(offset, length);
        target.set(bytes().subarray(offset, offset + length), targetStart);
      },
      close() {},
    };
  }
}

/** The parts that a whole reading copies out of a file, in their order, each once. */
export async function copiedRanges(probe: RunProbe): Promise<[number, number][]> {
  const found = new Map<number, number>();
  probe.onCopy = (offset, length) => {
    if ((found.get(offset) ?? length) !== length) throw new Error("a part is read in two ways");
    found.set(offset, length);
  };
  await probe.readWhole();
  probe.onCopy = () => {};
  return [...found].sort(([a], [b]) => a - b).map(([from, length]) => [from, from + length]);
}
