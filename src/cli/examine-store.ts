/** Everything there is to tell about a store, read from its first frame to its last. */
import { stat } from "node:fs/promises";
import { toHex } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import { parsePackFileName } from "../blobs/format.js";
import { LOG_FORMAT_VERSION } from "../log/format.js";
import { MANIFEST_FORMAT_VERSION, type MethodChoice } from "../manifest/format.js";
import type { SlotState } from "../manifest/manifest.js";
import { isPassingFileName, isStoreFileName, isTornFileName } from "../recovery/files.js";
import { parseRunFileName } from "../run/format.js";
import { parseArchiveFileName } from "../snapshot/archive-format.js";
import { strayFilesOf } from "./check-files.js";
import { countRows } from "./count-rows.js";
import { formatTime } from "./output.js";
import type { StoreView } from "./read-store.js";
import type { SnapshotReport } from "./snapshot-report.js";
import { type HistoryReport, type RunReport, stateOf } from "./state-report.js";
import { findProblems, isHalfCreated } from "./store-problems.js";
import type { ReplayLoad } from "./tail-rows.js";
import { type Problem, type SegmentReport, type TableReport, Tally } from "./tally.js";
import { type Gap, type LogEnd, walkLog } from "./walk-log.js";

export interface FileSize {
  readonly file: string;
  readonly bytes: number;
}

/** What `inspect --json` prints. Times are ISO 8601 with microseconds; null is "not known". */
export interface StoreReport {
  readonly directory: string;
  readonly verdict: "sound" | "damaged";
  readonly problems: readonly Problem[];
  /** What is no damage and should be known. */
  readonly notes: readonly string[];
  readonly environment: string | null;
  readonly storeId: string | null;
  /** What it was forked from, the parent first. */
  readonly lineage: readonly {
    readonly storeId: string;
    /** Both have every transaction up to this one. */
    readonly sequence: number;
    readonly forked: string;
  }[];
  readonly formatVersions: { readonly log: number; readonly manifest: number };
  readonly created: string | null;
  readonly epoch: number | null;
  readonly writer: {
    readonly id: string;
    readonly host: string | null;
    readonly pid: number | null;
    readonly since: string | null;
  } | null;
  readonly lock: {
    readonly holder: {
      readonly writer: string;
      readonly host: string;
      readonly pid: number;
      readonly since: string;
    } | null;
    /** False if the holder runs where it cannot be seen from here. */
    readonly certain: boolean;
  };
  readonly manifest: {
    readonly generation: number | null;
    readonly durableThrough: number | null;
    readonly slots: readonly {
      readonly file: string;
      readonly state: SlotState["state"];
      readonly generation: number | null;
      readonly detail: string | null;
    }[];
  };
  readonly writeMethods: readonly MethodChoice[];
  readonly tables: readonly TableReport[];
  /** False if a part of the state is missing: the rows are those of the rest. */
  readonly rowsComplete: boolean;
  readonly segments: readonly SegmentReport[];
  /** In the log. */
  readonly transactions: number;
  readonly runs: readonly RunReport[];
  /** All transactions up to this one are in runs. */
  readonly runsThrough: number;
  readonly snapshots: readonly SnapshotReport[];
  readonly history: HistoryReport;
  /** What the next opening has to read back, and how long that is expected to take. */
  readonly replay: ReplayLoad & { readonly millis: number };
  readonly end: LogEnd;
  readonly tornFiles: readonly FileSize[];
  /** Files that are no part of a store. */
  readonly otherFiles: readonly string[];
  /** In bytes. "used" is what frames take of the segments. */
  readonly sizes: {
    readonly segments: number;
    readonly used: number;
    /** All runs, those of snapshots too. */
    readonly runs: number;
    readonly archives: number;
    /** Chunks of blobs. */
    readonly packs: number;
    readonly manifests: number;
    readonly torn: number;
    readonly total: number;
  };
}

/** Reads and judges a store. Changes nothing. `onRows` is told how many rows were counted. */
export async function examineStore(
  store: StoreView,
  onRows: (rows: number) => void = () => {},
): Promise<StoreReport> {
  const tally = new Tally(store.manifest);
  const gaps: Gap[] = [];
  let end: LogEnd | undefined;
  for await (const event of walkLog(store)) {
    if (event.kind === "gap") gaps.push(event.gap);
    else if (event.kind === "frame") tally.frame(event.segment, event.frame);
    else if (event.kind === "end") end = event.end;
  }
  const segments = [...store.segments, ...store.strays].map((one) => tally.segment(one));
  const counts = await countRows(store, tally.tail, onRows);
  const files = await sizesOf(store);
  const transactions = segments.reduce((sum, one) => sum + one.transactions, 0);
  const halfCreated = isHalfCreated(store) && transactions === 0;
  const problems = halfCreated ? [] : await findProblems({ store, gaps, tally, files, counts });
  const torn = files.filter(({ file }) => isTornFileName(file));
  return {
    directory: store.directory,
    verdict: problems.length === 0 ? "sound" : "damaged",
    problems,
    notes: notesOf(store, end as LogEnd, halfCreated),
    ...headOf(store),
    writeMethods: store.manifest?.methods ?? [],
    tables: tally.tables(counts.rows),
    rowsComplete: counts.problems.length === 0 && !gaps.some((gap) => isOfState(gap, store)),
    segments,
    transactions,
    ...stateOf(store, tally),
    end: end as LogEnd,
    tornFiles: torn,
    otherFiles: store.names.filter((name) => !isStoreFileName(name) && !isPassingFileName(name)),
    sizes: {
      segments: segments.reduce((sum, one) => sum + (one.bytes ?? 0), 0),
      used: segments.reduce((sum, one) => sum + one.usedBytes, 0),
      runs: bytesOf(files, (name) => parseRunFileName(name) !== undefined),
      archives: bytesOf(files, (name) => parseArchiveFileName(name) !== undefined),
      packs: bytesOf(files, (name) => parsePackFileName(name) !== undefined),
      manifests: bytesOf(files, (name) => name.startsWith("manifest.")),
      torn: bytesOf(files, isTornFileName),
      total: bytesOf(files, () => true),
    },
  };
}

/** Where the manifest is lost nothing says what is in runs. */
function isOfState({ lastSequence }: Gap, { manifest }: StoreView): boolean {
  const through = manifest?.state.runsThrough ?? 0;
  return lastSequence === undefined || lastSequence > through;
}

function bytesOf(files: readonly FileSize[], wanted: (name: string) => boolean): number {
  return files.reduce((sum, { file, bytes }) => sum + (wanted(file) ? bytes : 0), 0);
}

type Head = Pick<
  StoreReport,
  | "environment"
  | "storeId"
  | "lineage"
  | "formatVersions"
  | "created"
  | "epoch"
  | "writer"
  | "lock"
  | "manifest"
>;

/** From the manifest; where that is lost, as much as the newest segment knows. */
function headOf({ manifest, segments, slots, lock }: StoreView): Head {
  const headers = segments.map(({ header }) => header).filter((header) => header !== undefined);
  const first = headers[0];
  const last = headers.reduce((a, b) => (a !== undefined && a.epoch > b.epoch ? a : b), first);
  const created = manifest?.createdMicros ?? first?.createdMicros;
  const writer = manifest && {
    id: manifest.writer.writerId,
    host: manifest.writer.host,
    pid: manifest.writer.pid,
    since: formatTime(manifest.writer.openedMicros),
  };
  const writerOfSegment = last && {
    id: last.writerId,
    host: null,
    pid: null,
    since: formatTime(last.createdMicros),
  };
  const { holder, certain } = lock;
  return {
    environment: manifest?.environment ?? null,
    storeId: manifest?.storeId ?? (first === undefined ? null : toHex(first.storeId)),
    lineage: (manifest?.lineage ?? []).map(({ storeId, sequence, forkedMicros }) => ({
      storeId,
      sequence,
      forked: formatTime(forkedMicros),
    })),
    formatVersions: { log: LOG_FORMAT_VERSION, manifest: MANIFEST_FORMAT_VERSION },
    created: created === undefined ? null : formatTime(created),
    epoch: manifest?.epoch ?? last?.epoch ?? null,
    writer: writer ?? writerOfSegment ?? null,
    lock: {
      holder: holder
        ? { writer: holder.writerId, host: holder.host, pid: holder.pid, since: holder.since }
        : null,
      certain,
    },
    manifest: {
      generation: manifest?.generation ?? null,
      durableThrough: manifest?.durableThrough ?? null,
      slots: slots.slots.map((slot) => ({
        file: slot.file,
        state: slot.state,
        generation: slot.state === "valid" ? slot.manifest.generation : null,
        detail: "detail" in slot ? slot.detail : null,
      })),
    },
  };
}

/** Names in the order of the directory. What went away since it was listed has no size. */
async function sizesOf({ directory, names }: StoreView): Promise<FileSize[]> {
  const sizes: FileSize[] = [];
  for (const file of names) {
    try {
      const found = await stat(`${directory}/${file}`);
      sizes.push({ file, bytes: found.isFile() ? found.size : 0 });
    } catch (error) {
      if (errnoCode(error) !== "ENOENT") throw error;
    }
  }
  return sizes;
}

function notesOf(store: StoreView, end: LogEnd, halfCreated: boolean): string[] {
  const { lock, strays } = store;
  const notes: string[] = [];
  if (halfCreated) {
    notes.push("its creation was cut short before anything was kept in it: opening makes it anew");
  }
  if (end.verdict === "torn") {
    notes.push(
      `the log ends in an unfinished write of ${end.tornBytes} bytes that was never ` +
        "acknowledged: opening sets it aside",
    );
  }
  const names = [...strays.map(({ name }) => name), ...strayFilesOf(store)];
  if (names.length > 0) {
    notes.push(
      `not in the manifest: ${names.join(", ")}; opening removes what was cut short in the ` +
        "making, and what is of no more use",
    );
  }
  if (lock.holder !== undefined && lock.certain) {
    notes.push("the store is in use: what is told here may be older than what is there now");
  }
  return notes;
}
