/** What keeps a store from being whole: everything for which opening would refuse it, and more. */
import { errnoCode, type HoldfastError, isHoldfastError } from "../base/errors.js";
import { packFileName } from "../blobs/format.js";
import type { Manifest } from "../manifest/format.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { CREATING_NAME, findStraySegments } from "../recovery/files.js";
import { runFileName } from "../run/format.js";
import { archiveFileName } from "../snapshot/archive-format.js";
import type { RowCounts } from "./count-rows.js";
import type { FileSize } from "./examine-store.js";
import { formatRange } from "./output.js";
import type { SegmentView, StoreView } from "./read-store.js";
import type { Problem, Tally } from "./tally.js";
import type { Gap } from "./walk-log.js";

/** As recovery sees it: nothing beside the marker was ever used, and opening makes it anew. */
export function isHalfCreated({ names, slots }: StoreView): boolean {
  return names.includes(CREATING_NAME) && slots.slots.some(({ state }) => state !== "valid");
}

/** What was found out about a store. */
export interface Examined {
  readonly store: StoreView;
  readonly gaps: readonly Gap[];
  readonly tally: Tally;
  readonly files: readonly FileSize[];
  readonly counts: RowCounts;
}

/** In the order in which a person should look at them. */
export async function findProblems({
  store,
  gaps,
  tally,
  files,
  counts,
}: Examined): Promise<Problem[]> {
  const ofFiles = fileProblems(store, files);
  const known = new Set(ofFiles.map(({ file }) => file));
  return [
    ...markerProblems(store),
    ...slotProblems(store),
    ...ofFiles,
    ...counts.problems.filter(({ data }) => !known.has(data.file ?? "")).map(runProblem),
    ...store.segments.flatMap((segment) => segmentProblems(segment, tally, gaps)),
    ...gaps.map(gapProblem),
    ...tally.problems,
    ...(await strayProblems(store)),
  ];
}

/** Runs, archives and packs that are not there, or not as long as they must be. */
function fileProblems({ directory, manifest }: StoreView, files: readonly FileSize[]): Problem[] {
  const sizes = new Map(files.map(({ file, bytes }) => [file, bytes]));
  const named = [
    ...(manifest?.files ?? []).map(({ id, bytes }) => ({ name: runFileName(id), bytes })),
    ...(manifest?.archives ?? []).map(({ id, bytes }) => ({ name: archiveFileName(id), bytes })),
    ...(manifest?.packs ?? []).map(({ id, bytes }) => ({ name: packFileName(id), bytes })),
  ];
  return named.flatMap(({ name, bytes }) => {
    const actual = sizes.get(name);
    if (actual === bytes) return [];
    const file = `${directory}/${name}`;
    if (actual === undefined) return [{ file, message: "the file is missing" }];
    const message = `the file has ${actual} bytes where the manifest says ${bytes}`;
    return [{ file, offset: Math.min(actual, bytes), message }];
  });
}

/** Of a run that could not be read to its end. */
function runProblem({ message, data: { file = "", offset } }: HoldfastError): Problem {
  const why = message.slice(message.lastIndexOf(": ") + 2);
  const text = `${why}; rows in it cannot be counted: "holdfast verify" names every place`;
  return { file, ...(offset !== undefined && { offset }), message: text };
}

function markerProblems(store: StoreView): Problem[] {
  if (!isHalfCreated(store)) return [];
  const message =
    "it says that nothing was ever kept here, and there are transactions: do not open the store " +
    "before you have removed it, or they are removed";
  return [{ file: `${store.directory}/${CREATING_NAME}`, message }];
}

function slotProblems({ slots, manifest }: StoreView): Problem[] {
  return slots.slots.flatMap((slot) => {
    if (slot.state === "valid") return [];
    const what = slot.state === "missing" ? "the file is missing" : slot.detail;
    const also =
      manifest === undefined ? "" : "; the other one is good, and opening writes this anew";
    return { file: slot.file, message: `${what}${also}` };
  });
}

/** A missing file is a gap. A spare's header may have been in the making when a process died. */
function segmentProblems(segment: SegmentView, tally: Tally, gaps: readonly Gap[]): Problem[] {
  const { path: file, entry, fileBytes, headerProblem } = segment;
  const problems: Problem[] = [];
  const known = gaps.some((gap) => gap.file === file || gap.why.includes(segment.name));
  if (!known && entry !== undefined && fileBytes !== undefined && fileBytes < entry.bytes) {
    const message = `the file has ${fileBytes} bytes where the manifest says ${entry.bytes}`;
    problems.push({ file, offset: fileBytes, message });
  }
  const mayBe = entry?.state === "spare" && tally.segment(segment).frames === 0;
  if (headerProblem !== undefined && !mayBe) {
    problems.push({ file, offset: 0, message: `its header: ${headerProblem}` });
  }
  return problems;
}

function gapProblem({ file, offset, resumesAt, sequence, lastSequence, why }: Gap): Problem {
  const missing = formatRange(sequence, lastSequence);
  const behind =
    resumesAt === undefined
      ? "nothing behind it can be read"
      : `good again from offset ${resumesAt.offset}` +
        (resumesAt.file === file ? "" : ` of ${resumesAt.file}`);
  const message = `${why}; ${behind}; transactions that cannot be read: ${missing}`;
  return {
    file,
    offset,
    sequence,
    ...(lastSequence !== undefined && lastSequence >= sequence && { lastSequence }),
    message,
  };
}

/** By the rule of recovery: one with transactions means that the manifest is older than the log. */
async function strayProblems(store: StoreView): Promise<Problem[]> {
  const { disk, directory, strays, manifest } = store;
  const problems: Problem[] = [];
  if (manifest === undefined) return problems;
  for (const stray of strays) {
    if (!(await isNewer(store, stray))) continue;
    // In a store in use it may have become part of the log since.
    const { newest } = await readManifestSlots(disk, directory);
    if (newest?.segments.some(({ id }) => id === stray.id)) continue;
    const message =
      `it holds transactions, and the manifest (generation ${manifest.generation}) does not ` +
      "know it: the manifest is older than the log";
    problems.push({ file: stray.path, message });
  }
  return problems;
}

async function isNewer(store: StoreView, { name }: SegmentView): Promise<boolean> {
  const { disk, directory, manifest } = store;
  try {
    await findStraySegments(disk, directory, [name], manifest as Manifest);
    return false;
  } catch (error) {
    if (isHoldfastError(error, "CORRUPT_MANIFEST")) return true;
    if (errnoCode(error) === undefined) throw error;
    return false;
  }
}
