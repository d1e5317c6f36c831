/** One reading of a whole store by `verify`: archives, log, runs, and what stands around them. */
import type { Manifest } from "../manifest/format.js";
import { archiveFileName } from "../snapshot/archive-format.js";
import { ArchiveChecker, type SegmentEnd } from "./check-archives.js";
import { checkFiles, isHalfCreated } from "./check-files.js";
import { FrameChecker } from "./check-frames.js";
import { examineGap } from "./check-gap.js";
import { checkManifest } from "./check-manifest.js";
import { PackChecker } from "./check-packs.js";
import { ReplayChecker } from "./check-replay.js";
import { RowChecker } from "./check-rows.js";
import { RunChecker, type RunCounts, type WholeFiles } from "./check-runs.js";
import { Coverage } from "./coverage.js";
import { damage, type Finding, note } from "./findings.js";
import { formatBytes } from "./output.js";
import type { SegmentView, StoreView } from "./read-store.js";
import type { FrameBytes } from "./segment-frames.js";
import type { Progress } from "./verify-store.js";
import { type LogEnd, walkLog } from "./walk-log.js";

/** What was found, and what was counted. */
export interface Reading {
  readonly log: FrameChecker;
  readonly archives: FrameChecker;
  /** Undefined where the manifest is lost, and with it what runs there are. */
  readonly runs: RunCounts | undefined;
  /** Chunks of blobs. */
  readonly chunks: number;
  readonly historyFrom: number;
  readonly findings: Finding[];
  readonly end: LogEnd;
  readonly bytes: number;
}

export function readOnce(
  store: StoreView,
  whole: WholeFiles,
  onProgress: (progress: Progress) => void,
): Promise<Reading> {
  return new StoreReading(store, whole, onProgress).read();
}

class StoreReading {
  readonly #store: StoreView;
  readonly #manifest: Manifest | undefined;
  readonly #whole: WholeFiles;
  readonly #onProgress: (progress: Progress) => void;
  readonly #rows: RowChecker;
  readonly #log: FrameChecker;
  readonly #archives: FrameChecker;
  readonly #coverage = new Coverage();
  readonly #replay: ReplayChecker | undefined;
  readonly #withFrames = new Set<number>();
  readonly #ofLog: Finding[] = [];
  /** Of each of these, the sequence that was to come at its place. */
  readonly #nextSequences = new Map<Finding, number>();
  readonly #others: Finding[] = [];
  #archiveEnds: ReadonlyMap<number, SegmentEnd> = new Map();
  #bytes = 0;

  constructor(store: StoreView, whole: WholeFiles, onProgress: (progress: Progress) => void) {
    this.#store = store;
    this.#manifest = store.manifest;
    this.#whole = whole;
    this.#onProgress = onProgress;
    this.#rows = new RowChecker(store.manifest);
    this.#log = new FrameChecker(store, this.#rows);
    this.#archives = new FrameChecker(store, this.#rows);
    this.#replay = store.manifest && new ReplayChecker(store.manifest);
    const file = store.slots.slots[store.slots.newestSlot]?.file as string;
    for (const problem of this.#rows.manifestProblems) {
      this.#others.push(damage("manifest", file, 0, `a schema in it is none: ${problem}`));
    }
  }

  async read(): Promise<Reading> {
    const store = this.#store;
    const manifest = this.#manifest;
    if (manifest !== undefined) await this.#readArchives({ ...store, manifest });
    const end = await this.#readLog();
    const runs = manifest && (await this.#readRuns({ ...store, manifest }));
    const chunks = manifest === undefined ? 0 : await this.#readPacks({ ...store, manifest });
    const { transactions } = this.#log;
    const walked = { findings: this.#ofLog, withFrames: this.#withFrames, transactions };
    const ofFiles = await checkFiles(store, walked);
    const all =
      isHalfCreated(store) && transactions === 0
        ? ofFiles.filter(({ kind }) => kind === "creating")
        : [
            ...(await checkManifest(store)),
            ...this.#others,
            ...this.#withLosses(ofFiles, end.lastSequence),
            ...tailNote(end, store),
          ];
    return {
      log: this.#log,
      archives: this.#archives,
      runs,
      chunks,
      historyFrom: this.#coverage.contiguousFrom,
      findings: all.sort(inOrder),
      end,
      bytes: this.#bytes + bytesAround(store),
    };
  }

  async #readArchives(store: StoreView & { readonly manifest: Manifest }): Promise<void> {
    const checker = new ArchiveChecker(store, this.#archives, this.#coverage);
    const list = [...store.manifest.archives].sort((a, b) => a.id - b.id);
    for (const [index, archive] of list.entries()) {
      this.#show("archive", index + 1, list.length);
      await checker.check(archive);
      this.#bytes += archive.bytes;
    }
    this.#archiveEnds = checker.ends;
    this.#others.push(...checker.findings, ...this.#archives.findings);
  }

  async #readLog(): Promise<LogEnd> {
    const { segments } = this.#store;
    let index = 0;
    let end: LogEnd | undefined;
    for await (const event of walkLog(this.#store)) {
      if (event.kind === "segment") index++;
      else if (event.kind === "gap") {
        this.#log.gap();
        for (const finding of await examineGap(this.#store, event.gap)) {
          this.#ofLog.push(finding);
          this.#nextSequences.set(finding, event.gap.sequence);
        }
      } else if (event.kind === "frame") this.#frame(event.segment, event.frame);
      else end = event.end;
      this.#show("segment", index, segments.length);
    }
    this.#others.push(...this.#log.findings);
    return end as LogEnd;
  }

  #frame(segment: SegmentView, frame: FrameBytes): void {
    const { header } = frame;
    const { firstSequence, recordCount } = header;
    if (!this.#withFrames.has(segment.id)) this.#checkContinues(segment, frame);
    this.#withFrames.add(segment.id);
    this.#coverage.add(firstSequence, firstSequence + recordCount - 1);
    this.#replay?.frame(segment, header);
    this.#log.frame(segment, frame);
    this.#bytes += header.frameBytes;
  }

  /** The segment before may be in an archive: it must go on from there. */
  #checkContinues({ id, path, place }: SegmentView, { header }: FrameBytes): void {
    const before = this.#archiveEnds.get(id - 1);
    const isPresent = this.#store.segments.some((segment) => segment.id === id - 1);
    if (before === undefined || isPresent || header.offset !== place?.alignment) return;
    const fits =
      header.firstSequence === before.nextSequence &&
      header.previousChecksum === before.frameChecksum;
    if (fits) return;
    const message =
      `it does not continue ${archiveFileName(id - 1)}, which ends with transaction ` +
      `${before.nextSequence - 1}`;
    this.#others.push(damage("chain", path, header.offset, message));
  }

  async #readRuns(store: StoreView & { readonly manifest: Manifest }): Promise<RunCounts> {
    const checker = new RunChecker(store, this.#rows, this.#coverage, this.#whole);
    const { files } = store.manifest;
    for (const [index, file] of files.entries()) {
      this.#show("run file", index + 1, files.length);
      await checker.check(file);
      this.#bytes += file.bytes;
    }
    this.#others.push(...checker.findings);
    return checker.counts;
  }

  async #readPacks(store: StoreView & { readonly manifest: Manifest }): Promise<number> {
    const { packs = [] } = store.manifest;
    if (packs.length === 0) return 0;
    const checker = new PackChecker(store);
    try {
      for (const [index, pack] of packs.entries()) {
        this.#show("pack", index + 1, packs.length);
        await checker.check(pack);
        this.#bytes += pack.bytes;
      }
    } finally {
      await checker.close();
    }
    this.#others.push(...checker.findings);
    return checker.chunks;
  }

  /** Findings of the log, each told once, and whose state they concern. */
  #withLosses(ofFiles: readonly Finding[], lastSequence: number): Finding[] {
    const { segments, slots } = this.#store;
    const ids = new Map(segments.map(({ path, id }) => [path, id]));
    const all = [
      ...ofFiles,
      ...this.#ofLog.filter((one) => !ofFiles.some((two) => isSameLoss(one, two))),
    ];
    const replay = this.#replay;
    if (replay === undefined) return all;
    const newest = slots.slots[slots.newestSlot]?.file as string;
    const told = all.map((one) =>
      replay.withLoss(one, ids.get(one.file), this.#nextSequences.get(one)),
    );
    return [...told, ...replay.finish(newest, lastSequence, told)];
  }

  #show(what: Progress["what"], index: number, count: number): void {
    this.#onProgress({ what, index, count, bytes: this.#bytes });
  }
}

/** A file that is missing or cut off says so itself; that the log breaks off in it says no more. */
function isSameLoss(ofLog: Finding, ofFile: Finding): boolean {
  if (ofLog.file !== ofFile.file) return false;
  if (ofFile.kind === "missing-file") return true;
  const isAtEnd = ["truncated", "sealed-end", "frame-missing"].includes(ofLog.kind);
  return ofFile.kind === "truncated" && isAtEnd;
}

/** By file, as they stand in a directory, and by place. */
function inOrder(a: Finding, b: Finding): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.offset - b.offset;
}

function tailNote(end: LogEnd, { lock }: StoreView): Finding[] {
  if (end.verdict !== "torn" || end.file === undefined) return [];
  const how = lock.holder === undefined ? "opening sets it aside" : "or is being written just now";
  const message =
    `the log ends in an unfinished write of ${formatBytes(end.tornBytes)} that was never ` +
    `acknowledged (${end.why}): ${how}`;
  return [note("torn-tail", end.file, end.offset, message)];
}

function bytesAround({ segments, slots }: StoreView): number {
  const headers = segments.reduce((sum, { header }) => sum + (header?.alignment ?? 0), 0);
  return headers + slots.slots.filter(({ state }) => state === "valid").length * 4096;
}
