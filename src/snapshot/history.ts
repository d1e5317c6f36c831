/** What becomes of the log once its rows are in runs. */
import type { ManifestArchive } from "../manifest/format.js";

/**
 * - "none": its segments are given back at once.
 * - "all": they are archived, and the archives are kept.
 * - otherwise archives are kept for so long after their last transaction, or as long as they all
 *   together are no larger than that; the oldest go first.
 */
export type History =
  | "none"
  | "all"
  | { readonly keepForMillis: number }
  | { readonly keepBytes: number };

/**
 * The archives that go: always the oldest ones, so that what is kept has no gaps. The one with the
 * newest transactions stays until it is too old itself.
 */
export function expiredArchives(
  archives: readonly ManifestArchive[],
  history: History,
  nowMicros: number,
): ManifestArchive[] {
  const oldestFirst = [...archives].sort((a, b) => a.id - b.id);
  if (history === "none" || history === "all") return [];
  if ("keepForMillis" in history) {
    const before = nowMicros - history.keepForMillis * 1000;
    const kept = oldestFirst.findIndex((archive) => archive.lastMicros >= before);
    return kept < 0 ? oldestFirst : oldestFirst.slice(0, kept);
  }
  let bytes = oldestFirst.reduce((sum, archive) => sum + archive.bytes, 0);
  let gone = 0;
  for (; gone < oldestFirst.length && bytes > history.keepBytes; gone++) {
    bytes -= (oldestFirst[gone] as ManifestArchive).bytes;
  }
  return oldestFirst.slice(0, gone);
}
