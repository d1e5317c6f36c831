/** Everything that must hold within good frames: the second opinion, records, times, operations. */
import { isZero } from "../base/bytes.js";
import { portableChecksum } from "../disk/checksum.js";
import { annotationOf } from "../log/annotation.js";
import { FRAME_AT, FRAME_HEADER_BYTES, RECORD_AT } from "../log/format.js";
import { type LogRecord, walkOperations, walkRecords } from "../log/record.js";
import type { RowChecker } from "./check-rows.js";
import { damage, type Finding, note, sequencesOf } from "./findings.js";
import { formatTime } from "./output.js";
import type { SegmentView, StoreView } from "./read-store.js";
import type { FrameBytes } from "./segment-frames.js";

const { crc32c } = portableChecksum;

export class FrameChecker {
  readonly findings: Finding[] = [];
  frames = 0;
  transactions = 0;
  operations = 0;
  bytes = 0;
  /** A part of the log could not be read: a table may have been declared in it. */
  #hasGap = false;
  readonly #rows: RowChecker;
  readonly #hasManifest: boolean;
  #lastTimeMicros = 0;
  #durableThrough = 0;
  #undeclared = 0;

  constructor(store: StoreView, rows: RowChecker) {
    this.#rows = rows;
    this.#hasManifest = store.manifest !== undefined;
  }

  gap(): void {
    this.#hasGap = true;
  }

  frame(segment: SegmentView, frame: FrameBytes): void {
    const { header, bytes, view, position } = frame;
    this.frames++;
    this.bytes += header.frameBytes;
    this.#secondOpinion(segment, frame);
    this.#checkDurable(segment, frame);
    walkRecords(bytes, view, position, header, (record) =>
      this.record(segment.path, record, header.offset - position),
    );
    const used = position + FRAME_HEADER_BYTES + header.payloadBytes;
    const end = Math.min(position + header.frameBytes, bytes.length);
    if (isZero(bytes, used, end)) return;
    const at = header.offset + FRAME_HEADER_BYTES + header.payloadBytes;
    this.findings.push(
      note("padding", segment.path, at, "the padding of a frame is not zero: it carries nothing"),
    );
  }

  /** The frame has passed the checksum of the disk; both must say so. */
  #secondOpinion(segment: SegmentView, { header, bytes, position }: FrameBytes): void {
    const payload = position + FRAME_HEADER_BYTES;
    const ofPayload = crc32c(bytes, payload, payload + header.payloadBytes);
    const ofHeader = crc32c(bytes, position + FRAME_AT.payloadChecksum, payload);
    if (ofHeader === header.checksum && ofPayload === header.payloadChecksum) return;
    this.findings.push(
      damage(
        "checksum-disagreement",
        segment.path,
        header.offset,
        "the native CRC32C takes this frame for good and the portable one does not",
        sequencesOf(header.firstSequence, header.firstSequence + header.recordCount - 1),
      ),
    );
  }

  /** What was known to be durable once stays so. */
  #checkDurable(segment: SegmentView, { header }: FrameBytes): void {
    const { firstSequence, recordCount, durableThrough, offset } = header;
    if (durableThrough < this.#durableThrough) {
      const message =
        `it knows of transaction ${durableThrough} as the last durable one, and a frame before ` +
        `it of ${this.#durableThrough}`;
      const sequences = sequencesOf(firstSequence, firstSequence + recordCount - 1);
      this.findings.push(damage("frame-content", segment.path, offset, message, sequences));
    }
    this.#durableThrough = Math.max(this.#durableThrough, durableThrough);
  }

  /** `shift`: from positions in memory to offsets in the file. */
  record(path: string, record: LogRecord, shift: number): void {
    const { sequence, timeMicros, start, view, bytes } = record;
    this.transactions++;
    const report = (kind: Finding["kind"], at: number, message: string) =>
      this.findings.push(
        damage(kind, path, at + shift, message, { first: sequence, last: sequence }),
      );
    const stored = view.getUint32(start + RECORD_AT.checksum, true);
    const isGood = stored === crc32c(bytes, start + RECORD_AT.recordBytes, record.operationsEnd);
    if (!isGood) {
      const message = `transaction ${sequence} fails its own checksum, its frame does not`;
      report("record-checksum", start, message);
    }
    if (timeMicros < this.#lastTimeMicros) {
      const before = formatTime(this.#lastTimeMicros);
      const message = `time goes back: ${formatTime(timeMicros)} after ${before}`;
      report("record-time", start + RECORD_AT.timeMicros, message);
    } else this.#lastTimeMicros = timeMicros;
    // What a bad record says is of no interest beyond that.
    if (isGood) this.#operations(record, report);
  }

  #operations(
    record: LogRecord,
    report: (kind: Finding["kind"], at: number, message: string) => void,
  ): void {
    const { sequence } = record;
    let at = record.operationsStart;
    const malformed = walkOperations(record, (operation) => {
      this.operations++;
      const problem = this.#rows.check(record, operation);
      if (problem !== undefined && !this.#mayBeLost(problem)) {
        report("operation", at, `transaction ${sequence}: ${problem}`);
      }
      at = operation.rowEnd;
    });
    if (malformed !== undefined) {
      report("operation", at, `transaction ${sequence}: ${malformed}`);
      return;
    }
    try {
      annotationOf(record);
    } catch (error) {
      report("operation", record.operationsStart, (error as Error).message);
    }
  }

  /** Where the manifests and a part of the log are gone, so may be the word of a table. */
  #mayBeLost(problem: string): boolean {
    if (this.#hasManifest || !this.#hasGap || !problem.endsWith("was never declared")) return false;
    this.#undeclared++;
    return true;
  }

  /** Operations whose schema was lost with other damage, and which nobody can check. */
  get undeclared(): number {
    return this.#undeclared;
  }
}
