/** What there is to tell of the parts of a store besides its log: runs, snapshots, history. */
import { toHex } from "../base/bytes.js";
import type { Manifest, ManifestRun } from "../manifest/format.js";
import { historyChain } from "../manifest/history-chain.js";
import { expectedReplayMicros } from "../manifest/replay-cost.js";
import type { StoreReport } from "./examine-store.js";
import { formatTime } from "./output.js";
import type { StoreView } from "./read-store.js";
import { snapshotsOf } from "./snapshot-report.js";
import type { Tally } from "./tally.js";

/** A run of the state; the newest first. */
export interface RunReport {
  readonly id: number;
  readonly tier: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly files: number;
  readonly rows: number;
  readonly tombstones: number;
  readonly bytes: number;
}

/** Transactions that can be read one by one though the state does not need them. */
export interface HistoryReport {
  readonly archives: number;
  readonly bytes: number;
  /** The first and the last transaction in archives, and when that was; null for none. */
  readonly firstSequence: number | null;
  readonly lastSequence: number | null;
  readonly lastTime: string | null;
  /**
   * Of the transactions `from` to `to` behind those of `base`, which is zeros where there are none
   * or they are not known: what `verify --from --to --base --head` takes. 64 hex digits each.
   */
  readonly hash: {
    readonly from: number;
    readonly to: number;
    readonly base: string;
    readonly head: string;
  } | null;
}

const NO_HISTORY: HistoryReport = {
  archives: 0,
  bytes: 0,
  firstSequence: null,
  lastSequence: null,
  lastTime: null,
  hash: null,
};

type OfState = Pick<StoreReport, "runs" | "runsThrough" | "snapshots" | "history" | "replay">;

export function stateOf({ manifest }: StoreView, { tail }: Tally): OfState {
  const { load } = tail;
  if (manifest === undefined) {
    const replay = { ...load, millis: 0 };
    return { runs: [], runsThrough: 0, snapshots: [], history: NO_HISTORY, replay };
  }
  const { state, replay } = manifest;
  const micros = expectedReplayMicros(replay, load.operations, load.bytes);
  return {
    runs: state.runs.map((run) => runReport(run, manifest)),
    runsThrough: state.runsThrough,
    snapshots: snapshotsOf(manifest),
    history: historyOf(manifest),
    replay: { ...load, millis: Math.round(micros / 100) / 10 },
  };
}

function runReport(run: ManifestRun, manifest: Manifest): RunReport {
  const ids = new Set(run.files);
  const files = manifest.files.filter(({ id }) => ids.has(id));
  const { id, tier, firstSequence, lastSequence } = run;
  return {
    id,
    tier,
    firstSequence,
    lastSequence,
    files: files.length,
    rows: files.reduce((sum, file) => sum + file.rows, 0),
    tombstones: files.reduce((sum, file) => sum + file.tombstones, 0),
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
  };
}

function historyOf({ archives }: Manifest): HistoryReport {
  const [first] = archives;
  if (first === undefined) return NO_HISTORY;
  const last = archives.reduce((a, b) => (b.lastSequence > a.lastSequence ? b : a), first);
  return {
    archives: archives.length,
    bytes: archives.reduce((sum, { bytes }) => sum + bytes, 0),
    firstSequence: archives.reduce((min, one) => Math.min(min, one.firstSequence), Infinity),
    lastSequence: last.lastSequence,
    lastTime: formatTime(last.lastMicros),
    hash: hashOf(archives),
  };
}

function hashOf(archives: Manifest["archives"]): HistoryReport["hash"] {
  const chain = historyChain(archives);
  if (chain === undefined) return null;
  const { from, to, base, hash } = chain;
  return { from, to, base: toHex(base), head: toHex(hash) };
}
