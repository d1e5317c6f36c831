/** What keeps a store from being whole: everything for which opening would refuse it, and more. */
import { readManifestSlots } from "../manifest/manifest.js";
import { CREATING_NAME } from "../recovery/files.js";
import { formatRange } from "./output.js";
import { openOrUndefined, type SegmentView, type StoreView } from "./read-store.js";
import { SegmentFrames } from "./segment-frames.js";
import type { Problem, Tally } from "./tally.js";
import type { Gap } from "./walk-log.js";

/** As recovery sees it: nothing beside the marker was ever used, and opening makes it anew. */
export function isHalfCreated({ names, slots }: StoreView): boolean {
  return names.includes(CREATING_NAME) && slots.slots.some(({ state }) => state !== "valid");
}

/** In the order in which a person should look at them. */
export async function findProblems(
  store: StoreView,
  gaps: readonly Gap[],
  tally: Tally,
): Promise<Problem[]> {
  return [
    ...markerProblems(store),
    ...slotProblems(store),
    ...store.segments.flatMap((segment) => segmentProblems(segment, tally, gaps)),
    ...gaps.map(gapProblem),
    ...tally.problems,
    ...(await strayProblems(store)),
  ];
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

/** Transactions in a segment that the manifest does not know: it is older than the log. */
async function strayProblems({ disk, directory, strays, manifest }: StoreView): Promise<Problem[]> {
  const problems: Problem[] = [];
  for (const stray of strays) {
    if (!(await holdsFrames(disk, stray))) continue;
    // In a store in use it may have become part of the log since.
    const { newest } = await readManifestSlots(disk, directory);
    if (newest?.segments.some(({ id }) => id === stray.id)) continue;
    const message =
      `it holds transactions, and the manifest (generation ${manifest?.generation}) does not ` +
      "know it: the manifest is older than the log";
    problems.push({ file: stray.path, message });
  }
  return problems;
}

async function holdsFrames(disk: StoreView["disk"], stray: SegmentView): Promise<boolean> {
  const { place, path } = stray;
  if (place === undefined) return false;
  const file = await openOrUndefined(disk, path);
  if (file === undefined) return false;
  try {
    const frames = new SegmentFrames(file, disk.checksum, { ...stray, place });
    return (await frames.index(place.alignment)).headers.length > 0;
  } finally {
    await file.close();
  }
}
