/**
 * Takes away what no state needs: packs of which nothing is left, and packs of which little is, of
 * which new ones are made. What is needed is what the newest state names, the named snapshots, the
 * open views, and what was put and is no version yet; and what the history goes back to: a chunk
 * that the present does not need stays until no state before that can be asked for.
 */
import { concatBytes } from "../base/bytes.js";
import { type HoldfastError, isHoldfastError } from "../base/errors.js";
import type { FinishedPack } from "../blobs/pack-writer.js";
import { blobVersions } from "../blobs/tables.js";
import { allVersions, hashesOf } from "../blobs/versions.js";
import type { TablesToRead } from "../codec/table-rows.js";
import type { Timer } from "../disk/disk.js";
import type { DeadChunks, ManifestPack, ManifestSnapshot } from "../manifest/format.js";
import type { Job, ResultOf, SweptPack } from "../snapshot/jobs.js";
import type { BlobFiles } from "./blob-files.js";
import { tablesOf } from "./blob-reads.js";
import type { CollectedBlobs } from "./blobs.js";
import type { PastState } from "./past-state.js";
import type { View } from "./view.js";

/** From what was dropped until it is looked for: others may be dropped right behind it. */
const DELAY_MILLIS = 2000;

/** While something waits for the history. */
const AGAIN_MILLIS = 60_000;

/** A pack is made anew if so much of it is of no use. */
const DEAD_PART = 1 / 2;

/** Versions between two pauses. */
const VERSIONS_PER_TURN = 64;

export interface CollectorPlace {
  readonly files: BlobFiles;
  readonly view: () => View;
  /** Those that are open. */
  readonly views: () => Iterable<View>;
  /** The state of a named snapshot. */
  readonly at: (name: string) => Promise<PastState>;
  /** Resolves when it is durable. */
  readonly durable: (sequence: number) => Promise<unknown>;
  /** The first transaction that the history still has; infinite where none is kept. */
  readonly oldest: () => Promise<number>;
  /** On the thread of the background, within its budget. */
  readonly runJob: <J extends Job>(job: J, signal: AbortSignal) => Promise<ResultOf<J>>;
  /** The process must not end before what was asked for: to be let go once. */
  readonly hold: () => () => void;
  readonly warn: (message: string) => void;
}

/** What is needed, and what of each pack is not. */
interface Found {
  readonly live: Uint8Array;
  readonly sequence: number;
  readonly swept: ReadonlyMap<number, SweptPack["dead"]>;
  readonly oldest: number;
}

export class BlobCollector {
  readonly #p: CollectorPlace;
  readonly #stop = new AbortController();
  /** Of snapshots, which do not change. */
  readonly #ofSnapshots = new Map<string, Uint8Array>();
  #timer: Timer | undefined;
  #running: Promise<CollectedBlobs> | undefined;
  /** It was to be, while puts were under way. */
  #isWanted = false;
  #hasFailed = false;

  constructor(place: CollectorPlace) {
    this.#p = place;
  }

  start(): void {
    if (this.#p.files.manifest.packs !== undefined) this.#after(DELAY_MILLIS);
  }

  soon(): void {
    this.#after(DELAY_MILLIS);
  }

  again(): void {
    if (this.#isWanted) this.#after(0);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
    await this.#running?.catch(() => {});
  }

  /** Waits for puts that are under way, and does not share what another one does. */
  async collect(): Promise<CollectedBlobs> {
    const letGo = this.#p.hold();
    try {
      return await this.#collect();
    } finally {
      letGo();
    }
  }

  async #collect(): Promise<CollectedBlobs> {
    for (;;) {
      await this.#running?.catch(() => {});
      const done = await this.#begin();
      if (done !== undefined) return done;
      await new Promise<void>((resolve) => {
        this.#p.files.disk.scheduler.after(10, resolve, true);
      });
      this.#stop.signal.throwIfAborted();
    }
  }

  #after(millis: number): void {
    if (this.#stop.signal.aborted) return;
    this.#timer?.cancel();
    this.#timer = this.#p.files.disk.scheduler.after(millis, () => void this.#byItself(), false);
  }

  async #byItself(): Promise<void> {
    try {
      const done = await this.#begin();
      this.#isWanted = done === undefined;
      this.#hasFailed = false;
      // What a view has needed is looked at once it is released.
      const isHeld = [...this.#p.views()].length > 0;
      if (done !== undefined && (done.bytesWaiting > 0 || isHeld)) this.#after(AGAIN_MILLIS);
    } catch (error) {
      if (this.#stop.signal.aborted || isHoldfastError(error, "CLOSED")) return;
      if (!this.#hasFailed) {
        this.#p.warn(`taking away what no blob needs failed: ${(error as HoldfastError).message}`);
      }
      this.#hasFailed = true;
      this.#after(AGAIN_MILLIS);
    }
  }

  /** Undefined while puts are under way. */
  async #begin(): Promise<CollectedBlobs | undefined> {
    if (this.#running !== undefined) return undefined;
    const open = this.#p.files.gate.close();
    if (open === undefined) return undefined;
    this.#running = this.#work(open).finally(() => {
      open();
      this.#running = undefined;
    });
    return this.#running;
  }

  /** `open` lets puts in again. */
  async #work(open: () => void): Promise<CollectedBlobs> {
    const { files } = this.#p;
    const before = bytesOf(files.manifest.packs);
    const found = await this.#find();
    const gone = await this.#publish(found, []);
    open();
    let made: FinishedPack | undefined;
    const sources = (files.manifest.packs ?? []).filter((pack) => isSparse(pack, found.oldest));
    let more = 0;
    if (sources.length > 0) {
      made = await this.#compact(found, sources);
      if (made !== undefined) more = await this.#replace(sources, made);
      if (more === 0) made = undefined;
    }
    const { packs = [] } = files.manifest;
    return {
      packsRemoved: gone + more,
      packsMade: made === undefined ? 0 : 1,
      bytesFreed: before - bytesOf(packs),
      bytesWaiting: packs.reduce((sum, { dead }) => sum + (dead?.bytes ?? 0), 0),
    };
  }

  async #compact(found: Found, sources: readonly ManifestPack[]) {
    const { files } = this.#p;
    const { directory, manifest } = files;
    const { storeId, packs = [] } = manifest;
    const packId = files.nextPackId();
    const ids = sources.map(({ id }) => id);
    const job = { kind: "compact-packs", directory, storeId, packs, packId, sources: ids } as const;
    const { pack } = await this.#p.runJob({ ...job, live: found.live }, this.#stop.signal);
    return pack;
  }

  /**
   * The new pack in place of its sources, if what of them is needed is what it was when the pack
   * was made: somebody may have put what is in them once more.
   */
  async #replace(sources: readonly ManifestPack[], made: FinishedPack): Promise<number> {
    const { files } = this.#p;
    for (;;) {
      const open = files.gate.close();
      if (open === undefined) {
        await new Promise<void>((resolve) => {
          files.disk.scheduler.after(10, resolve, true);
        });
        if (!this.#stop.signal.aborted) continue;
      }
      try {
        const found = open && (await this.#find());
        const isSame = sources.every(({ id, dead }) => {
          const now = found?.swept.get(id);
          return now !== undefined && now.checksum === dead?.checksum;
        });
        if (found !== undefined && isSame) return await this.#publish(found, sources, made);
        await files.forget(made);
        return 0;
      } finally {
        open?.();
      }
    }
  }

  /** Marks what is of no use; removes packs of which nothing is, and `replaced`. How many. */
  async #publish(
    { swept, sequence, oldest }: Found,
    replaced: readonly ManifestPack[],
    made?: FinishedPack,
  ): Promise<number> {
    const ids = new Set(replaced.map(({ id }) => id));
    const edit = (packs: readonly ManifestPack[]): ManifestPack[] => {
      const kept = packs
        .filter(({ id }) => !ids.has(id))
        .map((pack) => marked(pack, swept.get(pack.id), sequence))
        .filter((pack) => !(pack.dead?.chunks === pack.chunks && mayGo(pack.dead, oldest)));
      return made === undefined ? kept : [...kept, made];
    };
    const { packs: before = [] } = this.#p.files.manifest;
    const after = edit(before);
    const isSame = after.length === before.length && after.every((pack, i) => pack === before[i]);
    if (!isSame) await this.#p.files.change(edit);
    return before.length - after.filter(({ id }) => id !== made?.id).length;
  }

  // ---- what is needed --------------------------------------------------------------------------

  async #find(): Promise<Found> {
    const { files, durable, oldest } = this.#p;
    const lists: Uint8Array[] = [];
    const view = this.#p.view();
    const { sequence } = view;
    try {
      // In one turn: what is held now is, or it is of a version that the view shows.
      for (const { blob } of files.held) lists.push(blob.hashes);
      const others = [...this.#p.views()].filter((other) => other.sequence < sequence);
      for (const one of [...others, view]) lists.push(await this.#hashesIn(tablesOf(one)));
    } finally {
      view.release();
    }
    const { snapshots } = files.manifest;
    for (const snapshot of snapshots) lists.push(await this.#hashesOfSnapshot(snapshot));
    // A crash must not bring back what needs a pack that is gone.
    await durable(sequence);
    const live = concatBytes(lists);
    const { directory, manifest } = files;
    const { storeId, packs = [] } = manifest;
    const job = { kind: "sweep-packs", directory, storeId, packs, live } as const;
    const { packs: swept } = await this.#p.runJob(job, this.#stop.signal);
    const byId = new Map(swept.map(({ id, dead }) => [id, dead]));
    return { live, sequence, swept: byId, oldest: await oldest() };
  }

  async #hashesIn(tables: TablesToRead): Promise<Uint8Array> {
    const lists: Uint8Array[] = [];
    for (const version of allVersions(tables)) {
      lists.push(hashesOf(tables, version));
      if (lists.length % VERSIONS_PER_TURN === 0) await this.#p.files.turn();
    }
    return concatBytes(lists);
  }

  async #hashesOfSnapshot({ name, sequence }: ManifestSnapshot): Promise<Uint8Array> {
    const key = `${sequence} ${name}`;
    const known = this.#ofSnapshots.get(key);
    if (known !== undefined) return known;
    const state = await this.#p.at(name);
    try {
      const has = state.tables.some((table) => table.name === blobVersions.name);
      const hashes = has ? await this.#hashesIn(tablesOf(state)) : new Uint8Array(0);
      this.#ofSnapshots.set(key, hashes);
      return hashes;
    } finally {
      await state.close();
    }
  }
}

function bytesOf(packs: readonly ManifestPack[] = []): number {
  return packs.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** The same object where nothing is new. */
function marked(
  pack: ManifestPack,
  now: SweptPack["dead"] | undefined,
  sequence: number,
): ManifestPack {
  // It could not be read: it is left as it is.
  if (now === undefined) return pack;
  const { dead, ...others } = pack;
  if (now.chunks === 0) return dead === undefined ? pack : others;
  if (dead?.chunks === now.chunks && dead.checksum === now.checksum) return pack;
  return { ...others, dead: { ...now, since: sequence } };
}

/** No state that can be asked for needs it. */
function mayGo({ since }: DeadChunks, oldest: number): boolean {
  return since < oldest;
}

function isSparse({ bytes, chunks, dead }: ManifestPack, oldest: number): boolean {
  if (dead === undefined || dead.chunks === chunks || !mayGo(dead, oldest)) return false;
  return dead.bytes > DEAD_PART * bytes;
}
