/** What there is to tell about the snapshots of a store, from its manifest alone. */
import type { Manifest, ManifestSnapshot } from "../manifest/format.js";
import { normalizePosition } from "../snapshot/position.js";
import { formatTime } from "./output.js";

export interface SnapshotReport {
  readonly name: string;
  /** It shows every transaction up to this one. */
  readonly sequence: number;
  readonly created: string;
  readonly runs: number;
  /** Of all run files and segments that it names. */
  readonly bytes: number;
  /** Of those that would go with it: nothing else needs them. */
  readonly ownBytes: number;
}

/** The oldest first. */
export function snapshotsOf(manifest: Manifest): SnapshotReport[] {
  const { state, snapshots, segments } = manifest;
  const filesOf = (of: Pick<ManifestSnapshot, "state">) =>
    new Set(of.state.runs.flatMap((run) => run.files));
  const replayed = normalizePosition(state.replayFrom, segments).segmentId;
  return snapshots
    .map((one) => {
      const others = snapshots.filter((other) => other !== one);
      const otherFiles = [{ state }, ...others].map(filesOf);
      const otherSegments = new Set(others.flatMap((other) => other.segments));
      const files = [...filesOf(one)];
      const ownFiles = files.filter((id) => !otherFiles.some((ids) => ids.has(id)));
      const ownSegments = one.segments.filter((id) => id < replayed && !otherSegments.has(id));
      return {
        name: one.name,
        sequence: one.sequence,
        created: formatTime(one.createdMicros),
        runs: one.state.runs.length,
        bytes: bytesOf(manifest, files, one.segments),
        ownBytes: bytesOf(manifest, ownFiles, ownSegments),
      };
    })
    .sort((a, b) => a.sequence - b.sequence || (a.created < b.created ? -1 : 1));
}

function bytesOf(
  manifest: Manifest,
  files: readonly number[],
  segments: readonly number[],
): number {
  const [inFiles, inSegments] = [new Set(files), new Set(segments)];
  const sum = (
    list: readonly { readonly id: number; readonly bytes: number }[],
    ids: Set<number>,
  ) => list.reduce((total, { id, bytes }) => total + (ids.has(id) ? bytes : 0), 0);
  return sum(manifest.files, inFiles) + sum(manifest.segments, inSegments);
}
