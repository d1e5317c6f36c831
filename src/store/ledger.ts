/**
 * Keeps the manifest in step with a running store, and the directory in step with the manifest:
 * what a published change no longer needs is removed, or used again, once both slots are without
 * it.
 */
import { assert } from "../base/assert.js";
import { packFileName } from "../blobs/format.js";
import type { PreparedSegment } from "../log/segments.js";
import { archiveFileName } from "../manifest/archive-name.js";
import type { Manifest, ManifestSegment, ManifestTable } from "../manifest/format.js";
import { assertPublishable, type ManifestKeeper } from "../manifest/keeper.js";
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

/** Most changes that are published together: each is applied on the event loop. */
const GROUP_MAX = 16;

interface Change {
  readonly edit: (manifest: Manifest) => Manifest;
  /** Called when it is in both slots, before anything else can be prepared. */
  readonly published: () => void;
  readonly resolve: (manifest: Manifest) => void;
  readonly reject: (error: unknown) => void;
}

/** A change, and the manifest as it is with it and those before it in its group. */
interface Step {
  readonly change: Change;
  readonly manifest: Manifest;
}

/**
 * Changes of the manifest in the order in which they were asked for. Those that wait at the same
 * time are published together, each applied to what the one before has made: one that throws fails
 * alone, and is as if it had never been asked for; the others are in force together or not at all.
 *
 * After changes that failed to be published nobody knows which manifest is in force: they count as
 * not made, and nothing is removed until a later one has gone through.
 */
export class StoreLedger {
  readonly #o: StoreLedgerOptions;
  /** What both slots say. */
  #published: Manifest;
  /** As `#published` has them, and what has become of them since. */
  #segments: readonly ManifestSegment[];
  #now: Manifest;
  #nowIsOf: Manifest;
  #waiting: Change[] = [];
  #publishing = false;
  /** Ids of files that some manifest may still name; looked at after the next success. */
  readonly #doubtful = new Set<number>();
  /** The same of packs, by their names. */
  readonly #doubtfulPacks = new Set<string>();
  /** Ids of files that only changes named that failed: they never become part of the store. */
  readonly #refused = new Set<number>();
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
   * Resolves with what is published, which may have other changes in it that came later.
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
    await this.#publish(
      (manifest) => ({ ...manifest, segments: added(manifest.segments) }),
      () => {
        this.#segments = added(this.#segments);
      },
    );
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

  #publish(edit: Change["edit"], published: () => void = () => {}): Promise<Manifest> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ edit, published, resolve, reject });
      if (!this.#publishing) void this.#publishAll();
    });
  }

  async #publishAll(): Promise<void> {
    this.#publishing = true;
    while (this.#waiting.length > 0) await this.#publishGroup();
    this.#publishing = false;
  }

  /** Those that wait when the keeper is ready to write. Settles each; never rejects itself. */
  async #publishGroup(): Promise<void> {
    let group: readonly Change[] | undefined;
    let steps: readonly Step[] = [];
    let manifest: Manifest;
    try {
      manifest = await this.#o.keeper.publish(() => {
        group = this.#waiting.splice(0, GROUP_MAX);
        steps = this.#prepare(group);
        return (steps.at(-1) as Step).manifest;
      });
    } catch (error) {
      for (const step of steps) this.#doubt(step.manifest);
      // Without a group it failed for any of them. One that has failed alone knows already.
      for (const change of group ?? this.#waiting.splice(0)) change.reject(error);
      return;
    }
    this.#succeeded(manifest, steps);
    for (const { change } of steps) change.resolve(manifest);
  }

  /**
   * On top of what is published, and not of what was tried and failed: who tried that was told that
   * it was not done. Throws if there is no change that can be made.
   */
  #prepare(group: readonly Change[]): Step[] {
    const before = this.#published;
    const { runsThrough } = before.state;
    const steps: Step[] = [];
    let now: Manifest = {
      ...before,
      durableThrough: Math.max(before.durableThrough, runsThrough, this.#o.durableSequence()),
      lastMicros: Math.max(before.lastMicros, this.#o.lastMicros()),
      segments: this.#segments,
      tables: this.#o.tables(),
    };
    let failure: unknown;
    for (const change of group) {
      try {
        now = this.#apply(change.edit, now, steps.at(-1)?.manifest ?? before);
        steps.push({ change, manifest: now });
      } catch (error) {
        failure = error;
        change.reject(error);
      }
    }
    if (steps.length === 0) throw failure;
    return steps;
  }

  /** `right` is the last manifest that is known to be publishable. */
  #apply(edit: Change["edit"], now: Manifest, right: Manifest): Manifest {
    const edited = edit(now);
    const through = Math.max(now.durableThrough, edited.state.runsThrough);
    const gone = unneededSegments(edited).filter((segment) => !this.#o.keepForHistory(segment));
    const fewer = gone.length === 0 ? edited : withoutSegments(edited, gone);
    const next = withNamedFiles({ ...fewer, durableThrough: through });
    const refused = this.#refused.size > 0 && next.files.find(({ id }) => this.#refused.has(id));
    if (refused) assert(false, `${runFileName(refused.id)} belongs to a change that failed`);
    try {
      assertPublishable(next, right);
    } catch (error) {
      this.#doubt(next);
      throw error;
    }
    return next;
  }

  /**
   * What it names and the published one does not may be named by a slot. Archives are not given up:
   * their names are those of their segments, and so the same file is offered again.
   */
  #doubt(attempted: Manifest): void {
    const published = new Set(this.#published.files.map(({ id }) => id));
    for (const { id } of attempted.files) {
      if (published.has(id)) continue;
      this.#doubtful.add(id);
      this.#refused.add(id);
    }
    for (const name of droppedNames({ ...attempted, files: [], archives: [] }, this.#published)) {
      this.#doubtfulPacks.add(name);
    }
  }

  #succeeded(manifest: Manifest, steps: readonly Step[]): void {
    const before = this.#published;
    this.#published = manifest;
    const listed = new Set(manifest.segments.map((segment) => segment.id));
    for (const { id } of before.segments) {
      if (listed.has(id)) continue;
      this.#segments = this.#segments.filter((segment) => segment.id !== id);
      this.#o.retire(id);
    }
    for (const { change } of steps) change.published();
    for (const older of [before, ...steps.map((step) => step.manifest)]) {
      for (const name of droppedNames(older, manifest)) this.#dead.add(name);
    }
    const named = new Set(this.#doubtful.size === 0 ? [] : manifest.files.map(({ id }) => id));
    for (const id of this.#doubtful) {
      if (!named.has(id)) this.#dead.add(runFileName(id));
    }
    this.#doubtful.clear();
    for (const name of this.#doubtfulPacks) this.#dead.add(name);
    this.#doubtfulPacks.clear();
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

/** Names of the files that one manifest lists and a later one does not, segments apart. */
function droppedNames(older: Manifest, newer: Manifest): string[] {
  return [
    ...missing(older.files, newer.files).map(runFileName),
    ...missing(older.archives, newer.archives).map(archiveFileName),
    ...missing(older.packs ?? NONE, newer.packs ?? NONE).map(packFileName),
  ];
}

interface Entry {
  readonly id: number;
}

const NONE: readonly Entry[] = [];

function missing(older: readonly Entry[], newer: readonly Entry[]): number[] {
  if (older === newer) return [];
  const there = new Set(newer.map(({ id }) => id));
  return older.map(({ id }) => id).filter((id) => !there.has(id));
}
