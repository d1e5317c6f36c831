/** Places in the log, and which segments something still needs. */
import type { Manifest, ManifestSegment, ReplayPosition } from "../manifest/format.js";

/** Segments in the order of the log. */
export function inOrder(segments: readonly ManifestSegment[]): ManifestSegment[] {
  return [...segments].sort((a, b) => a.id - b.id);
}

/**
 * The same place, named by the segment that holds the next frame: a place at the end of a sealed
 * segment is the beginning of the next one. Without that the segment would be kept for nothing.
 */
export function normalizePosition(
  position: ReplayPosition,
  segments: readonly ManifestSegment[],
): ReplayPosition {
  const ordered = inOrder(segments);
  const first = ordered[0];
  let at = position;
  if (at.segmentId === 0 && first !== undefined) {
    at = { ...at, segmentId: first.id, offset: first.alignment };
  }
  for (const [index, segment] of ordered.entries()) {
    const next = ordered[index + 1];
    if (segment.id !== at.segmentId || next === undefined) continue;
    if (segment.state !== "sealed" || at.offset < segment.bytes) break;
    at = { ...at, segmentId: next.id, offset: next.alignment };
  }
  return at;
}

/** Sealed segments that neither replay nor any snapshot needs, the oldest first. */
export function unneededSegments(manifest: Manifest): ManifestSegment[] {
  const from = normalizePosition(manifest.state.replayFrom, manifest.segments).segmentId;
  const behind = manifest.segments.filter(({ id, state }) => state === "sealed" && id < from);
  if (behind.length === 0) return [];
  const named = new Set(manifest.snapshots.flatMap((snapshot) => snapshot.segments));
  return inOrder(behind).filter((segment) => !named.has(segment.id));
}
