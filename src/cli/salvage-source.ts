/** What a store consisted of: by its manifest, or, where both slots are lost, by its files. */
import { fromHex, toHex } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import { type SchemaHistory, withSchema } from "../codec/schema-history.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import type { Manifest, ManifestArchive, ManifestFile, ManifestTable } from "../manifest/format.js";
import { decodeBlock } from "../run/block.js";
import { decodeRunHeader } from "../run/file-header.js";
import { decodeRunFooter } from "../run/footer.js";
import {
  BLOCK_KIND,
  parseRunFileName,
  RUN_AT,
  RUN_FOOTER_BYTES,
  RUN_HEADER_BYTES,
} from "../run/format.js";
import { decodeProperties, type RunProperties } from "../run/properties.js";
import { decodeArchiveHeader, parseArchiveFileName } from "../snapshot/archive-format.js";
import { describeArchive } from "../snapshot/describe-archive.js";
import type { SalvageLayer } from "../snapshot/salvage-rows.js";
import type { StoreView } from "./read-store.js";

/** A file of which nothing can be used. */
export interface UnusableFile {
  readonly file: string;
  readonly what: string;
}

export interface SalvageSource {
  readonly storeId: string;
  /** Undefined if only the lost manifest knew it. */
  readonly environment: string | undefined;
  readonly tables: readonly ManifestTable[];
  readonly layers: readonly SalvageLayer[];
  /** All transactions up to this one are in the layers. */
  readonly runsThrough: number;
  readonly archives: readonly ManifestArchive[];
  readonly lastMicros: number;
  readonly replay: Manifest["replay"];
  readonly unusable: readonly UnusableFile[];
}

export async function salvageSource(store: StoreView): Promise<SalvageSource> {
  const { manifest } = store;
  return manifest === undefined ? fromFiles(store) : fromManifest(manifest);
}

function fromManifest(manifest: Manifest): SalvageSource {
  const byId = new Map(manifest.files.map((file) => [file.id, file]));
  const layers = manifest.state.runs.map(({ firstSequence, lastSequence, files }) => ({
    firstSequence,
    lastSequence,
    files: files.map((id) => byId.get(id) as ManifestFile),
    lost: undefined,
  }));
  const { runsThrough } = manifest.state;
  return { ...manifest, layers, runsThrough, unusable: [] };
}

// ---- without a manifest ----------------------------------------------------------------------

export interface Described {
  readonly file: ManifestFile;
  readonly properties: RunProperties;
}

async function fromFiles(store: StoreView): Promise<SalvageSource> {
  const { disk, directory, names } = store;
  const storeId = await findStoreId(store);
  const found: Described[] = [];
  const unusable: UnusableFile[] = [];
  for (const name of [...names].sort()) {
    const id = parseRunFileName(name);
    if (id === undefined) continue;
    const file = `${directory}/${name}`;
    const described = await withFile(disk, file, (handle) =>
      describeShared(handle, storeId, (maker) =>
        describeRun(disk, handle, file, { storeId: maker, fileId: id }),
      ),
    );
    if (typeof described !== "string") found.push(described);
    else {
      const what = `${described}, and without a manifest nothing else says which rows are newer`;
      unusable.push({ file, what });
    }
  }
  const archives: ManifestArchive[] = [];
  for (const name of [...names].sort()) {
    const id = parseArchiveFileName(name);
    if (id === undefined) continue;
    const file = `${directory}/${name}`;
    const archive = await withFile(disk, file, (handle) =>
      describeShared(handle, storeId, (maker) =>
        describeArchive(disk, handle, { storeId: maker, segmentId: id }),
      ),
    );
    if (typeof archive !== "string") archives.push(archive);
    else unusable.push({ file, what: archive });
  }
  return {
    storeId: toHex(storeId),
    environment: undefined,
    tables: tablesOf(found),
    layers: layersOf(found),
    runsThrough: Math.max(0, ...found.map(({ properties }) => properties.lastSequence)),
    archives,
    lastMicros: Math.max(0, ...found.map(({ properties }) => properties.createdMicros)),
    replay: { microsPerOperation: 1, microsPerKilobyte: 1 },
    unusable,
  };
}

/** That of the manifest, of the first segment with a header, or else of a run or an archive. */
export async function findStoreId(store: StoreView): Promise<Uint8Array> {
  const { disk, directory, names, segments, manifest } = store;
  if (manifest !== undefined) return fromHex(manifest.storeId) as Uint8Array;
  const header = segments.find((segment) => segment.header !== undefined)?.header;
  if (header !== undefined) return header.storeId;
  for (const name of [...names].sort()) {
    const fileId = parseRunFileName(name);
    const segmentId = parseArchiveFileName(name);
    if (fileId === undefined && segmentId === undefined) continue;
    const found = await withFile(disk, `${directory}/${name}`, async (handle) => {
      // Both have it in the same place.
      const bytes = Uint8Array.from(await handle.read(0, RUN_HEADER_BYTES));
      const storeId = bytes.slice(RUN_AT.storeId, RUN_AT.storeId + 16);
      const { checksum } = disk;
      const { ok } =
        fileId === undefined
          ? decodeArchiveHeader(bytes, { storeId, segmentId: segmentId as number }, checksum)
          : decodeRunHeader(bytes, { storeId, fileId }, checksum);
      return ok ? storeId : "it is damaged";
    });
    if (typeof found !== "string") return found;
  }
  return new Uint8Array(16);
}

/**
 * A fork has files that name an ancestor, and its manifest, which says of which, is lost: what is
 * whole and lies here is taken for one of these.
 */
export async function describeShared<T extends object>(
  handle: DiskFile,
  own: Uint8Array,
  describe: (maker: Uint8Array) => Promise<T | string>,
): Promise<T | string> {
  const described = await describe(own);
  if (typeof described !== "string") return described;
  // Run and archive have it in the same place.
  const bytes = Uint8Array.from(await handle.read(0, RUN_HEADER_BYTES));
  const maker = bytes.slice(RUN_AT.storeId, RUN_AT.storeId + 16);
  const shared = await describe(maker);
  if (typeof shared === "string") return described;
  const storeId = toHex(maker);
  return "file" in shared
    ? { ...shared, file: { ...(shared.file as object), storeId } }
    : { ...shared, storeId };
}

/** What `read` gives, or why the file cannot be read. */
async function withFile<T>(
  disk: Disk,
  path: string,
  read: (handle: DiskFile) => Promise<T>,
): Promise<T | string> {
  try {
    const handle = await disk.open(path, { direct: true });
    try {
      return await read(handle);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errnoCode(error) !== "EIO" && errnoCode(error) !== "ENOENT") throw error;
    return `it cannot be read (${(error as Error).message})`;
  }
}

/** What header, footer and properties say; or why they do not. */
export async function describeRun(
  disk: Disk,
  handle: DiskFile,
  path: string,
  place: { readonly storeId: Uint8Array; readonly fileId: number },
): Promise<Described | string> {
  const { checksum } = disk;
  const bytes = await handle.size();
  if (bytes < RUN_HEADER_BYTES + RUN_FOOTER_BYTES) return "it is cut off";
  const header = decodeRunHeader(await handle.read(0, RUN_HEADER_BYTES), place, checksum);
  if (!header.ok) return `its header ${header.detail}`;
  const { seed } = header;
  const end = bytes - RUN_FOOTER_BYTES;
  const tail = await handle.read(end, RUN_FOOTER_BYTES);
  const footer = decodeRunFooter(tail, place, end, seed, checksum);
  if (!footer.ok) return `its footer ${footer.detail}`;
  const { propertiesOffset: offset, propertiesBytes } = footer.layout;
  const stored = await handle.read(offset, propertiesBytes);
  const kind = BLOCK_KIND.properties;
  let properties: RunProperties | undefined;
  try {
    const expected = { kind, fileId: place.fileId, offset, seed, file: path };
    properties = decodeProperties(decodeBlock(stored, expected, disk));
  } catch (error) {
    if (errnoCode(error) !== undefined) throw error;
  }
  if (properties === undefined) return "its properties are damaged";
  const { rows, tombstones, firstKey, lastKey } = properties;
  const file: ManifestFile = {
    id: place.fileId,
    bytes,
    rows,
    tombstones,
    firstKey,
    lastKey,
    checksum: footer.checksum,
  };
  return { file, properties };
}

/** All schemas that any of them knows, as the newest file that has the table knows them. */
function tablesOf(found: readonly Described[]): ManifestTable[] {
  const tables = new Map<number, { id: number; name: string; schemas: SchemaHistory }>();
  const inOrder = [...found].sort((a, b) => a.properties.lastSequence - b.properties.lastSequence);
  for (const { id, name, schemas } of inOrder.flatMap(({ properties }) => properties.tables)) {
    const before = tables.get(id)?.schemas ?? [];
    const merged = (schemas as SchemaHistory).reduce(withSchema, before);
    tables.set(id, { id, name, schemas: merged });
  }
  return [...tables.values()].sort((a, b) => a.id - b.id);
}

/**
 * Files of the same transactions are those of one run. Where transactions of a layer are in one
 * above it as well, that one may have forgotten what was deleted: nothing tells whether a key that
 * only the lower one has is there still. So it counts as lost.
 */
function layersOf(found: readonly Described[]): SalvageLayer[] {
  const layers: { firstSequence: number; lastSequence: number; files: ManifestFile[] }[] = [];
  const byKey = [...found].sort((a, b) => Buffer.compare(a.file.firstKey, b.file.firstKey));
  for (const { file, properties } of byKey) {
    const { firstSequence, lastSequence } = properties;
    const layer = layers.find(
      (one) =>
        one.firstSequence === firstSequence &&
        one.lastSequence === lastSequence &&
        Buffer.compare((one.files.at(-1) as ManifestFile).lastKey, file.firstKey) < 0,
    );
    if (layer === undefined) layers.push({ firstSequence, lastSequence, files: [file] });
    else layer.files.push(file);
  }
  layers.sort((a, b) => b.lastSequence - a.lastSequence || b.firstSequence - a.firstSequence);
  return withUncertain(layers);
}

function withUncertain(layers: readonly Omit<SalvageLayer, "lost">[]): SalvageLayer[] {
  const all: SalvageLayer[] = [];
  /** Everything from here on is in layers above. */
  let from = Number.MAX_SAFE_INTEGER;
  for (const layer of layers) {
    const { firstSequence, lastSequence } = layer;
    if (lastSequence >= from) {
      const lost = "a run that has these transactions too may have deletions of rows of older ones";
      all.push({ firstSequence: from, lastSequence, files: [], lost });
    } else if (all.length > 0 && lastSequence < from - 1) {
      all.push(missing(lastSequence + 1, from - 1));
    }
    all.push({ ...layer, lost: undefined });
    from = Math.min(from, firstSequence);
  }
  if (all.length > 0 && from > 1) all.push(missing(1, from - 1));
  return all;
}

function missing(firstSequence: number, lastSequence: number): SalvageLayer {
  const lost = "no run file that can be read has these transactions";
  return { firstSequence, lastSequence, files: [], lost };
}
