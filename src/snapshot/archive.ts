/** From a sealed segment to its archive: the same frames without their padding, compressed. */
import { fromHex } from "../base/bytes.js";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX } from "../base/limits.js";
import type { DiskFile } from "../disk/disk.js";
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES } from "../log/format.js";
import type { HistoryHash } from "../log/history-hash.js";
import { walkRecords } from "../log/record.js";
import type { ManifestArchive } from "../manifest/format.js";
import { encodeBlock } from "../run/block.js";
import { BLOCK_KIND } from "../run/format.js";
import { ARCHIVE_BLOCK_BYTES, archiveFileName, encodeArchiveHeader } from "./archive-format.js";
import {
  checkCancelled,
  describeFailure,
  type JobContext,
  pause,
  removeQuietly,
} from "./context.js";
import type { ArchiveJob, ArchiveResult } from "./jobs.js";
import type { LoadedFrame, LogCursor } from "./log-cursor.js";
import { readArchive } from "./read-archive.js";
import {
  cursorOver,
  type HistoryMark,
  hashSegment,
  historyFrom,
  readSegmentHeader,
} from "./whole-segment.js";

/** Archives the segment. The file is durable and was read back when this resolves. */
export async function archive(job: ArchiveJob, context: JobContext): Promise<ArchiveResult> {
  const { disk } = context;
  const path = `${job.directory}/${archiveFileName(job.segment.id)}`;
  const since = disk.clock.monotonicMicros();
  try {
    const result = await new Archiver(job, context, path).run();
    await disk.syncDirectory(job.directory);
    checkCancelled(context);
    return { ...result, totalMicros: disk.clock.monotonicMicros() - since };
  } catch (error) {
    await removeQuietly(disk, [path]);
    throw describeFailure(error, "an archive");
  }
}

class Archiver {
  readonly #job: ArchiveJob;
  readonly #context: JobContext;
  readonly #path: string;
  readonly #content = Buffer.alloc(FRAME_BYTES_MAX);
  #contentBytes = 0;
  #offset = 0;
  #seed = 0;
  #frames = 0;
  #firstSequence: number | undefined;
  #lastMicros = 0;
  #writer = "";
  #before: HistoryMark | undefined;
  #history: HistoryHash | undefined;
  #historyBase: Uint8Array = new Uint8Array(0);

  constructor(job: ArchiveJob, context: JobContext, path: string) {
    this.#job = job;
    this.#context = context;
    this.#path = path;
  }

  async run(): Promise<Omit<ArchiveResult, "totalMicros">> {
    const { disk } = this.#context;
    const { segment } = this.#job;
    // What an attempt that was cut short has left. Never cut off: a file may have other names.
    await disk.remove(this.#path).catch((error: unknown) => {
      if (errnoCode(error) !== "ENOENT") throw error;
    });
    const file = await disk.open(this.#path, { write: true, create: true, exclusive: true });
    let bytesRead: number;
    try {
      await this.#hashBetween();
      bytesRead = await this.#copy(file);
      await file.sync();
    } finally {
      await file.close();
    }
    const firstSequence = this.#firstSequence ?? segment.lastSequence + 1;
    const historyHash = this.#historyFrom(firstSequence).bytes;
    const made: ManifestArchive = {
      id: segment.id,
      firstSequence,
      lastSequence: segment.lastSequence,
      lastMicros: this.#lastMicros,
      bytes: this.#offset,
      epoch: segment.epoch,
      alignment: segment.alignment,
      historyBase: this.#historyBase,
      historyHash,
    };
    await this.#readBack(made);
    return { archive: made, frames: this.#frames, bytesRead, bytesWritten: this.#offset };
  }

  /**
   * The hash goes through what is kept for snapshots, and becomes an archive when they are gone.
   * Damage there is no reason not to archive this: the hash begins anew.
   */
  async #hashBetween(): Promise<void> {
    const { before, between = [], directory, storeId } = this.#job;
    this.#before = before;
    for (const segment of between) {
      const place = { directory, storeId, segment };
      try {
        this.#before = await hashSegment(place, this.#before, this.#context);
      } catch (error) {
        checkCancelled(this.#context);
        if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
        this.#before = undefined;
      }
    }
  }

  async #copy(file: DiskFile): Promise<number> {
    const { segment } = this.#job;
    await this.#begin(file);
    const cursor = cursorOver(this.#job, this.#context);
    try {
      for (let frame = await cursor.peek(); frame !== undefined; frame = await cursor.peek()) {
        await this.#take(frame, file, cursor);
        cursor.advance(frame.header);
      }
      const empty = this.#frames === 0;
      if (!empty && cursor.position.sequence !== segment.lastSequence + 1) {
        throw cursor.corrupt(`the segment ends before transaction ${segment.lastSequence}`);
      }
    } finally {
      await cursor.close();
    }
    await this.#writeBlock(file);
    return cursor.bytesRead;
  }

  async #begin(file: DiskFile): Promise<void> {
    const { disk } = this.#context;
    const { storeId, segment } = this.#job;
    const place = { storeId: fromHex(storeId) as Uint8Array, segmentId: segment.id };
    const header = encodeArchiveHeader(place, disk.checksum);
    this.#seed = header.seed;
    await this.#write(file, header.bytes);
    const { bytes, header: ofSegment } = await readSegmentHeader(this.#job, this.#context);
    this.#writer = ofSegment.writerId;
    this.#content.set(bytes, 0);
    this.#contentBytes = SEGMENT_HEADER_BYTES;
  }

  async #take(frame: LoadedFrame, file: DiskFile, cursor: LogCursor): Promise<void> {
    const { header, bytes, view, position } = frame;
    // Times never go back: the last one is the latest.
    const history = this.#historyFrom(header.firstSequence);
    const wrong = walkRecords(bytes, view, position, header, (record) => {
      this.#lastMicros = record.timeMicros;
      history.add(record, this.#writer);
    });
    if (wrong !== undefined) throw cursor.corrupt(wrong);
    const length = FRAME_HEADER_BYTES + header.payloadBytes;
    // The cursor's bytes stay as they are until it moves.
    if (this.#contentBytes + length > ARCHIVE_BLOCK_BYTES) await this.#writeBlock(file);
    this.#content.set(bytes.subarray(position, position + length), this.#contentBytes);
    this.#contentBytes += length;
    this.#frames++;
    this.#firstSequence ??= header.firstSequence;
  }

  #historyFrom(sequence: number): HistoryHash {
    if (this.#history === undefined) {
      this.#history = historyFrom(sequence, this.#before);
      this.#historyBase = this.#history.bytes;
    }
    return this.#history;
  }

  async #writeBlock(file: DiskFile): Promise<void> {
    const { disk, budget, signal } = this.#context;
    const raw = this.#content.subarray(0, this.#contentBytes);
    const place = { kind: BLOCK_KIND.archive, fileId: this.#job.segment.id, offset: this.#offset };
    const block = { ...place, seed: this.#seed, raw, compress: true };
    await this.#write(file, encodeBlock(block, disk));
    this.#contentBytes = 0;
    await budget.wait(signal);
    await pause(this.#context);
  }

  async #write(file: DiskFile, bytes: Uint8Array): Promise<void> {
    await file.write(this.#offset, bytes);
    this.#offset += bytes.length;
    this.#context.budget.count(0, bytes.length);
  }

  /** Past the page cache: that every frame can be had from it again. */
  async #readBack(made: ManifestArchive): Promise<void> {
    const { directory, storeId } = this.#job;
    const { disk, budget } = this.#context;
    const check = () => checkCancelled(this.#context);
    const reading = { check, checkHistory: true, visit: () => {} };
    const options = { disk, directory, storeId, archive: made, ...reading };
    const { frames, bytesRead } = await readArchive(options);
    budget.count(bytesRead, 0);
    /* v8 ignore else -- @preserve: no bytes are known that lead behind this: length, sequences,
       offsets and links of what was read have been found to be those of what was written */
    if (frames === this.#frames) return;
    const data = { file: this.#path };
    throw new HoldfastError("IO", "the archive does not read back as it was written", data);
  }
}
