/**
 * The parts that a log consists of. Segments that nobody needs any more are gone: those that a
 * snapshot keeps may stand alone, and what came before the first one is in runs, or in archives.
 */
import type { Manifest, ReplayPosition } from "../manifest/format.js";
import type { StoreView } from "./read-store.js";

/**
 * The segment is the first one there is, or the one before it was let go of. Where the manifest is
 * lost nothing says so, and one that is missing counts as lost.
 */
export function beginsAnew({ segments, manifest }: StoreView, index: number): boolean {
  const before = segments[index - 1];
  if (before === undefined) return true;
  return manifest !== undefined && before.id + 1 !== segments[index]?.id;
}

/** What the first frame of a part of the log must be. */
export interface PartStart {
  /** Its sequence, or less, where `frameChecksum` is not known. */
  readonly sequence: number;
  /** Link of the frame before; undefined if nothing says. */
  readonly frameChecksum: number | undefined;
}

/** What is known of where the log goes on in a segment before which there is none. */
export function startOf(
  manifest: Manifest | undefined,
  segmentId: number,
  isFirst: boolean,
): PartStart {
  if (manifest === undefined) return { sequence: 1, frameChecksum: undefined };
  const alignment = manifest.segments.find(({ id }) => id === segmentId)?.alignment;
  const positions = positionsOf(manifest);
  const exact = positions.find(
    (at) => (at.segmentId === 0 && isFirst) || isAt(at, segmentId, alignment),
  );
  if (exact !== undefined) return exact;
  const sequences = [
    ...manifest.archives.filter(({ id }) => id < segmentId).map((one) => one.lastSequence + 1),
    ...manifest.segments
      .filter(({ id, state }) => id < segmentId && state === "sealed")
      .map((one) => one.lastSequence + 1),
    ...positions.filter((at) => at.segmentId < segmentId).map(({ sequence }) => sequence),
  ];
  return { sequence: Math.max(1, ...sequences), frameChecksum: undefined };
}

function isAt(at: ReplayPosition, segmentId: number, offset: number | undefined): boolean {
  return at.segmentId === segmentId && at.offset === offset;
}

/** Where replay of the store and of its snapshots begins. */
export function positionsOf({ state, snapshots }: Manifest): ReplayPosition[] {
  return [state, ...snapshots.map((snapshot) => snapshot.state)].map((one) => one.replayFrom);
}

/** A sequence known to have been durable: whatever is in runs was so before. */
export function provenThrough(manifest: Manifest | undefined): number {
  if (manifest === undefined) return 0;
  return Math.max(manifest.durableThrough, manifest.state.runsThrough);
}
