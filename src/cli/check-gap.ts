/** Names every bad place in a part of the log that cannot be read. */
import type { FramePlace } from "../log/format.js";
import { damage, type Finding, sequencesOf } from "./findings.js";
import { type BadPlace, PlaceProbe } from "./place-probe.js";
import { openOrUndefined, type SegmentView, type StoreView } from "./read-store.js";
import type { Gap } from "./walk-log.js";

/** One finding or more; always at least one for the place where the gap begins. */
export async function examineGap(store: StoreView, gap: Gap): Promise<Finding[]> {
  const from = store.segments.findIndex(({ path }) => path === gap.file);
  const places: BadPlace[] = [];
  for (const segment of store.segments.slice(Math.max(0, from))) {
    const isFirst = segment.path === gap.file;
    const isLast = segment.path === gap.resumesAt?.file;
    const start = isFirst ? gap.offset : (segment.place?.alignment ?? 0);
    const end = isLast && gap.resumesAt ? gap.resumesAt.offset : segment.limit;
    // A missing file or a header that says nothing is found by the check of the files.
    if (segment.fileBytes !== undefined && segment.place !== undefined) {
      const range = { start, end, mustBegin: isFirst, isBounded: isLast || isSealed(segment) };
      places.push(...(await placesIn(store, segment, segment.place, range, gap)));
    }
    if (isLast) break;
  }
  return withSequences(places, gap);
}

function isSealed({ entry }: SegmentView): boolean {
  return entry?.state === "sealed";
}

/** A place whose own header is lost has what its neighbours leave. */
function withSequences(places: readonly BadPlace[], gap: Gap): Finding[] {
  let next = gap.sequence;
  const findings = places.map((place, index) => {
    const follower = places.slice(index + 1).find(({ first }) => first !== undefined);
    const last = follower?.first === undefined ? gap.lastSequence : follower.first - 1;
    const sequences =
      place.first === undefined
        ? sequencesOf(next, last)
        : sequencesOf(place.first, place.last ?? place.first);
    if (place.last !== undefined) next = place.last + 1;
    else if (sequences?.last != null) next = sequences.last + 1;
    return damage(place.kind, place.path, place.offset, place.message, sequences);
  });
  if (findings.length > 0) return findings;
  const kind = gap.verdict === "unreadable" ? "unreadable" : "frame-missing";
  const sequences = sequencesOf(gap.sequence, gap.lastSequence);
  return [damage(kind, gap.file, gap.offset, gap.why, sequences)];
}

interface Range {
  readonly start: number;
  readonly end: number;
  /** The log is known to go on at `start`. */
  readonly mustBegin: boolean;
  /** The log is known to go on, or to be at its sealed end, at `end`. */
  readonly isBounded: boolean;
}

async function placesIn(
  store: StoreView,
  segment: SegmentView,
  place: FramePlace,
  range: Range,
  gap: Gap,
): Promise<BadPlace[]> {
  const file = await openOrUndefined(store.disk, segment.path);
  if (file === undefined) return [];
  try {
    const probe = new PlaceProbe(file, segment.path, { ...segment, place });
    if (range.mustBegin && range.start >= range.end) return [await atBoundary(probe, range, gap)];
    return await probeRange(probe, place, range, gap);
  } finally {
    await file.close();
  }
}

/** Nothing lies in between: the frame there is whole and breaks the chain, or there is an end. */
async function atBoundary(probe: PlaceProbe, { start }: Range, gap: Gap): Promise<BadPlace> {
  const { path } = probe;
  if (gap.resumesAt?.offset !== start || gap.resumesAt.file !== path) {
    return { path, offset: start, kind: "sealed-end", message: gap.why };
  }
  const header = await probe.header(start);
  const first = header?.firstSequence ?? gap.sequence;
  const last = first + (header?.recordCount ?? 1) - 1;
  const message =
    first === gap.sequence
      ? `a whole frame that does not continue the one before it: ${gap.why}`
      : `a whole frame with transaction ${first} where ${gap.sequence} must be: ${gap.why}`;
  const isAhead = first > gap.sequence;
  return {
    path,
    offset: start,
    kind: "chain",
    message,
    // What is ahead leaves out transactions; what is behind says something twice.
    ...(isAhead ? { first: gap.sequence, last: first - 1 } : { first, last }),
  };
}

async function probeRange(
  probe: PlaceProbe,
  place: FramePlace,
  range: Range,
  gap: Gap,
): Promise<BadPlace[]> {
  const found: BadPlace[] = [];
  let isBoundary = true;
  let zeros: BadPlace | undefined;
  for (let at = range.start; at < range.end; ) {
    const bad = await probe.at(at, gap.why);
    const isFrame = bad.frameBytes !== undefined;
    if (isFrame || (isBoundary && bad.kind !== "frame-missing")) {
      if (zeros !== undefined) found.push(zeros);
      zeros = undefined;
      found.push(bad);
    } else if (isBoundary) {
      // Zeros may be the end of the log: what comes behind them decides.
      if (at === range.start && range.mustBegin) found.push(bad);
      else zeros = bad;
    }
    isBoundary = isFrame;
    at += bad.frameBytes ?? place.alignment;
  }
  if (zeros !== undefined && range.isBounded) found.push(zeros);
  return found;
}
