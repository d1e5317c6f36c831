/**
 * The transactions of a store from any one on, each once and in order: out of archives, of sealed
 * segments, and of the one that is being written. What is let go of while it is read is looked for
 * in what there is now.
 *
 * Only what is durable is given. Beside the writer that is what a later frame, or the manifest,
 * says to be durable: the last transactions before a pause come with the seal that follows them.
 */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { FrameHeader } from "../log/format.js";
import { type LogRecord, walkRecords } from "../log/record.js";
import type {
  Manifest,
  ManifestArchive,
  ManifestSegment,
  ReplayPosition,
} from "../manifest/format.js";
import { IoBudget } from "../snapshot/budget.js";
import { type LoadedFrame, LogCursor } from "../snapshot/log-cursor.js";
import { normalizePosition } from "../snapshot/position.js";
import { readArchive } from "../snapshot/read-archive.js";
import type { LogSource } from "./log-source.js";
import { ATTEMPTS, hasMoved, mayHaveMoved } from "./moving.js";
import { lastOf, oldestOf, type Piece, piecesOf, writerOf } from "./pieces.js";

/** Some transactions that follow one another. */
export interface LogBatch {
  /** Who wrote them. */
  readonly writer: string;
  /** At least one. */
  readonly records: readonly LogRecord[];
}

interface Waiting {
  readonly frame: LoadedFrame;
  readonly segment: ManifestSegment;
  /** Behind the frame. */
  readonly after: ReplayPosition;
  readonly records: LogRecord[];
}

export class LogReader {
  readonly #source: LogSource;
  readonly #signal: AbortSignal;
  /** The next transaction to be given. */
  #next: number;
  /** Where the frame with it stands, once that is known. */
  #position: ReplayPosition | undefined;
  readonly #writers = new Map<string, string>();

  constructor(source: LogSource, from: number, signal: AbortSignal = new AbortController().signal) {
    this.#source = source;
    this.#next = from;
    this.#signal = signal;
  }

  /** The next transaction to be given. */
  get next(): number {
    return this.#next;
  }

  /**
   * What there is up to `through`; begun again later, it goes on where it was. Throws HISTORY_GONE,
   * CORRUPT_LOG, MISSING_FILE, FORMAT_VERSION or IO.
   */
  async *read(through: number): AsyncGenerator<LogBatch, void, undefined> {
    for (let failures = 0; this.#next <= through; ) {
      const durable = this.#source.durable();
      const last = Math.min(through, durable?.sequence ?? through);
      if (this.#next > last) return;
      const manifest = await this.#source.manifest();
      const since = this.#next;
      try {
        yield* this.#pass(manifest, last);
        return;
      } catch (error) {
        if (!mayHaveMoved(error)) throw error;
        failures = this.#next > since ? 1 : failures + 1;
        const now = await this.#source.manifest();
        if (failures >= ATTEMPTS || !hasMoved(manifest, now)) throw error;
        this.#position = undefined;
      }
    }
  }

  /** One reading of the log as a manifest has it. */
  async *#pass(manifest: Manifest, through: number): AsyncGenerator<LogBatch, void, undefined> {
    const pieces = piecesOf(manifest);
    while (this.#next <= through) {
      if (this.#signal.aborted) throw new HoldfastError("CLOSED", "the reading was ended");
      const at = pieces.findIndex((piece) => lastOf(piece) >= this.#next);
      const piece = pieces[at];
      if (piece === undefined) return this.#nothing(manifest, through);
      if (piece.kind === "archive") yield* this.#archive(manifest, piece.archive, through);
      else {
        const before = this.#next;
        yield* this.#segments(manifest, segmentsFrom(pieces, at), through);
        if (this.#next === before || lastOf(piece) === Number.POSITIVE_INFINITY) {
          return this.#nothing(manifest, through);
        }
      }
    }
  }

  /** The log ends here: for those who look at it from beside the writer. */
  async #nothing(manifest: Manifest, through: number): Promise<void> {
    const known = this.#source.durable()?.sequence ?? provenBy(manifest);
    if (this.#next > Math.min(through, known)) return;
    await this.#gone(manifest);
  }

  async #gone(manifest: Manifest): Promise<never> {
    const { disk, directory } = this.#source;
    throw historyGone(this.#next, await oldestOf(disk, directory, manifest));
  }

  // ---- archives --------------------------------------------------------------------------------

  async *#archive(
    manifest: Manifest,
    archive: ManifestArchive,
    through: number,
  ): AsyncGenerator<LogBatch, void, undefined> {
    const { disk, directory } = this.#source;
    if (archive.firstSequence > this.#next) await this.#gone(manifest);
    const records: LogRecord[] = [];
    let writer = "";
    await readArchive({
      disk,
      directory,
      storeId: manifest.storeId,
      archive,
      fromSequence: this.#next,
      throughSequence: through,
      visit: (record) => records.push({ ...record }),
      onSegment: (header) => {
        writer = header.writerId;
      },
    });
    this.#position = undefined;
    // It was checked in full by now, and none is missing.
    this.#next = Math.min(through, archive.lastSequence) + 1;
    yield { writer, records };
  }

  // ---- segments --------------------------------------------------------------------------------

  async *#segments(
    manifest: Manifest,
    segments: readonly ManifestSegment[],
    through: number,
  ): AsyncGenerator<LogBatch, void, undefined> {
    const durable = this.#source.durable();
    const lastId = segments.at(-1)?.id ?? 0;
    const end =
      durable !== undefined && durable.end.segmentId <= lastId
        ? durable.end
        : { segmentId: lastId, bytes: Number.MAX_SAFE_INTEGER };
    const cursor = this.#cursor(manifest, segments, end);
    const waiting: Waiting[] = [];
    let proven = durable?.sequence ?? provenBy(manifest);
    try {
      for (;;) {
        const frame = await this.#peek(cursor, segments, durable !== undefined, proven);
        if (frame === undefined) return;
        const { header } = frame;
        if (header.firstSequence > this.#next && waiting.length === 0) await this.#gone(manifest);
        const segment = segments.find(({ id }) => id === header.segmentId) as ManifestSegment;
        const records = recordsOf(frame, cursor);
        cursor.advance(header);
        waiting.push({ frame, segment, after: cursor.position, records });
        proven = Math.max(proven, header.durableThrough);
        while (waiting.length > 0 && lastIn(waiting[0] as Waiting) <= proven) {
          const batch = await this.#take(waiting.shift() as Waiting, through);
          if (batch !== undefined) yield batch;
          if (this.#next > through) return;
        }
      }
    } finally {
      await cursor.close();
    }
  }

  #cursor(
    manifest: Manifest,
    segments: readonly ManifestSegment[],
    end: { readonly segmentId: number; readonly bytes: number },
  ): LogCursor {
    const { disk, directory } = this.#source;
    const unlimited = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
    const budget = new IoBudget(unlimited, disk.clock, disk.scheduler);
    const known = this.#position && normalizePosition(this.#position, segments);
    const isThere = known !== undefined && segments.some(({ id }) => id === known.segmentId);
    const [first] = segments as [ManifestSegment];
    const from = isThere
      ? known
      : { segmentId: first.id, offset: first.alignment, sequence: this.#next, frameChecksum: 0 };
    const range = { directory, storeId: manifest.storeId, segments, from, end };
    return new LogCursor({ ...range, anyLink: !isThere }, { disk, budget, signal: this.#signal });
  }

  /** Beside the writer the end of the log looks like damage: nothing is where the next frame is. */
  async #peek(
    cursor: LogCursor,
    segments: readonly ManifestSegment[],
    exact: boolean,
    proven: number,
  ): Promise<LoadedFrame | undefined> {
    try {
      return await cursor.peek();
    } catch (error) {
      if (exact || !isHoldfastError(error, "CORRUPT_LOG")) throw error;
      const { segmentId, sequence } = cursor.position;
      const isOpen = segments.some(({ id, state }) => id === segmentId && state !== "sealed");
      if (!isOpen || sequence <= proven) throw error;
      return undefined;
    }
  }

  /** What of a frame is wanted; moves behind it if that is all of it. */
  async #take(waiting: Waiting, through: number): Promise<LogBatch | undefined> {
    const { segment, after, records, frame } = waiting;
    const wanted = records.filter(({ sequence }) => sequence >= this.#next && sequence <= through);
    if (lastIn(waiting) <= through) this.#position = after;
    else if (this.#position === undefined) this.#position = positionOf(frame.header);
    const last = wanted.at(-1);
    if (last === undefined) return undefined;
    const writer = await this.#writer(segment);
    this.#next = last.sequence + 1;
    return { writer, records: wanted };
  }

  async #writer(segment: ManifestSegment): Promise<string> {
    const name = `${segment.id} ${segment.epoch}`;
    let writer = this.#writers.get(name);
    if (writer === undefined) {
      writer = await writerOf(this.#source.disk, this.#source.directory, segment);
      this.#writers.set(name, writer);
    }
    return writer;
  }
}

function positionOf(header: FrameHeader): ReplayPosition {
  const { segmentId, offset, firstSequence: sequence, previousChecksum } = header;
  return { segmentId, offset, sequence, frameChecksum: previousChecksum };
}

function lastIn({ frame }: Waiting): number {
  const { firstSequence, recordCount } = frame.header;
  return firstSequence + recordCount - 1;
}

function recordsOf(frame: LoadedFrame, cursor: LogCursor): LogRecord[] {
  const records: LogRecord[] = [];
  const { bytes, view, position, header } = frame;
  const wrong = walkRecords(bytes, view, position, header, (record) => {
    records.push({ ...record });
  });
  if (wrong !== undefined) throw cursor.corrupt(wrong);
  return records;
}

/** The segments from there on, up to the next archive. */
function segmentsFrom(pieces: readonly Piece[], at: number): ManifestSegment[] {
  const segments: ManifestSegment[] = [];
  for (const piece of pieces.slice(at)) {
    if (piece.kind === "archive") break;
    segments.push(piece.segment);
  }
  return segments;
}

/** What a manifest alone proves to be durable. */
export function provenBy({ segments, archives, durableThrough }: Manifest): number {
  const sealed = segments.filter(({ state }) => state === "sealed");
  const lasts = [...sealed, ...archives].map(({ lastSequence }) => lastSequence);
  return Math.max(durableThrough, ...lasts);
}

/** `oldest`: the first transaction there is; undefined if there is none. */
export function historyGone(sequence: number, oldest: number | undefined): HoldfastError {
  const there = oldest === undefined ? "nothing is kept of it" : `it begins with ${oldest}`;
  return new HoldfastError(
    "HISTORY_GONE",
    `transaction ${sequence} is not in the history that this store keeps: ${there}`,
    { sequence, ...(oldest !== undefined && { oldestSequence: oldest }) },
  );
}
