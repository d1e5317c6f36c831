/**
 * Reads a whole store and judges it. Changes nothing, so that the tools can use it on a damaged or
 * even a running store; recover.ts acts on what is found here.
 */
import { fromHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import {
  decodeSegmentHeader,
  type FrameHeader,
  type FramePlace,
  type SegmentHeader,
  segmentFileName,
} from "../log/format.js";
import { type ChainState, ReadBuffers, type SegmentScan, scanSegment } from "../log/reader.js";
import type { LogRecord } from "../log/record.js";
import { judgeTail, type TailRow } from "../log/tail.js";
import type { Manifest, ManifestSegment } from "../manifest/format.js";
import { assertNotUsedLater } from "./newer-epoch.js";
import { type Outcome, resultOf, settled } from "./outcome.js";
import { ReplayClock } from "./replay-clock.js";
import { corruptLog, damagedLog, openSegment, placed, readOrUndefined } from "./scan-problems.js";
import type { LogScan, LogVisitor, ScannedSegment } from "./scan-result.js";

/**
 * Replays the log that the manifest describes, from where its runs end to its own end. Segments
 * that lie before are not read; they must be there.
 *
 * Throws MISSING_FILE, CORRUPT_LOG, FORMAT_VERSION or IO at the first thing that stands in the way
 * of knowing what was acknowledged.
 */
export async function scanLog(
  disk: Disk,
  directory: string,
  manifest: Manifest,
  visitor: LogVisitor,
): Promise<LogScan> {
  const scanner = new LogScanner(disk, directory, manifest, visitor);
  return scanner.run();
}

/** The verdict where the writer itself has said where the log ends. */
const CLOSED = judgeTail({
  found: "absent",
  sealedBeyond: false,
  provenLater: false,
  laterFrames: false,
  tooFar: false,
});

/** What later segments say. */
interface Beyond {
  readonly first: FrameHeader | undefined;
  /** The first later segment has been written to. */
  readonly begun: boolean;
  readonly frames: boolean;
  readonly durableThrough: number;
}

class LogScanner {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #manifest: Manifest;
  readonly #visitor: LogVisitor;
  readonly #chain: ChainState;
  readonly #segments: ScannedSegment[] = [];
  readonly #buffers = new ReadBuffers();
  #lastTimeMicros: number;
  #transactions = 0;
  #operations = 0;
  #bytesRead = 0;
  #bytesReplayed = 0;
  readonly #replayClock: ReplayClock;

  constructor(disk: Disk, directory: string, manifest: Manifest, visitor: LogVisitor) {
    this.#disk = disk;
    this.#directory = directory;
    this.#manifest = manifest;
    this.#visitor = visitor;
    const { sequence, frameChecksum } = manifest.state.replayFrom;
    this.#chain = { nextSequence: sequence, previousChecksum: frameChecksum };
    this.#replayClock = new ReplayClock(disk.clock);
    // Where all is in runs there may be no record left that could tell.
    this.#lastTimeMicros = manifest.lastMicros;
  }

  /** A sequence known to be durable: whatever is in runs was so before. */
  get #provenThrough(): number {
    return Math.max(this.#manifest.durableThrough, this.#manifest.state.runsThrough);
  }

  async run(): Promise<LogScan> {
    const entries = [...this.#manifest.segments].sort((a, b) => a.id - b.id);
    const { segmentId } = this.#manifest.state.replayFrom;
    for (const entry of entries) {
      if (entry.id < segmentId) await this.#checkPresent(entry);
      else if (entry.state === "sealed") this.#checkSealed(await this.#scan(entry));
    }
    const open = entries.filter((entry) => entry.state !== "sealed");
    for (const [index, entry] of open.entries()) {
      const later = open.slice(index + 1);
      if (this.#manifest.closed) for (const one of later) await this.#checkHeader(one);
      // Begun now, since the device reads two files in less than twice the time of one.
      const peeked = this.#manifest.closed ? undefined : settled(this.#peek(later));
      const scanned = await this.#scan(entry).catch(async (error: unknown) => {
        await peeked;
        throw error;
      });
      const row = await this.#judge(scanned, later, peeked);
      if (row !== undefined) return this.#result(scanned, row);
    }
    return this.#result(undefined, undefined);
  }

  /** Nothing in it is needed for the state, but somebody counts on it. */
  async #checkPresent(entry: ManifestSegment): Promise<void> {
    await this.#withSegment(entry, async () => {});
  }

  /** Nothing is in it, says the manifest, which may be older than the log. */
  async #checkHeader(entry: ManifestSegment): Promise<void> {
    await this.#withSegment(entry, (file, _, path) => this.#readHeader(file, entry, path));
  }

  /** Opens a segment that must be there with the size that the manifest gives. */
  async #withSegment<T>(
    entry: ManifestSegment,
    use: (file: DiskFile, fileBytes: number, path: string) => Promise<T>,
  ): Promise<T> {
    const path = `${this.#directory}/${segmentFileName(entry.id)}`;
    const file = await openSegment(this.#disk, path, this.#chain.nextSequence);
    try {
      const fileBytes = await file.size();
      if (fileBytes < entry.bytes) throw this.#truncated(entry, path, fileBytes);
      return await use(file, fileBytes, path);
    } finally {
      await file.close();
    }
  }

  async #scan(entry: ManifestSegment): Promise<ScannedSegment> {
    const { segmentId, offset } = this.#manifest.state.replayFrom;
    const startOffset = entry.id === segmentId ? offset : entry.alignment;
    return this.#withSegment(entry, async (file, fileBytes, path) => {
      const header = await this.#readHeader(file, entry, path);
      this.#visitor.segment?.(entry, header);
      const scan = await scanSegment({
        file,
        place: this.#place(entry),
        checksum: this.#disk.checksum,
        chain: this.#chain,
        limit: entry.state === "sealed" ? entry.bytes : fileBytes,
        startOffset,
        recycled: entry.recycled,
        closed: this.#manifest.closed,
        buffers: this.#buffers,
        visit: (record) => this.#visit(record, path),
        onPayload: () => this.#replayClock.begin(),
        onFrame: (frame) => {
          this.#replayClock.end();
          this.#visitor.frame?.(frame, entry);
        },
      });
      this.#bytesRead += scan.bytesRead;
      this.#bytesReplayed += scan.endOffset - startOffset;
      if (scan.malformed !== undefined) throw this.#malformed(path, scan);
      if (header === undefined && scan.frames > 0) throw this.#headless(path);
      const lastSequence = this.#chain.nextSequence - 1;
      const scanned = { entry, path, fileBytes, header, scan, lastSequence };
      this.#segments.push(scanned);
      return scanned;
    });
  }

  #visit(record: LogRecord, path: string): void {
    if (record.timeMicros > this.#lastTimeMicros) this.#lastTimeMicros = record.timeMicros;
    if (record.sequence <= this.#manifest.state.runsThrough) return;
    this.#transactions++;
    this.#operations += record.operationCount;
    try {
      this.#visitor.record(record);
    } catch (error) {
      throw placed(error, path, record);
    }
  }

  #place(entry: ManifestSegment): FramePlace {
    return {
      storeId: fromHex(this.#manifest.storeId) as Uint8Array,
      segmentId: entry.id,
      epoch: entry.epoch,
      alignment: entry.alignment,
      frameBytesMax: FRAME_BYTES_MAX,
    };
  }

  /** A spare may have a header that was being rewritten when the last opening was cut short. */
  async #readHeader(
    file: DiskFile,
    entry: ManifestSegment,
    path: string,
  ): Promise<SegmentHeader | undefined> {
    const bytes = await readOrUndefined(file, 0, entry.alignment);
    const result = bytes && decodeSegmentHeader(bytes, this.#disk.checksum);
    if (result?.ok) {
      const { header } = result;
      const same =
        header.segmentId === entry.id &&
        header.epoch === entry.epoch &&
        header.alignment === entry.alignment &&
        this.#place(entry).storeId.every((byte, i) => byte === header.storeId[i]);
      if (same) return header;
      if (entry.state === "spare") {
        const place = this.#place(entry);
        await assertNotUsedLater(this.#disk, file, place, header, this.#manifest);
        return undefined;
      }
      throw this.#corrupt(path, 0, "its header belongs to another place or time");
    }
    if (result?.why === "version") {
      throw new HoldfastError(
        "FORMAT_VERSION",
        `${path} is of log format version ${result.formatVersion}, which this program cannot read`,
        { file: path },
      );
    }
    if (entry.state === "spare") return undefined;
    throw this.#corrupt(path, 0, "its header is damaged");
  }

  #checkSealed(scanned: ScannedSegment): void {
    const { entry, path, scan } = scanned;
    const whole =
      scan.endOffset === entry.bytes && this.#chain.nextSequence === entry.lastSequence + 1;
    if (whole) return;
    throw this.#damaged(
      path,
      scan,
      "the manifest says that the log goes on here",
      entry.lastSequence,
    );
  }

  /** Undefined if the log goes on in the next segment; otherwise it ends here, for good or ill. */
  async #judge(
    scanned: ScannedSegment,
    later: readonly ManifestSegment[],
    peeked: Promise<Outcome<Beyond>> | undefined,
  ): Promise<TailRow | undefined> {
    const { scan, path } = scanned;
    if (this.#manifest.closed && scan.found === "absent") {
      const missing = this.#chain.nextSequence;
      if (missing > this.#provenThrough) {
        for (const entry of later) await this.#checkPresent(entry);
        return CLOSED;
      }
    }
    const beyond = resultOf(await (peeked ?? settled(this.#peek(later))));
    const next = beyond.first;
    if (
      next !== undefined &&
      next.firstSequence === this.#chain.nextSequence &&
      next.previousChecksum === this.#chain.previousChecksum
    ) {
      return undefined;
    }
    // Nothing is amiss here, but something at the beginning of the next one: that is where it ends.
    if (scan.found === "absent" && next === undefined && beyond.begun) return undefined;
    const missing = this.#chain.nextSequence;
    const span = scan.lastLaterOffset === 0 ? 0 : scan.lastLaterOffset - scan.endOffset;
    const row = judgeTail({
      found: scan.found,
      sealedBeyond: this.#provenThrough >= missing || scanned.entry.state === "sealed",
      provenLater: Math.max(scan.laterDurableThrough, beyond.durableThrough) >= missing,
      laterFrames: scan.lastLaterOffset !== 0 || beyond.frames,
      tooFar: span > this.#manifest.framesInFlight * this.#manifest.frameBytesMax,
    });
    if (row.verdict === "corrupt") {
      const last = Math.max(
        missing,
        this.#provenThrough,
        scan.laterDurableThrough,
        beyond.durableThrough,
      );
      throw this.#damaged(path, scan, row.why, last);
    }
    if (row.verdict === "unreadable") {
      throw new HoldfastError(
        "IO",
        `${path} cannot be read at offset ${scan.endOffset}: ${row.why}`,
        { file: path, offset: scan.endOffset, sequence: missing },
        scan.cause,
      );
    }
    return row;
  }

  /** What later segments say: the frame at the beginning of the first one, and all as evidence. */
  async #peek(later: readonly ManifestSegment[]): Promise<Beyond> {
    const seen = await Promise.all(later.map((entry) => settled(this.#peekInto(entry))));
    const all = seen.map(resultOf);
    return {
      first: all[0]?.first,
      begun: all[0]?.begun ?? false,
      frames: all.some(({ frames }) => frames),
      durableThrough: Math.max(0, ...all.map(({ durableThrough }) => durableThrough)),
    };
  }

  async #peekInto(entry: ManifestSegment): Promise<Beyond> {
    let first: FrameHeader | undefined;
    let durableThrough = 0;
    const scan = await this.#withSegment(entry, (file, fileBytes) =>
      // A chain of its own, which takes whatever comes: this is only about what there is.
      scanSegment({
        file,
        place: this.#place(entry),
        checksum: this.#disk.checksum,
        chain: { nextSequence: 0, previousChecksum: 0, anyLink: true },
        limit: fileBytes,
        recycled: entry.recycled,
        buffers: this.#buffers,
        visit: () => {},
        onFrame: (frame) => {
          if (frame.offset === entry.alignment) first = frame;
          durableThrough = Math.max(durableThrough, frame.durableThrough);
        },
      }),
    );
    this.#bytesRead += scan.bytesRead;
    return {
      first,
      begun: scan.found === "broken" || scan.lastLaterOffset !== 0,
      frames: scan.frames > 0 || scan.lastLaterOffset !== 0,
      durableThrough: Math.max(durableThrough, scan.laterDurableThrough),
    };
  }

  #result(tail: ScannedSegment | undefined, row: TailRow | undefined): LogScan {
    this.#checkReachesRuns();
    return {
      segments: this.#segments,
      tail,
      verdict: row?.verdict ?? "end",
      why: row?.why ?? "every segment is sealed",
      lastSequence: this.#chain.nextSequence - 1,
      previousChecksum: this.#chain.previousChecksum,
      lastTimeMicros: this.#lastTimeMicros,
      frames: this.#segments.reduce((sum, one) => sum + one.scan.frames, 0),
      transactions: this.#transactions,
      operations: this.#operations,
      bytesRead: this.#bytesRead,
      bytesReplayed: this.#bytesReplayed,
      micros: this.#replayClock.micros,
    };
  }

  /** The runs were made from the log: one that ends before they do has lost its end. */
  #checkReachesRuns(): void {
    const last = this.#manifest.segments.reduce((max, { id }) => Math.max(max, id), 0);
    if (this.#chain.nextSequence > this.#manifest.state.runsThrough) return;
    const path = `${this.#directory}/${segmentFileName(last)}`;
    throw this.#corrupt(path, 0, "the log ends before the runs that were made from it");
  }

  // ---- errors ----------------------------------------------------------------------------------

  #corrupt(path: string, offset: number, why: string): HoldfastError {
    return corruptLog(path, offset, why, this.#chain.nextSequence);
  }

  #damaged(path: string, scan: SegmentScan, why: string, lastSequence: number): HoldfastError {
    return damagedLog(path, scan, why, this.#chain.nextSequence, lastSequence);
  }

  #malformed(path: string, scan: SegmentScan): HoldfastError {
    const why = `a frame with a good checksum is malformed: ${scan.malformed}`;
    return this.#corrupt(path, scan.endOffset, why);
  }

  #headless(path: string): HoldfastError {
    return this.#corrupt(path, 0, "its header is damaged, and it holds frames");
  }

  #truncated(entry: ManifestSegment, path: string, fileBytes: number): HoldfastError {
    return this.#corrupt(
      path,
      fileBytes,
      `the file has ${fileBytes} bytes where the manifest says ${entry.bytes}`,
    );
  }
}
