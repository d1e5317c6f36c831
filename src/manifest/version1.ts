/** Manifests of version 1, which knew no runs: the whole state was in the log. */
import { shapeOfVersion1 } from "./check.js";
import type { Manifest, ManifestSegment } from "./format.js";
import { REPLAY_COST_DEFAULT } from "./replay-cost.js";

interface Version1 extends Omit<Manifest, "segments" | "state"> {
  readonly segments: readonly Omit<ManifestSegment, "recycled">[];
  /** What came before the first segment listed. */
  readonly base: { readonly sequence: number; readonly frameChecksum: number };
}

/** The same store in today's words, or what is wrong with it. */
export function fromVersion1(value: unknown): Manifest | string {
  const wrong = shapeOfVersion1(value, "");
  if (wrong !== undefined) return wrong;
  const { base, segments, ...common } = value as Version1;
  return {
    ...common,
    lastMicros: 0,
    closed: false,
    segments: segments.map((segment) => ({ ...segment, recycled: false })),
    replay: REPLAY_COST_DEFAULT,
    state: {
      runs: [],
      runsThrough: base.sequence,
      replayFrom: {
        segmentId: 0,
        offset: 0,
        sequence: base.sequence + 1,
        frameChecksum: base.frameChecksum,
      },
    },
    files: [],
    merge: null,
    snapshots: [],
    archives: [],
  };
}
