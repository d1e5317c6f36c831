/**
 * From a directory to a store that can be written: lock (taken by the caller) → manifest → log →
 * a new epoch. docs/recovery.md tells the same story for people.
 *
 * Every step can be cut short and begun again: nothing is removed or cut off before the manifest
 * that no longer needs it is durable, and a new epoch is used only once both slots carry it.
 */
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { parseSegmentFileName } from "../log/format.js";
import { MANIFEST_SLOT_NAMES, type Manifest } from "../manifest/format.js";
import { ManifestKeeper } from "../manifest/keeper.js";
import { ManifestMemo, type ManifestSlots, readManifestSlots } from "../manifest/manifest.js";
import { learnReplayCost } from "../manifest/replay-cost.js";
import { createLog } from "./create.js";
import {
  assertNamedFilesArePresent,
  CREATING_NAME,
  findStrays,
  isPassingFileName,
  isStoreFileName,
  LOCK_NAME,
  pruneTornFiles,
  removeFiles,
  setAside,
  syncLog,
  syncManifest,
  tornFileName,
} from "./files.js";
import { beginEpoch, cutOff, type FoundStore } from "./new-epoch.js";
import type { OpenedLog, OpeningSettings } from "./opening.js";
import { type Outcome, resultOf, settled } from "./outcome.js";
import { scanLog } from "./scan.js";
import type { LogScan, LogVisitor } from "./scan-result.js";

/** Who listens while a store is opened. */
export interface OpeningVisitor extends LogVisitor {
  /** The manifest was read. */
  manifest?(manifest: Manifest): void | Promise<void>;
  /** Everything was read and nothing was changed yet: the last moment to refuse. */
  scanned?(): void;
}

/** Creates a store in a directory that is empty but for the lock, or recovers the one there. */
export async function openLog(
  disk: Disk,
  directory: string,
  settings: OpeningSettings,
  visitor: OpeningVisitor,
): Promise<OpenedLog> {
  const start = disk.clock.monotonicMicros();
  const names = (await disk.list(directory)).filter((name) => !isPassingFileName(name));
  const memo = new ManifestMemo();
  await syncManifest(disk, directory, names);
  const slots = await readManifestSlots(disk, directory, memo);
  const complete = slots.slots.every((slot) => slot.state === "valid");
  // A manifest of a later generation has been in use, whatever stands beside it.
  const used = slots.newest !== undefined && slots.newest.generation > 1;
  const halfCreated = names.includes(CREATING_NAME) && !complete && !used;
  if (halfCreated || names.every((name) => name === LOCK_NAME)) {
    visitor.scanned?.();
    return createLog(disk, directory, settings, names);
  }
  assertIsStore(directory, slots, names);
  return new Recovery(disk, directory, settings, memo).run(names, slots, start, visitor);
}

/** Refuses to make a store of somebody else's directory. Takes no lock and writes nothing. */
export function assertNotForeign(directory: string, names: readonly string[]): void {
  const foreign = names.find((name) => !isStoreFileName(name) && !isPassingFileName(name));
  if (foreign === undefined) return;
  if (MANIFEST_SLOT_NAMES.some((slot) => names.includes(slot))) return;
  throw new HoldfastError(
    "NOT_A_STORE",
    `${directory} is not empty and holds no store (it has, for one, "${foreign}")`,
    { file: directory },
  );
}

/** Throws FORMAT_VERSION, IO or CORRUPT_MANIFEST unless there is a manifest to go by. */
export function assertIsStore(
  directory: string,
  slots: ManifestSlots,
  names: readonly string[],
): void {
  for (const slot of slots.slots) {
    if (slot.state !== "version") continue;
    throw new HoldfastError(
      "FORMAT_VERSION",
      `${slot.file}: ${slot.detail}, which this program cannot read`,
      { file: slot.file },
    );
  }
  for (const slot of slots.slots) {
    if (slot.state !== "damaged" || slot.error === undefined) continue;
    // What the medium does not give is damaged, and the other slot may do. Any other refusal
    // (permissions, descriptors) tells nothing of the slot, which may well be the newer one.
    if (slots.newest !== undefined && errnoCode(slot.error) === "EIO") continue;
    const data = { file: slot.file };
    throw new HoldfastError("IO", `${slot.file}: ${slot.detail}`, data, slot.error);
  }
  if (slots.newest !== undefined) return;
  const [a, b] = slots.slots;
  const detail = (slot: typeof a) => ("detail" in slot ? slot.detail : slot.state);
  throw new HoldfastError(
    "CORRUPT_MANIFEST",
    `neither manifest of ${directory} can be used (0: ${detail(a)}; 1: ${detail(b)}), and there ` +
      `are ${names.length} files. Nothing was changed`,
    { file: a.file },
  );
}

class Recovery {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #settings: OpeningSettings;
  readonly #memo: ManifestMemo;

  constructor(disk: Disk, directory: string, settings: OpeningSettings, memo: ManifestMemo) {
    this.#memo = memo;
    this.#disk = disk;
    this.#directory = directory;
    this.#settings = settings;
  }

  /** `slots` were read after they were made durable. */
  async run(
    names: readonly string[],
    slots: ManifestSlots,
    start: number,
    visitor: OpeningVisitor,
  ): Promise<OpenedLog> {
    const disk = this.#disk;
    const manifest = slots.newest as Manifest;
    this.#checkEnvironment(manifest);
    assertNamedFilesArePresent(this.#directory, names, manifest);
    const began = disk.clock.monotonicMicros();
    const { scan, removedFiles } = await this.#read(names, manifest, visitor);
    const replayed = disk.clock.monotonicMicros();
    visitor.scanned?.();
    // Nothing can be refused any more: from here on files are changed.
    const torn = await this.#setAside(scan, manifest);
    const isSegment = (name: string): boolean => parseSegmentFileName(name) !== undefined;
    // The next segment may get the name of one of them.
    await removeFiles(disk, this.#directory, removedFiles.filter(isSegment));
    const { operations, bytesRead } = scan;
    const measured = { operations, bytes: scan.bytesReplayed, micros: scan.micros };
    const replay = learnReplayCost(manifest.replay, measured);
    const { newestSlot } = slots;
    const keeper = new ManifestKeeper(disk, this.#directory, manifest, newestSlot, this.#memo);
    const others = removedFiles.filter((name) => !isSegment(name));
    const removing = settled(removeFiles(disk, this.#directory, others));
    const opened = await this.#begin({ scan, keeper, replay }, names, removing);
    const end = disk.clock.monotonicMicros();
    return {
      ...opened,
      report: {
        created: false,
        epoch: opened.epoch,
        segments: manifest.segments.length,
        frames: scan.frames,
        runs: manifest.state.runs.length,
        runFiles: manifest.files.length,
        transactionsReplayed: scan.transactions,
        operationsReplayed: operations,
        bytesRead,
        bytesReplayed: scan.bytesReplayed,
        lastSequence: scan.lastSequence,
        tail: scan.verdict === "torn" ? "torn" : "end",
        why: scan.why,
        tornBytes: torn.bytes,
        tornFiles: torn.files,
        repairedSlots: slots.slots.filter((s) => s.state !== "valid").map((s) => s.file),
        removedFiles,
        syncMicros: began - start,
        replayMicros: replayed - began,
        publishMicros: end - replayed,
        micros: end - start,
      },
    };
  }

  /**
   * Side by side, since all of it is waiting: the log is read, what is read is made durable, and
   * runs are mapped. Nothing is believed before all of it has gone well.
   */
  async #read(
    names: readonly string[],
    manifest: Manifest,
    visitor: OpeningVisitor,
  ): Promise<{ scan: LogScan; removedFiles: readonly string[] }> {
    const [disk, directory] = [this.#disk, this.#directory];
    // The first, for it tells the visitor of the tables that the log speaks of.
    const told = settled((async () => visitor.manifest?.(manifest))());
    const synced = settled(syncLog(disk, directory, names, manifest));
    const strays = settled(findStrays(disk, directory, names, manifest));
    const scanned = settled(scanLog(disk, directory, manifest, visitor));
    // All of it has ended before any of it is refused: no file stays open.
    const [mapped, durable, unknown, scan] = await Promise.all([told, synced, strays, scanned]);
    resultOf(mapped);
    resultOf(durable);
    return { removedFiles: resultOf(unknown), scan: resultOf(scan) };
  }

  /** After a failure nothing stays open. */
  async #begin(
    found: FoundStore,
    names: readonly string[],
    removing: Promise<Outcome<void>>,
  ): Promise<Omit<OpenedLog, "report">> {
    const disk = this.#disk;
    const { scan, keeper } = found;
    try {
      const opened = await beginEpoch(disk, this.#directory, this.#settings, found);
      if (scan.verdict === "torn") await cutOff(disk, this.#directory, keeper.current, scan);
      if (names.includes(CREATING_NAME)) {
        await disk.remove(`${this.#directory}/${CREATING_NAME}`);
        await disk.syncDirectory(this.#directory);
      }
      resultOf(await removing);
      return opened;
    } catch (error) {
      await removing;
      await keeper.close();
      throw error;
    }
  }

  #checkEnvironment(manifest: Manifest): void {
    const { environment, allowEnvironmentChange } = this.#settings;
    if (manifest.environment === environment || allowEnvironmentChange) return;
    throw new HoldfastError(
      "WRONG_ENVIRONMENT",
      `${this.#directory} belongs to environment "${manifest.environment}", and this is ` +
        `"${environment}"; open it with allowEnvironmentChange to make it this one's`,
      { file: this.#directory },
    );
  }

  /** What is behind the last good frame may be of use to somebody: keep it, then cut it off. */
  async #setAside(
    scan: LogScan,
    manifest: Manifest,
  ): Promise<{ bytes: number; files: readonly string[] }> {
    const files: string[] = [];
    let bytes = 0;
    if (scan.verdict !== "torn") return { bytes, files };
    const { tail } = scan;
    if (tail === undefined || tail.scan.dirtyEnd <= tail.scan.endOffset) return { bytes, files };
    const name = tornFileName(tail.entry.id, manifest.epoch);
    const range = { from: tail.scan.endOffset, to: tail.scan.dirtyEnd };
    await setAside(this.#disk, this.#directory, tail.path, range, name);
    bytes += range.to - range.from;
    files.push(name);
    await pruneTornFiles(this.#disk, this.#directory);
    return { bytes, files };
  }
}
