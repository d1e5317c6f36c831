/** Which files the states of a manifest name: the live one, and those of all snapshots. */
import { fromHex } from "../base/bytes.js";
import type { Manifest, ManifestSnapshot, ManifestState } from "./format.js";

/** By the list of snapshots, which is the same from one manifest to the next most of the time. */
const ofSnapshots = new WeakMap<readonly ManifestSnapshot[], ReadonlySet<number>>();

/** Says of a file's id whether anything in the manifest names it. */
export function namedFiles({ state, snapshots }: Manifest): (fileId: number) => boolean {
  const named = new Set<number>();
  addFiles(named, state);
  const kept = filesOfSnapshots(snapshots);
  return (fileId) => named.has(fileId) || kept.has(fileId);
}

/** With one more at the end. What the others name is not looked for again. */
export function withOneMore(
  snapshots: readonly ManifestSnapshot[],
  snapshot: ManifestSnapshot,
): readonly ManifestSnapshot[] {
  const more = [...snapshots, snapshot];
  const named = new Set(filesOfSnapshots(snapshots));
  addFiles(named, snapshot.state);
  ofSnapshots.set(more, named);
  return more;
}

function filesOfSnapshots(snapshots: readonly ManifestSnapshot[]): ReadonlySet<number> {
  let named = ofSnapshots.get(snapshots) as Set<number> | undefined;
  if (named === undefined) {
    named = new Set();
    for (const { state } of snapshots) addFiles(named, state);
    ofSnapshots.set(snapshots, named);
  }
  return named;
}

function addFiles(named: Set<number>, { runs }: ManifestState): void {
  for (const { files } of runs) {
    for (const fileId of files) named.add(fileId);
  }
}

/** The id that a file names: that of the store, or of the ancestor that made it. */
export function makerOf(file: { readonly storeId?: string }, own: Uint8Array): Uint8Array {
  return file.storeId === undefined ? own : (fromHex(file.storeId) as Uint8Array);
}
