/** Archives: every block, frame, record and row, and that they continue one another. */
import { errnoCode, isHoldfastError } from "../base/errors.js";
import type { FrameHeader } from "../log/format.js";
import type { Manifest, ManifestArchive } from "../manifest/format.js";
import { archiveFileName } from "../snapshot/archive-format.js";
import { readArchive } from "../snapshot/read-archive.js";
import type { FrameChecker } from "./check-frames.js";
import type { Coverage } from "./coverage.js";
import { damage, type Finding, sequencesOf } from "./findings.js";
import type { StoreView } from "./read-store.js";

/** Where a segment ended: the one after it has to go on from there. */
export interface SegmentEnd {
  readonly nextSequence: number;
  /** Unknown where there is no frame since the oldest archive. */
  readonly frameChecksum: number | undefined;
}

export class ArchiveChecker {
  readonly findings: Finding[] = [];
  /** By the id of the segment; only of archives that are whole. */
  readonly ends = new Map<number, SegmentEnd>();
  readonly #store: StoreView & { readonly manifest: Manifest };
  readonly #frames: FrameChecker;
  readonly #coverage: Coverage;

  /** `frames` checks what is in them, and counts it. */
  constructor(
    store: StoreView & { readonly manifest: Manifest },
    frames: FrameChecker,
    coverage: Coverage,
  ) {
    this.#store = store;
    this.#frames = frames;
    this.#coverage = coverage;
  }

  /** `endIsUnknown`: no manifest says which transaction is its last one. */
  async check(archive: ManifestArchive, endIsUnknown = false): Promise<void> {
    const { disk, directory, manifest } = this.#store;
    const file = `${directory}/${archiveFileName(archive.id)}`;
    const before = this.ends.get(archive.id - 1);
    let last: FrameHeader | undefined;
    try {
      const { frameChecksum, records } = await readArchive({
        disk,
        directory,
        storeId: manifest.storeId,
        archive,
        previousChecksum: before?.frameChecksum,
        checkHistory: true,
        endIsUnknown,
        visit: (record) => this.#frames.record(file, record, 0),
        onFrame: (header) => {
          last = header;
        },
      });
      const nextSequence = archive.firstSequence + records;
      this.ends.set(archive.id, { nextSequence, frameChecksum });
      this.#coverage.add(archive.firstSequence, nextSequence - 1);
    } catch (error) {
      this.#report(archive, file, error, last);
      return;
    }
    this.#checkStart(archive, file, before);
  }

  #checkStart(archive: ManifestArchive, file: string, before: SegmentEnd | undefined): void {
    if (before === undefined || before.nextSequence === archive.firstSequence) return;
    const message =
      `it begins with transaction ${archive.firstSequence} where ${before.nextSequence} ` +
      "must be";
    const sequences = sequencesOf(before.nextSequence, archive.firstSequence - 1);
    this.findings.push(damage("archive", file, 0, message, sequences));
  }

  /** What was read before the damage is good: the rest is lost. */
  #report(
    archive: ManifestArchive,
    file: string,
    error: unknown,
    last: FrameHeader | undefined,
  ): void {
    if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
    const { code, data, message } = isHoldfastError(error)
      ? error
      : { code: "IO", data: {}, message: (error as Error).message };
    const first =
      last === undefined ? archive.firstSequence : last.firstSequence + last.recordCount;
    this.#coverage.add(archive.firstSequence, first - 1);
    const kind =
      code === "MISSING_FILE" ? "missing-file" : code === "IO" ? "unreadable" : "archive";
    const what = message.slice(message.startsWith(file) ? file.length : 0).trim();
    const sequences = sequencesOf(first, archive.lastSequence);
    const found = damage(kind, file, data.offset ?? 0, textOf(kind, what), sequences);
    const loss = { from: null, to: null, state: false, snapshots: [], canBeRebuilt: null };
    this.findings.push({ ...found, loss });
  }
}

function textOf(kind: string, what: string): string {
  if (kind !== "missing-file")
    return `an archive ${what.replace(/^is damaged at \d+: /, "is damaged: ")}`;
  return "the file is missing, and the manifest says that history is in it";
}
