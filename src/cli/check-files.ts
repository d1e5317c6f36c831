/** Is every file there that must be, of the right size and with the right header, and no other? */
import { isZero } from "../base/bytes.js";
import { errnoCode, isHoldfastError } from "../base/errors.js";
import { parsePackFileName } from "../blobs/format.js";
import { portableChecksum } from "../disk/checksum.js";
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "../log/format.js";
import { CREATING_NAME, findStraySegments } from "../recovery/files.js";
import { parseRunFileName } from "../run/format.js";
import { parseArchiveFileName } from "../snapshot/archive-format.js";
import { damage, type Finding, note, type Sequences, sequencesOf } from "./findings.js";
import { beginsAnew, startOf } from "./log-parts.js";
import type { SegmentView, StoreView } from "./read-store.js";

/** What the walk through the log has learned. */
export interface WalkedLog {
  readonly findings: readonly Finding[];
  /** Segments in which there is a frame. */
  readonly withFrames: ReadonlySet<number>;
  readonly transactions: number;
}

export async function checkFiles(store: StoreView, walked: WalkedLog): Promise<Finding[]> {
  const findings: Finding[] = [...checkMarker(store, walked)];
  let before = 0;
  for (const [index, segment] of store.segments.entries()) {
    const { entry } = segment;
    if (beginsAnew(store, index)) {
      before = startOf(store.manifest, segment.id, index === 0).sequence - 1;
    }
    findings.push(...checkSize(segment, lostIn(segment, before, walked)));
    findings.push(...(await checkHeader(store, segment, walked)));
    if (entry?.state === "sealed") before = entry.lastSequence;
  }
  for (const stray of store.strays) findings.push(...(await checkStray(store, stray)));
  return [...findings, ...strayFiles(store)];
}

/** As recovery sees it: nothing beside the marker was ever used, and opening makes it anew. */
export function isHalfCreated({ names, slots }: StoreView): boolean {
  return names.includes(CREATING_NAME) && slots.slots.some(({ state }) => state !== "valid");
}

function checkMarker(store: StoreView, { transactions }: WalkedLog): Finding[] {
  if (!isHalfCreated(store)) return [];
  const file = `${store.directory}/${CREATING_NAME}`;
  if (transactions === 0) {
    const message =
      "its creation was cut short before anything was kept in it: opening makes it anew";
    return [note("creating", file, 0, message)];
  }
  const message =
    "it says that nothing was ever kept here, and there are transactions: do not open the store " +
    "before you have removed it, or they are removed";
  return [damage("creating", file, 0, message)];
}

/** Transactions that are lost with a whole segment, or with its end. */
function lostIn({ entry, path }: SegmentView, before: number, walked: WalkedLog): Sequences | null {
  const sealed = entry?.state === "sealed" ? entry.lastSequence : undefined;
  const known = walked.findings.findLast((one) => one.file === path && one.sequences !== null);
  if (known?.sequences != null) {
    return { first: known.sequences.first, last: sealed ?? known.sequences.last };
  }
  return sealed === undefined ? null : sequencesOf(before + 1, sealed);
}

function checkSize(segment: SegmentView, sequences: Sequences | null): Finding[] {
  const { entry, path, fileBytes } = segment;
  if (fileBytes === undefined) {
    const message = "the file is missing, and the manifest says that the log is in it";
    return [damage("missing-file", path, 0, message, sequences)];
  }
  if (entry === undefined || fileBytes >= entry.bytes) return [];
  const message = `the file has ${fileBytes} bytes where the manifest says ${entry.bytes}`;
  return [damage("truncated", path, fileBytes, message, sequences)];
}

async function checkHeader(
  { disk, manifest }: StoreView,
  segment: SegmentView,
  walked: WalkedLog,
): Promise<Finding[]> {
  const { entry, path, headerProblem, header, fileBytes, place } = segment;
  if (fileBytes === undefined) return [];
  const isUnused = entry?.state === "spare" && !walked.withFrames.has(segment.id);
  if (headerProblem !== undefined) {
    const message = `the header of the segment: ${headerProblem}`;
    if (!isUnused) return [damage("segment-header", path, 0, message)];
    // That of another epoch is what an unused one has after every opening.
    if (header !== undefined) return [];
    return [note("segment-header", path, 0, `${message}; it is written anew before it is used`)];
  }
  if (header === undefined) return [];
  const bytes = await readBlock(disk, path, place?.alignment ?? header.alignment);
  if (typeof bytes === "string") return [damage("unreadable", path, 0, bytes)];
  if (!decodeSegmentHeader(bytes, portableChecksum).ok) {
    const message = "the native CRC32C takes the header for good and the portable one does not";
    return [damage("checksum-disagreement", path, 0, message)];
  }
  const findings: Finding[] = [];
  if (header.createdMicros < (manifest?.createdMicros ?? 0)) {
    const message = "the segment is older than the store: the clock has been put back";
    findings.push(note("segment-header", path, 0, message));
  }
  if (!isZero(bytes, SEGMENT_HEADER_BYTES, bytes.length)) {
    const message = "the padding of the header is not zero: it carries nothing";
    findings.push(note("padding", path, SEGMENT_HEADER_BYTES, message));
  }
  return findings;
}

/** What its header was read from before; or what the device says now. */
async function readBlock(
  disk: StoreView["disk"],
  path: string,
  length: number,
): Promise<Uint8Array | string> {
  try {
    const file = await disk.open(path, { direct: true });
    try {
      return await file.read(0, length);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return `it cannot be read again (${(error as Error).message})`;
  }
}

/** Runs, archives and packs that nothing names do no harm: cut short, or of no more use. */
function strayFiles(store: StoreView): Finding[] {
  return strayFilesOf(store).map((name) => {
    const what = whatIs(name);
    const message =
      `it is not in the manifest: ${what} whose making was cut short, or that is of no more use; ` +
      "opening removes it";
    return note("stray-file", `${store.directory}/${name}`, 0, message);
  });
}

function whatIs(name: string): string {
  if (parsePackFileName(name) !== undefined) return "a pack";
  return parseRunFileName(name) === undefined ? "an archive" : "a part of a run";
}

/** Names of runs, archives and packs that the manifest does not know. */
export function strayFilesOf({ names, manifest }: StoreView): string[] {
  if (manifest === undefined) return [];
  const runs = new Set(manifest.files.map(({ id }) => id));
  const archives = new Set(manifest.archives.map(({ id }) => id));
  const packs = new Set(manifest.packs?.map(({ id }) => id));
  return names.filter((name) => {
    const run = parseRunFileName(name);
    const archive = parseArchiveFileName(name);
    const pack = parsePackFileName(name);
    return (
      (run !== undefined && !runs.has(run)) ||
      (archive !== undefined && !archives.has(archive)) ||
      (pack !== undefined && !packs.has(pack))
    );
  });
}

/** By the rule of recovery: one with frames means that the manifest is older than the log. */
async function checkStray(store: StoreView, stray: SegmentView): Promise<Finding[]> {
  const { disk, directory, manifest } = store;
  if (manifest === undefined) return [];
  try {
    await findStraySegments(disk, directory, [stray.name], manifest);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return [];
    if (!isHoldfastError(error, "CORRUPT_MANIFEST")) throw error;
    const message =
      `it holds transactions, and the manifest (generation ${manifest.generation}) does not know ` +
      "it: the manifest is older than the log, or the file is a copy from another time";
    return [damage("stray-segment", stray.path, 0, message)];
  }
  const isForeign = stray.headerProblem?.includes("another store") === true;
  const what = isForeign
    ? "a segment of another store"
    : "a preparation cut short, or of no more use";
  const message = `it is not in the manifest: ${what}; opening removes it`;
  return [note("stray-segment", stray.path, 0, message)];
}
