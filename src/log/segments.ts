/** Prepares segments ahead of need, off the event loop, so that a full one never stops anyone. */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { CommitQueue, Disk, Timer, WriteMethod } from "../disk/disk.js";
import { encodeSegmentHeader, type SegmentHeader, segmentFileName } from "./format.js";
import type { OpenSegment, SegmentSource } from "./writer.js";

/** How long after a failure the next try comes by itself. */
const RETRY_MILLIS = 1000;

/** Retired segments that wait to be used again; what is more than that gives its room back. */
export const RETIRED_SEGMENTS_MAX = 4;

/** A segment that can be written once the manifest knows it. */
export interface PreparedSegment {
  readonly id: number;
  readonly bytes: number;
  /** It was another segment before, and what was in that may still be in it. */
  readonly recycled: boolean;
}

export interface SegmentSupplyOptions {
  readonly disk: Disk;
  readonly queue: CommitQueue;
  readonly directory: string;
  readonly method: WriteMethod;
  /** What every header of this opening says; the id is added. */
  readonly header: Omit<SegmentHeader, "segmentId" | "createdMicros">;
  /** Id of the next segment to create. */
  readonly nextId: number;
  /** Spares left by the last writer, whose headers still have to be written. */
  readonly spares: readonly PreparedSegment[];
  /** Throws where the directory is not that of this store any more: nothing is touched then. */
  readonly assertOurs: () => Promise<void>;
  /** Puts a prepared segment into the manifest; it may be used once that has resolved. */
  readonly publish: (segment: PreparedSegment) => Promise<void>;
  /** A segment has become ready. */
  readonly onReady: () => void;
  /** Preparing failed, and is tried again from time to time. */
  readonly onFailure: (error: HoldfastError, first: boolean) => void;
  /** Preparing failed in a way that no retry can mend. */
  readonly onFatal: (error: HoldfastError) => void;
}

/**
 * Writes a segment's header and makes it durable. The file must exist with its full size already;
 * frames of an earlier life may still stand in it, and are told apart by segment id and epoch.
 */
export async function writeSegmentHeader(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
): Promise<void> {
  const path = `${directory}/${segmentFileName(header.segmentId)}`;
  const file = await disk.open(path, { write: true });
  try {
    await file.write(0, encodeSegmentHeader(header, disk.checksum));
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Creates a segment file: full size, zeros, header; durable, its directory entry too. */
export async function createSegment(
  disk: Disk,
  directory: string,
  header: SegmentHeader,
): Promise<void> {
  const path = `${directory}/${segmentFileName(header.segmentId)}`;
  const file = await disk.open(path, { write: true, create: true });
  try {
    await file.zeroFill(0, header.segmentBytes);
    await file.write(0, encodeSegmentHeader(header, disk.checksum));
    await file.sync();
  } finally {
    await file.close();
  }
  await disk.syncDirectory(directory);
}

export class SegmentSupply implements SegmentSource {
  readonly #o: SegmentSupplyOptions;
  readonly #spares: PreparedSegment[];
  /** Ids under which retired segments still stand, whole and durable, for the next one to take. */
  readonly #retired: number[] = [];
  #retiring: Promise<void> = Promise.resolve();
  #nextId: number;
  /** The segment of that id may be in the manifest: its file must stay, whatever happens. */
  #offeredId = 0;
  #ready: OpenSegment | undefined;
  #failure: HoldfastError | undefined;
  #working: Promise<void> | undefined;
  #retryTimer: Timer | undefined;
  /** A frame may be waiting for the next segment: the process must not end before it has one. */
  #awaited = false;
  #closed = false;

  constructor(options: SegmentSupplyOptions) {
    this.#o = options;
    this.#spares = [...options.spares];
    this.#nextId = options.nextId;
  }

  get ready(): boolean {
    return this.#ready !== undefined;
  }

  get failure(): HoldfastError | undefined {
    return this.#failure;
  }

  /** Begins to prepare the next segment, unless one is ready or under way. */
  start(): void {
    if (this.#ready !== undefined || this.#working !== undefined || this.#closed) return;
    this.#retryTimer?.cancel();
    this.#retryTimer = undefined;
    this.#working = this.#prepare().then(
      (segment) => this.#succeeded(segment),
      (error: unknown) => this.#failed(error),
    );
  }

  take(): OpenSegment | undefined {
    const segment = this.#ready;
    this.#ready = undefined;
    const awaited = segment === undefined;
    const newly = awaited && !this.#awaited;
    this.#awaited = awaited;
    if (!awaited) this.start();
    else if (newly && this.#retryTimer !== undefined) this.#retryLater();
    return segment;
  }

  retry(): void {
    this.start();
  }

  /**
   * Takes a segment that no manifest names any more, in neither slot: it is used again as the next
   * one, or removed. What becomes of it is of no consequence: a file that is left over is removed
   * by the next opening.
   */
  retire(id: number): void {
    this.#retiring = this.#retiring.then(() => this.#keepOrRemove(id));
  }

  /** Waits for what is under way, then closes what was never used. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#retryTimer?.cancel();
    await this.#retiring;
    await this.#working;
    await this.#ready?.log.close();
    this.#ready = undefined;
    for (const id of this.#retired.splice(0)) await this.#remove(id);
  }

  /** Resolves when what was retired is kept or removed; after `close` too, for what came later. */
  settled(): Promise<void> {
    return this.#retiring;
  }

  async #keepOrRemove(id: number): Promise<void> {
    const room = this.#retired.length < RETIRED_SEGMENTS_MAX;
    if (!room || this.#closed || !(await this.#isWhole(id))) return this.#remove(id);
    this.#retired.push(id);
    if (this.#failure !== undefined) this.start();
  }

  /** One that was cut off or has grown is not like a new one: its room is not all allocated. */
  async #isWhole(id: number): Promise<boolean> {
    const { disk, directory, header } = this.#o;
    try {
      const file = await disk.open(`${directory}/${segmentFileName(id)}`);
      try {
        return (await file.size()) === header.segmentBytes;
      } finally {
        await file.close();
      }
    } catch {
      return false;
    }
  }

  async #remove(id: number): Promise<void> {
    const { disk, directory, assertOurs } = this.#o;
    try {
      await assertOurs();
      await disk.remove(`${directory}/${segmentFileName(id)}`);
    } catch {
      // It is left over, then.
    }
  }

  #succeeded(segment: OpenSegment): void {
    this.#working = undefined;
    this.#failure = undefined;
    this.#ready = segment;
    if (!this.#closed) this.#o.onReady();
  }

  #failed(error: unknown): void {
    this.#working = undefined;
    const failure = describeFailure(error, this.#o.directory);
    const first = this.#failure === undefined;
    this.#failure = failure;
    if (this.#closed) return;
    if (failure.code !== "DISK_FULL" && errnoCode(failure.cause) !== "EMFILE") {
      this.#o.onFatal(failure);
      return;
    }
    this.#o.onFailure(failure, first);
    this.#retryLater();
  }

  #retryLater(): void {
    this.#retryTimer?.cancel();
    const { scheduler } = this.#o.disk;
    this.#retryTimer = scheduler.after(RETRY_MILLIS, () => this.start(), this.#awaited);
  }

  async #prepare(): Promise<OpenSegment> {
    const { disk, directory, header, queue, method } = this.#o;
    const createdMicros = disk.clock.nowMicros();
    const spare = this.#spares[0];
    const id = spare?.id ?? this.#nextId;
    const bytes = spare?.bytes ?? header.segmentBytes;
    const full = { ...header, segmentId: id, segmentBytes: bytes, createdMicros };
    let recycled = spare?.recycled ?? false;
    await this.#o.assertOurs();
    if (spare !== undefined) await writeSegmentHeader(disk, directory, full);
    else recycled = await this.#make(full);
    this.#offeredId = id;
    await this.#o.publish({ id, bytes, recycled });
    const log = await queue.openLog(`${directory}/${segmentFileName(id)}`, method);
    if (spare !== undefined) this.#spares.shift();
    else this.#nextId++;
    return { id, bytes, log };
  }

  /**
   * A new segment, or a retired one under a new name: true for that. What a failure left half made
   * is removed at once: the next try may need its room.
   */
  async #make(header: SegmentHeader): Promise<boolean> {
    const { disk, directory } = this.#o;
    const { segmentId } = header;
    // One that may be in the manifest already is in it as what it was then.
    const retired = segmentId === this.#offeredId ? undefined : this.#retired.shift();
    try {
      if (retired === undefined) await createSegment(disk, directory, header);
      else await recycleSegment(disk, directory, retired, header);
      return retired !== undefined;
    } catch (error) {
      if (segmentId !== this.#offeredId) await this.#remove(segmentId);
      if (retired !== undefined) await this.#remove(retired);
      throw error;
    }
  }
}

/**
 * Makes the next segment of one that nobody needs any more: its room is allocated and written, so
 * that this takes no zeros. The name is durable before the header is, and that before anybody is
 * told.
 */
async function recycleSegment(
  disk: Disk,
  directory: string,
  retiredId: number,
  header: SegmentHeader,
): Promise<void> {
  const from = `${directory}/${segmentFileName(retiredId)}`;
  await disk.rename(from, `${directory}/${segmentFileName(header.segmentId)}`);
  await disk.syncDirectory(directory);
  await writeSegmentHeader(disk, directory, header);
}

function describeFailure(error: unknown, directory: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const code = errnoCode(error);
  const { message } = error as Error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new HoldfastError(
      "DISK_FULL",
      `there is no room for the next log segment (${message}); nothing is lost, and writing goes ` +
        "on when there is room",
      { file: directory },
      error,
    );
  }
  return new HoldfastError(
    "IO",
    `preparing the next log segment failed: ${message}`,
    { file: directory },
    error,
  );
}
