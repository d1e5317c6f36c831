/** What the manifest knows of the hash of the history (docs/format.md): see log/history-hash.ts. */
import type { ManifestArchive } from "./format.js";

/** The archives that continue one another up to the newest one, as one piece of history. */
export interface HistoryChain {
  readonly from: number;
  readonly to: number;
  /** Hash of what is before `from`; zeros where the hash begins there. */
  readonly base: Uint8Array;
  readonly hash: Uint8Array;
}

/** Undefined where there is no archive, or an older program has made the newest one. */
export function historyChain(archives: readonly ManifestArchive[]): HistoryChain | undefined {
  const newest = archives.at(-1);
  let { historyBase: base } = newest ?? {};
  if (newest?.historyHash === undefined || base === undefined) return undefined;
  let from = newest.firstSequence;
  for (const { historyBase, historyHash, firstSequence, lastSequence } of archives
    .slice(0, -1)
    .reverse()) {
    if (historyBase === undefined || historyHash === undefined) break;
    if (lastSequence + 1 !== from || Buffer.compare(historyHash, base) !== 0) break;
    base = historyBase;
    from = firstSequence;
  }
  return { from, to: newest.lastSequence, base, hash: newest.historyHash };
}
