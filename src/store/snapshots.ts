/** Named snapshots: a manifest kept. */
import { HoldfastError } from "../base/errors.js";
import { NAME_BYTES_MAX, SNAPSHOTS_MAX } from "../base/limits.js";
import type { LogEnd } from "../log/pipeline.js";
import type { Manifest, ManifestSnapshot } from "../manifest/format.js";
import { withOneMore } from "../manifest/named-files.js";
import { normalizePosition } from "../snapshot/position.js";

/** A named snapshot, as callers see it. */
export interface SnapshotInfo {
  readonly name: string;
  /** It shows every transaction up to this one. */
  readonly sequence: number;
  /** Microseconds since 1970. */
  readonly createdMicros: number;
}

/** Throws INVALID_ARGUMENT for what cannot be a name: a command line has to be able to hold it. */
export function checkSnapshotName(name: unknown): asserts name is string {
  const ok =
    typeof name === "string" &&
    /^[A-Za-z0-9_][A-Za-z0-9_.:@+-]*$/.test(name) &&
    name.length <= NAME_BYTES_MAX;
  if (ok) return;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `the name of a snapshot is of 1 to ${NAME_BYTES_MAX} letters, digits and "_.:@+-", beginning ` +
      `with a letter, a digit or "_"; got ${JSON.stringify(name)}`,
  );
}

/**
 * Adds a snapshot of all up to `sequence`, which is durable; `end` is where the log is durable to.
 * Of all up to a later one, where the runs have come further meanwhile.
 */
export function withSnapshot(
  manifest: Manifest,
  name: string,
  sequence: number,
  end: LogEnd,
  createdMicros: number,
): Manifest {
  if (manifest.snapshots.some((snapshot) => snapshot.name === name)) {
    throw new HoldfastError("SNAPSHOT_EXISTS", `there is a snapshot "${name}" already`);
  }
  if (manifest.snapshots.length >= SNAPSHOTS_MAX) {
    throw new HoldfastError("TOO_LARGE", `a store has at most ${SNAPSHOTS_MAX} snapshots`);
  }
  const { segments } = manifest;
  // In the terms of what may go: a segment before this place is needed by nobody, and may be gone
  // before this is published.
  const replayFrom = normalizePosition(manifest.state.replayFrom, segments);
  const state = { ...manifest.state, replayFrom };
  const snapshot: ManifestSnapshot = {
    name,
    sequence: Math.max(sequence, state.runsThrough),
    createdMicros,
    state,
    segments: segments
      .map(({ id }) => id)
      .filter((id) => id >= replayFrom.segmentId && id <= end.segmentId),
  };
  return { ...manifest, snapshots: withOneMore(manifest.snapshots, snapshot) };
}

/** A name for one that was given none. */
export function unusedName(manifest: Manifest, sequence: number): string {
  const taken = new Set(manifest.snapshots.map(({ name }) => name));
  let name = `snapshot-${sequence}`;
  for (let n = 2; taken.has(name); n++) name = `snapshot-${sequence}-${n}`;
  return name;
}

export function withoutSnapshot(manifest: Manifest, name: string): Manifest {
  findSnapshot(manifest, name);
  const snapshots = manifest.snapshots.filter((snapshot) => snapshot.name !== name);
  return { ...manifest, snapshots };
}

/** Throws SNAPSHOT_NOT_FOUND, naming those there are. */
export function findSnapshot(manifest: Manifest, name: string): ManifestSnapshot {
  const found = manifest.snapshots.find((snapshot) => snapshot.name === name);
  if (found !== undefined) return found;
  const names = manifest.snapshots.map((snapshot) => `"${snapshot.name}"`);
  const there = names.length === 0 ? "it has none" : `it has ${names.slice(-20).join(", ")}`;
  throw new HoldfastError("SNAPSHOT_NOT_FOUND", `the store has no snapshot "${name}"; ${there}`);
}

export function infoOf({ name, sequence, createdMicros }: ManifestSnapshot): SnapshotInfo {
  return { name, sequence, createdMicros };
}

/** What callers see of the snapshots there are, the oldest first. */
export function listSnapshots(manifest: Manifest): SnapshotInfo[] {
  return manifest.snapshots
    .map(infoOf)
    .sort((a, b) => a.sequence - b.sequence || a.createdMicros - b.createdMicros);
}
