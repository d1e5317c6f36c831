/** Run files put together by hand: each part what the test makes it, under good checksums. */
import { portableChecksum } from "../../src/disk/checksum.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import type { ManifestFile } from "../../src/manifest/format.js";
import { encodeBlock } from "../../src/run/block.js";
import { EntriesBuilder } from "../../src/run/entries.js";
import { encodeRunHeader } from "../../src/run/file-header.js";
import { FilterBuilder } from "../../src/run/filter.js";
import { encodeRunFooter, type RunLayout } from "../../src/run/footer.js";
import { BLOCK_KIND, type BlockKind, RUN_SALT_BYTES } from "../../src/run/format.js";
import { encodeProperties } from "../../src/run/properties.js";
import { numberKey, STORE_ID } from "./fixtures.js";

export const FILE_ID = 7;

/** Where a block stands in the file. */
export interface PlacedBlock {
  readonly offset: number;
  readonly length: number;
}

/** A content of one entry. */
export function entryOf(key: Uint8Array, value: Uint8Array): Uint8Array {
  const builder = new EntriesBuilder(64);
  builder.add(key, 0, key.length, 1, value, 0, value.length);
  return Uint8Array.from(builder.take());
}

/** As the value of an entry. */
export function placeOf({ offset, length }: PlacedBlock): Buffer {
  const value = Buffer.alloc(8);
  value.writeUInt32LE(offset);
  value.writeUInt32LE(length, 4);
  return value;
}

/** What is other than in a sound file of two blocks of one row each. */
export interface Forgery {
  readonly keys?: readonly Uint8Array[];
  readonly rows?: readonly Uint8Array[];
  /** Contents of the data blocks. */
  readonly data?: (key: Uint8Array, row: Uint8Array, i: number) => Uint8Array;
  readonly compress?: boolean;
  readonly filterLines?: number;
  readonly filter?: readonly Uint8Array[];
  /** Blocks of any kind between filter and index. */
  readonly strangers?: readonly { readonly kind: BlockKind; readonly raw: Uint8Array }[];
  readonly index?: (keys: readonly Uint8Array[], data: readonly PlacedBlock[]) => Uint8Array;
  readonly root?: (lastKey: Uint8Array, index: PlacedBlock) => Uint8Array;
  readonly properties?: Uint8Array;
  /** Of the properties. */
  readonly claims?: object;
  readonly layout?: (layout: RunLayout) => RunLayout;
}

export interface Forged {
  readonly bytes: Buffer;
  readonly file: ManifestFile;
  readonly keys: readonly Uint8Array[];
  readonly data: readonly PlacedBlock[];
  readonly layout: RunLayout;
}

function indexOf(keys: readonly Uint8Array[], data: readonly PlacedBlock[]): Uint8Array {
  const builder = new EntriesBuilder(64);
  data.forEach((place, i) => {
    const key = keys[i] as Uint8Array;
    builder.add(key, 0, key.length, 0, placeOf(place), 0, 8);
  });
  return Uint8Array.from(builder.take());
}

export function forge(forgery: Forgery = {}): Forged {
  const { keys = [numberKey(1, 1), numberKey(1, 3)] } = forgery;
  const { rows = keys.map((_, i) => Buffer.from(`row ${i}`)), data = entryOf } = forgery;
  const tools = { checksum: portableChecksum, compressor: portableCompressor };
  const place = { storeId: STORE_ID, fileId: FILE_ID };
  const header = encodeRunHeader(place, new Uint8Array(RUN_SALT_BYTES), portableChecksum);
  const pieces: Uint8Array[] = [header.bytes];
  let end = header.bytes.length;
  const add = (kind: BlockKind, raw: Uint8Array): PlacedBlock => {
    const compress = forgery.compress === true;
    const block = { kind, fileId: FILE_ID, offset: end, seed: header.seed, raw, compress };
    const bytes = encodeBlock(block, tools);
    pieces.push(bytes);
    end += bytes.length;
    return { offset: end - bytes.length, length: bytes.length };
  };
  const placed = keys.map((key, i) => add(BLOCK_KIND.data, data(key, rows[i] as Uint8Array, i)));
  const filterBuilder = new FilterBuilder();
  for (const key of keys) filterBuilder.add(portableChecksum.crc32c(key, 0, key.length));
  const { filterLines = filterBuilder.lines, filter = filterBuilder.build() } = forgery;
  const filterOffset = end;
  for (const raw of filter) add(BLOCK_KIND.filter, raw);
  for (const { kind, raw } of forgery.strangers ?? []) add(kind, raw);
  const lastKey = keys.at(-1) as Uint8Array;
  const index = add(BLOCK_KIND.index, (forgery.index ?? indexOf)(keys, placed));
  const rootRaw = forgery.root?.(lastKey, index) ?? entryOf(lastKey, placeOf(index));
  const root = add(BLOCK_KIND.root, rootRaw);
  const counts = { rows: keys.length, tombstones: 0 };
  const told = {
    createdMicros: 1,
    firstSequence: 1,
    lastSequence: 9,
    ...counts,
    firstKey: keys[0] as Uint8Array,
    lastKey,
    dataBlocks: keys.length,
    filterLines,
    tables: [{ id: 1, name: "t", schemas: [], ...counts }],
    ...forgery.claims,
  };
  const properties = add(BLOCK_KIND.properties, forgery.properties ?? encodeProperties(told));
  const honest: RunLayout = {
    filterOffset,
    filterLines,
    rootOffset: root.offset,
    rootBytes: root.length,
    propertiesOffset: properties.offset,
    propertiesBytes: properties.length,
  };
  const layout = forgery.layout?.(honest) ?? honest;
  const footer = encodeRunFooter(layout, place, header.seed, portableChecksum);
  const bytes = Buffer.concat([...pieces, footer.bytes]);
  const ends = { firstKey: keys[0] as Uint8Array, lastKey, checksum: footer.checksum };
  const file = { id: FILE_ID, bytes: bytes.length, ...counts, ...ends };
  return { bytes, file, keys, data: placed, layout };
}
