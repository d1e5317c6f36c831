/**
 * Keeps the manifest in step with a running store, and the directory in step with the manifest:
 * what a published change no longer needs is removed, or used again, once both slots are without
 * it.
 */
import { assert } from "../base/assert.js";
import type { PreparedSegment } from "../log/segments.js";
import { archiveFileName } from "../manifest/archive-name.js";
import type { Manifest, ManifestSegment, ManifestTable } from "../manifest/format.js";
import type { ManifestKeeper } from "../manifest/manifest.js";
import { openEntry } from "../recovery/opening.js";
import { runFileName } from "../run/format.js";
import { unneededSegments } from "../snapshot/position.js";
import { withNamedFiles, withoutSegments } from "../snapshot/publication.js";

export interface StoreLedgerOptions {
  readonly keeper: ManifestKeeper;
  /** Of what is added from now on. */
  readonly alignment: number;
  readonly epoch: number;
  /** The tables of the store as they are now. */
  readonly tables: () => readonly ManifestTable[];
  /** The last transaction that is known to be durable. */
  readonly durableSequence: () => number;
  /** Time of the last transaction. */
  readonly lastMicros: () => number;
  /** A segment that nothing needs but its history: true while it is not archived yet. */
  readonly keepForHistory: (segment: ManifestSegment) => boolean;
  /** Takes the file of a segment that no manifest names any more. */
  readonly retire: (segmentId: number) => void;
  /** Removes a file of that name. A failure is of no consequence: the next opening removes it. */
  readonly remove: (name: string) => Promise<void>;
}

/**
 * One change of the manifest after another. After one that failed nobody knows which manifest is in
 * force: it counts as not made, and nothing is removed until a later one has gone through.
 */
export class StoreLedger {
  readonly #o: StoreLedgerOptions;
  /** What both slots say. */
  #published: Manifest;
  /** As `#published` has them, and what has become of them since. */
  #segments: readonly ManifestSegment[];
  #now: Manifest;
  #nowIsOf: Manifest;
  /** Names of files that some manifest may still name; looked at after the next success. */
  readonly #doubtful = new Set<string>();
  /** Names of files that only changes named that failed: they never become part of the store. */
  readonly #refused = new Set<string>();
  /** Names of files that no manifest names; removed once nobody reads them. */
  readonly #dead = new Set<string>();
  readonly #pins = new Map<string, number>();
  #cleaning: Promise<void> = Promise.resolve();

  constructor(options: StoreLedgerOptions) {
    this.#o = options;
    this.#published = options.keeper.current;
    this.#segments = this.#published.segments;
    this.#now = this.#published;
    this.#nowIsOf = this.#published;
  }

  /** What is published: the last manifest that both slots have. */
  get current(): Manifest {
    return this.#published;
  }

  /** The same, with segments and tables as they have become since. */
  get now(): Manifest {
    const tables = this.#o.tables();
    const { segments } = this.#now;
    const same = segments === this.#segments && this.#now.tables === tables;
    if (!same || this.#nowIsOf !== this.#published) {
      this.#now = { ...this.#published, segments: this.#segments, tables };
      this.#nowIsOf = this.#published;
    }
    return this.#now;
  }

  /**
   * Publishes a change of the state, files, merge, snapshots, archives or replay; segments may be
   * left out that nothing needs. `edit` is given the manifest as it would be published now.
   *
   * If publishing fails the change counts as not made. It must not be tried again with the same
   * files of runs: they are removed once a later change has gone through. Archives must be the
   * same.
   */
  change(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    return this.#publish(edit);
  }

  /** Resolves when the manifest knows the segment: only then may it be written. */
  async addSpare(spare: PreparedSegment): Promise<void> {
    const entry = openEntry(spare, "spare", this.#o.epoch, this.#o.alignment);
    const added = (segments: readonly ManifestSegment[]) => [
      ...segments.filter((segment) => segment.id !== spare.id),
      entry,
    ];
    // With this change and none before it: had another one brought it in, and this one failed, the
    // next would take the segment out again, for others to use.
    await this.#publish((manifest) => ({ ...manifest, segments: added(manifest.segments) }));
    this.#segments = added(this.#segments);
  }

  /**
   * A segment is full, and the next one in use. Recovery sees that by itself, so the manifest can
   * learn it with the next change: a spare is being prepared right now.
   */
  rotated(id: number, lastSequence: number, bytes: number): void {
    const next = Math.min(
      ...this.#segments.filter((s) => s.state === "spare").map((segment) => segment.id),
    );
    this.#segments = this.#segments.map((segment) => {
      if (segment.id === id) return { ...segment, state: "sealed", lastSequence, bytes };
      if (segment.id === next) return { ...segment, state: "active" };
      return segment;
    });
  }

  /** Somebody reads that run file: whatever becomes of it, it is not removed until it is let go. */
  pinFile(fileId: number): void {
    const name = runFileName(fileId);
    this.#pins.set(name, (this.#pins.get(name) ?? 0) + 1);
  }

  unpinFile(fileId: number): void {
    const name = runFileName(fileId);
    const count = (this.#pins.get(name) ?? 0) - 1;
    if (count > 0) {
      this.#pins.set(name, count);
      return;
    }
    this.#pins.delete(name);
    this.#clean();
  }

  /** The last word of a clean close: everything up to here is proven to have been durable. */
  async close(): Promise<void> {
    await this.#publish((manifest) => ({ ...manifest, closed: true }));
    await this.settled();
  }

  /** Resolves when whatever can be removed by now has been. */
  settled(): Promise<void> {
    return this.#cleaning;
  }

  // ---- publishing ------------------------------------------------------------------------------

  async #publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    let attempted: Manifest | undefined;
    let manifest: Manifest;
    try {
      manifest = await this.#o.keeper.publish(() => {
        attempted = this.#prepare(edit);
        return attempted;
      });
    } catch (error) {
      if (attempted !== undefined) this.#doubt(attempted);
      throw error;
    }
    this.#succeeded(manifest);
    return manifest;
  }

  /**
   * On top of what is published, and not of what was tried and failed: who tried that was told that
   * it was not done.
   */
  #prepare(edit: (manifest: Manifest) => Manifest): Manifest {
    const before = this.#published;
    const { runsThrough } = before.state;
    const now: Manifest = {
      ...before,
      durableThrough: Math.max(before.durableThrough, runsThrough, this.#o.durableSequence()),
      lastMicros: Math.max(before.lastMicros, this.#o.lastMicros()),
      segments: this.#segments,
      tables: this.#o.tables(),
    };
    const edited = edit(now);
    const through = Math.max(now.durableThrough, edited.state.runsThrough);
    const gone = unneededSegments(edited).filter((segment) => !this.#o.keepForHistory(segment));
    const fewer = gone.length === 0 ? edited : withoutSegments(edited, gone);
    const next = withNamedFiles({ ...fewer, durableThrough: through });
    const names = namesOf(next);
    const refused = [...this.#refused].find((name) => names.has(name));
    assert(refused === undefined, `${refused} belongs to a change that failed`);
    return next;
  }

  /**
   * What it names and the published one does not may be named by a slot. Archives are not given up:
   * their names are those of their segments, and so the same file is offered again.
   */
  #doubt(attempted: Manifest): void {
    const published = namesOf(this.#published);
    for (const { id } of attempted.files) {
      const name = runFileName(id);
      if (published.has(name)) continue;
      this.#doubtful.add(name);
      this.#refused.add(name);
    }
  }

  #succeeded(manifest: Manifest): void {
    const before = this.#published;
    this.#published = manifest;
    const listed = new Set(manifest.segments.map((segment) => segment.id));
    for (const { id } of before.segments) {
      if (listed.has(id)) continue;
      this.#segments = this.#segments.filter((segment) => segment.id !== id);
      this.#o.retire(id);
    }
    const named = namesOf(manifest);
    for (const name of [...namesOf(before), ...this.#doubtful]) {
      if (!named.has(name)) this.#dead.add(name);
    }
    this.#doubtful.clear();
    this.#clean();
  }

  // ---- removing --------------------------------------------------------------------------------

  #clean(): void {
    this.#cleaning = this.#cleaning.then(async () => {
      for (const name of this.#dead) {
        if (this.#pins.has(name)) continue;
        this.#dead.delete(name);
        await this.#o.remove(name).catch(() => {});
      }
    });
  }
}

/** Names of the files that a manifest lists, segments apart. */
function namesOf({ files, archives }: Manifest): Set<string> {
  return new Set([
    ...files.map((file) => runFileName(file.id)),
    ...archives.map((archive) => archiveFileName(archive.id)),
  ]);
}
