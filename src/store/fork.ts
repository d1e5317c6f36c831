/**
 * Makes a new store that begins with what another one holds: the immutable files, shared, and the
 * log behind them, copied. Nothing that either of them does afterwards reaches the other: a shared
 * file is never written, and whoever removes it removes a name.
 */
import { resolve } from "node:path";
import { toHex } from "../base/bytes.js";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { FRAME_BYTES_MAX, FRAMES_IN_FLIGHT_DEFAULT, SEGMENT_BYTES_MIN } from "../base/limits.js";
import { packFileName } from "../blobs/format.js";
import type { Disk } from "../disk/disk.js";
import type { SegmentHeader } from "../log/format.js";
import type { LogEnd } from "../log/pipeline.js";
import { createSegment } from "../log/segments.js";
import { archiveFileName } from "../manifest/archive-name.js";
import type {
  Manifest,
  ManifestArchive,
  ManifestFile,
  ManifestPack,
  ManifestSegment,
  ManifestState,
} from "../manifest/format.js";
import { createManifest } from "../manifest/keeper.js";
import { openEntry, writerOf } from "../recovery/opening.js";
import { scanLog } from "../recovery/scan.js";
import { runFileName } from "../run/format.js";
import type { CopiedLog } from "../snapshot/copy-log.js";
import { inOrder, normalizePosition } from "../snapshot/position.js";
import { clearNewStore, makeNewStore } from "./new-store.js";
import type { ForkOptions, Options } from "./options.js";
import { mayHaveChanged, readManifest } from "./read-only.js";
import { findSnapshot } from "./snapshots.js";
import { asStoreError } from "./store-error.js";
import { linking, settle, type Transfer } from "./transfer.js";

/** Whoever writes the parent may replace what is being shared: then it is begun anew. */
const ATTEMPTS = 8;

/** The state that a fork begins with. */
export interface ForkPoint {
  readonly manifest: Manifest;
  readonly state: ManifestState;
  /** The last transaction in it; durable. */
  readonly sequence: number;
  /** The log is not read behind this. */
  readonly end: LogEnd;
}

export interface ForkPlace {
  readonly disk: Disk;
  /** The store that is forked; somebody may be writing it. */
  readonly directory: string;
  /** Where the new one is to be: absent or empty. */
  readonly to: string;
  readonly writerId: string;
  /** Default: that of the parent. */
  readonly environment?: string | undefined;
}

/** What was made. */
export interface ForkInfo {
  readonly directory: string;
  readonly storeId: string;
  /** That of the store it was made of. */
  readonly parentId: string;
  readonly environment: string;
  /** Both have every transaction up to this one. */
  readonly sequence: number;
  /** Run files, archives and packs that both have. */
  readonly files: number;
  /** Of these, those that could not be linked and were copied. */
  readonly copied: number;
  /** Of the shared files. */
  readonly bytes: number;
  /** Of the log, which was copied. */
  readonly logBytes: number;
}

/**
 * Changes nothing in `directory`; needs no lock. `point` is asked for again, and another transfer,
 * where files were replaced meanwhile.
 *
 * Errors: INVALID_ARGUMENT if `to` is not empty, or lies in the parent; what `point` throws;
 * LOCKED, CORRUPT_LOG, MISSING_FILE, DISK_FULL, IO. After any of them there is no store in `to`.
 */
export async function forkStore(
  place: ForkPlace,
  point: () => Promise<ForkPoint>,
  transferOf: (point: ForkPoint) => Transfer = () => linking(place.disk, place.directory, place.to),
): Promise<ForkInfo> {
  const { disk, directory, to } = place;
  if (`${to}/`.startsWith(`${directory}/`)) {
    throw new HoldfastError("INVALID_ARGUMENT", `${to} is within the store that is to be forked`, {
      file: to,
    });
  }
  // Before anything is made for what cannot be.
  await point().catch((error: unknown) => {
    throw asStoreError(error, directory, "forking");
  });
  return makeNewStore(place, async () => {
    let from = await point();
    for (let attempt = 1; ; attempt++) {
      try {
        return await new Fork(place, from, transferOf(from)).make();
      } catch (error) {
        if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
        const now = await point();
        // By the same manifest what it names is what there is; the end of the log may be another.
        const isSame = now.manifest.generation === from.manifest.generation;
        if (isSame && !isHoldfastError(error, "CORRUPT_LOG")) throw error;
        from = now;
        await clearNewStore(disk, to);
      }
    }
  });
}

/** Those that an open store makes, and which read its files. */
export class Forks {
  readonly #parts: ForkParts;
  readonly #running = new Set<Promise<unknown>>();

  constructor(parts: ForkParts) {
    this.#parts = parts;
  }

  fork(directory: string, { at, environment }: ForkOptions): Promise<ForkInfo> {
    const { disk, options, background } = this.#parts;
    const to = options.disk === undefined ? resolve(directory) : directory;
    const { writerId } = options;
    const place = { disk, directory: this.#parts.directory, to, writerId, environment };
    const forking = forkStore(place, async () => background.forkPoint(at));
    const ended: Promise<unknown> = forking
      .catch(() => {})
      .finally(() => this.#running.delete(ended));
    this.#running.add(ended);
    return forking;
  }

  /** Resolves when none is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#running);
  }
}

/** What it needs of an open store. */
interface ForkParts {
  readonly disk: Disk;
  readonly directory: string;
  readonly options: Options;
  readonly background: { forkPoint(at: string | undefined): ForkPoint };
}

/** The newest state of a directory, as its files have it, or that of a named snapshot. */
export async function pointOf(
  disk: Disk,
  directory: string,
  at: string | undefined,
): Promise<ForkPoint> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await readManifest(disk, directory);
    if (at !== undefined) return pointOfSnapshot(manifest, at);
    try {
      const { lastSequence, tail } = await scanLog(disk, directory, manifest, { record() {} });
      const end =
        tail === undefined
          ? { segmentId: lastId(manifest.segments), bytes: Number.MAX_SAFE_INTEGER }
          : { segmentId: tail.entry.id, bytes: tail.scan.endOffset };
      return { manifest, state: manifest.state, sequence: lastSequence, end };
    } catch (error) {
      // A frame that was on its way when its place was read looks lost once a later one is there.
      if (attempt >= ATTEMPTS || !mayHaveChanged(error)) throw error;
    }
  }
}

/** Throws SNAPSHOT_NOT_FOUND. */
export function pointOfSnapshot(manifest: Manifest, name: string): ForkPoint {
  const { state, sequence, segments } = findSnapshot(manifest, name);
  const end = { segmentId: Math.max(0, ...segments), bytes: Number.MAX_SAFE_INTEGER };
  return { manifest, state, sequence, end };
}

function lastId(segments: readonly ManifestSegment[]): number {
  return Math.max(0, ...segments.map(({ id }) => id));
}

class Fork {
  readonly #place: ForkPlace;
  readonly #point: ForkPoint;
  readonly #storeId: Uint8Array;
  readonly #transfer: Transfer;

  constructor(place: ForkPlace, point: ForkPoint, transfer: Transfer) {
    this.#place = place;
    this.#transfer = transfer;
    this.#point = point;
    this.#storeId = place.disk.randomBytes(16);
  }

  async make(): Promise<ForkInfo> {
    const { to, environment = this.#point.manifest.environment } = this.#place;
    const { manifest, sequence } = this.#point;
    const segments = this.#segments();
    const files = this.#files();
    const archives = this.#archives(segments);
    const packs = this.#packs();
    const active = await this.#active();
    const names = [
      ...files.map(({ id }) => runFileName(id)),
      ...archives.map(({ id }) => archiveFileName(id)),
      ...packs.map(({ id }) => packFileName(id)),
    ];
    const [log, copied] = await settle([
      this.#copyLog(segments),
      this.#transfer.share(names),
      createSegment(this.#place.disk, to, active),
    ]);
    await this.#place.disk.syncDirectory(to);
    await this.#publish(log, { files, archives, packs }, active, environment);
    return {
      directory: to,
      storeId: toHex(this.#storeId),
      parentId: manifest.storeId,
      environment,
      sequence,
      files: names.length,
      copied,
      bytes: [...files, ...archives, ...packs].reduce((sum, file) => sum + file.bytes, 0),
      logBytes: log.segments.reduce((sum, segment) => sum + segment.bytes, 0),
    };
  }

  /**
   * Those that replay reads, and where history is kept those before that are not archived yet, if
   * none of them is missing.
   */
  #segments(): readonly ManifestSegment[] {
    const { manifest, state, end } = this.#point;
    const ordered = inOrder(manifest.segments).filter(({ id }) => id <= end.segmentId);
    const from = normalizePosition(state.replayFrom, ordered).segmentId;
    const archived = lastId(manifest.archives as readonly never[]);
    const behind = ordered.filter(({ id }) => archived > 0 && id > archived && id < from);
    const whole = behind.every(({ id }, i) => id === archived + 1 + i);
    const withHistory = whole && (behind.length === 0 || archived + behind.length + 1 === from);
    return ordered.filter(
      ({ id }) => id >= from || (withHistory && behind.some((b) => b.id === id)),
    );
  }

  #files(): readonly ManifestFile[] {
    const { manifest, state } = this.#point;
    const named = new Set(state.runs.flatMap(({ files }) => files));
    return manifest.files.filter(({ id }) => named.has(id)).map((file) => this.#named(file));
  }

  /** What lies before the log that is copied. */
  #archives(segments: readonly ManifestSegment[]): readonly ManifestArchive[] {
    const { manifest, sequence } = this.#point;
    const first = Math.min(...segments.map(({ id }) => id), Number.MAX_SAFE_INTEGER);
    return manifest.archives
      .filter(({ id, lastSequence }) => id < first && lastSequence <= sequence)
      .map((archive) => this.#named(archive));
  }

  /** All of them: which of them the state needs, rows say, and whoever collects looks there. */
  #packs(): readonly ManifestPack[] {
    const { packs = [] } = this.#point.manifest;
    return packs.map(({ dead: _, ...pack }) => this.#named(pack));
  }

  /** A file names the store that made it. */
  #named<T extends { readonly storeId?: string }>(file: T): T {
    return { ...file, storeId: file.storeId ?? this.#point.manifest.storeId };
  }

  #copyLog(segments: readonly ManifestSegment[]): Promise<CopiedLog> {
    const { directory, to } = this.#place;
    const { manifest, state, sequence, end } = this.#point;
    const { storeId } = manifest;
    const replayFrom = normalizePosition(state.replayFrom, segments);
    return this.#transfer.copyLog(
      { directory, storeId, segments, replayFrom, through: sequence, end },
      { directory: to, storeId: this.#storeId },
    );
  }

  /** The header of the segment in which the log will go on. */
  async #active(): Promise<SegmentHeader> {
    const { disk, to, writerId } = this.#place;
    const { segments, epoch, archives } = this.#point.manifest;
    const { directAlignment, physicalBlockBytes } = await disk.describe(to);
    return {
      storeId: this.#storeId,
      segmentId: Math.max(lastId(segments), ...archives.map(({ id }) => id)) + 1,
      epoch,
      alignment: Math.max(512, directAlignment, physicalBlockBytes),
      // Small, since it is filled with zeros while somebody waits; the next ones are as ever.
      segmentBytes: SEGMENT_BYTES_MIN,
      createdMicros: disk.clock.nowMicros(),
      writerId,
    };
  }

  async #publish(
    log: CopiedLog,
    { files, archives, packs }: Required<Pick<Manifest, "files" | "archives" | "packs">>,
    active: SegmentHeader,
    environment: string,
  ): Promise<void> {
    const { disk, to, writerId } = this.#place;
    const { manifest, state, sequence } = this.#point;
    const { segmentId: id, segmentBytes: bytes, alignment, epoch, createdMicros } = active;
    const settings = {
      environment,
      allowEnvironmentChange: false,
      writerId,
      segmentBytes: bytes,
      frameBytesMax: FRAME_BYTES_MAX,
      framesInFlight: FRAMES_IN_FLIGHT_DEFAULT,
      alignment,
    };
    const atEnd = {
      segmentId: id,
      offset: alignment,
      sequence: sequence + 1,
      frameChecksum: log.link,
    };
    const isNow = state === manifest.state;
    await createManifest(disk, to, {
      generation: 1,
      storeId: toHex(this.#storeId),
      environment,
      createdMicros,
      epoch,
      writer: writerOf(disk, settings),
      framesInFlight: FRAMES_IN_FLIGHT_DEFAULT,
      frameBytesMax: FRAME_BYTES_MAX,
      methods: [],
      durableThrough: sequence,
      lastMicros: Math.max(manifest.lastMicros, log.lastMicros),
      closed: true,
      segments: [
        ...log.segments,
        openEntry({ id, bytes, recycled: false }, "active", epoch, alignment),
      ],
      tables: manifest.tables,
      replay: manifest.replay,
      state: { ...state, replayFrom: log.replayFrom ?? atEnd },
      files,
      merge: isNow ? manifest.merge : null,
      snapshots: [],
      archives,
      ...(packs.length > 0 && { packs }),
      lineage: [
        { storeId: manifest.storeId, sequence, forkedMicros: createdMicros },
        ...(manifest.lineage ?? []),
      ],
    });
  }
}
