/**
 * What the device of a simulated machine has for good, what it may or may not have besides, and every
 * image that a power cut could leave of the two.
 */
import { assert } from "../../src/base/assert.js";
import type { SimulatedFile } from "../sim/file.js";
import type { Journal } from "../sim/journal.js";
import type { SimulatedMachine } from "../sim/machine.js";
import type { SimulatedDirectory } from "../sim/tree.js";
import type { Change, Content, Contents } from "./content.js";

/**
 * Writes of which every subset is tried: the newest. Those before them are all there, or none is.
 * Where there are fewer, the longest are taken as several, so that writes are torn as well.
 */
export const SUBSET_WRITES_MAX = 6;

/** What the device writes as a whole, or not at all. */
const SECTOR_BYTES = 512;

/** Names and what is in them. Names in their order, each with the number of its content. */
export interface Image {
  readonly key: string;
  readonly files: ReadonlyMap<string, Content>;
}

interface FileState {
  durable: Content;
}

/** What is there or not: a write, a part of one, or a change of names. */
interface Unit {
  readonly pending: Pending;
  readonly change: Change | undefined;
  halves?: readonly [Unit, Unit];
}

interface Pending {
  readonly file: FileState;
  /** Undefined for a change of names. */
  readonly change: Change | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
  /** Durable by now, but behind something that is not. */
  certain: boolean;
  /** Under way to the device, not only in the page cache. */
  readonly submitted: boolean;
  whole?: Unit;
}

/** How many subsets there were, and how many of them with older writes that go all or none. */
export interface SubsetCounts {
  points: number;
  states: number;
  /** Crash points with more writes than all subsets were tried of. */
  crowded: number;
  most: number;
}

export class Device implements Journal {
  readonly counts: SubsetCounts = { points: 0, states: 0, crowded: 0, most: 0 };
  readonly #contents: Contents;
  readonly #directory: SimulatedDirectory;
  readonly #prefix: string;
  readonly #files = new Map<SimulatedFile, FileState>();
  readonly #names = new Map<string, FileState>();
  #pending: Pending[] = [];
  /** Called after every change of what a power cut could leave. */
  changed: () => void = () => {};

  /** Of a machine with nothing under way. */
  constructor(machine: SimulatedMachine, directory: string, contents: Contents) {
    this.#contents = contents;
    this.#directory = machine.tree.getDirectory(directory, "open");
    this.#prefix = `${directory}/`;
    for (const path of machine.files()) {
      if (!this.#counts(path)) continue;
      const file = machine.tree.getFile(path, "open");
      const state = { durable: contents.of(file.share()) };
      this.#files.set(file, state);
      this.#names.set(path, state);
    }
    machine.tree.watch(this);
  }

  wrote(file: SimulatedFile, offset: number, bytes: Uint8Array): void {
    this.#push(file, { offset, bytes: bytes.slice() }, false);
  }

  truncated(file: SimulatedFile, length: number): void {
    this.#push(file, { offset: length, bytes: undefined }, false);
  }

  submitted(file: SimulatedFile, offset: number, bytes: Uint8Array): void {
    this.#push(file, { offset, bytes: bytes.slice() }, true);
  }

  wroteDurably(file: SimulatedFile, offset: number, bytes: Uint8Array): void {
    const state = this.#files.get(file);
    if (state === undefined) return;
    const end = offset + bytes.length;
    this.#pending = this.#pending.filter(
      ({ file: other, submitted, change }) =>
        other !== state ||
        !submitted ||
        change === undefined ||
        change.offset < offset ||
        change.offset + (change.bytes?.length ?? 0) > end,
    );
    const change = { offset, bytes: bytes.slice() };
    this.#pending.push(pendingOf(state, change, { certain: true }));
    this.#fold(state);
    this.changed();
  }

  synced(file: SimulatedFile): void {
    const state = this.#files.get(file);
    if (state === undefined) return;
    for (const pending of this.#pending) {
      if (pending.file === state && !pending.submitted && pending.change !== undefined) {
        pending.certain = true;
      }
    }
    this.#fold(state);
    this.changed();
  }

  named(file: SimulatedFile, from: string | undefined, to: string | undefined): void {
    if (!this.#counts(from ?? to ?? "")) return;
    let state = this.#files.get(file);
    if (state === undefined) {
      state = { durable: this.#contents.empty };
      this.#files.set(file, state);
    }
    this.#pending.push(pendingOf(state, undefined, { from, to }));
    this.changed();
  }

  directorySynced(directory: SimulatedDirectory): void {
    if (directory !== this.#directory) return;
    const names = this.#pending.filter(({ change }) => change === undefined);
    for (const pending of names) rename(this.#names, pending);
    this.#pending = this.#pending.filter(({ change }) => change !== undefined);
    this.changed();
  }

  /** The program is gone, and with it what it had under way. */
  processEnded(): void {
    this.#pending = this.#pending.filter(({ submitted }) => !submitted);
    this.changed();
  }

  /** Tells of every image that a power cut could leave now. */
  images(visit: (image: Image) => void): void {
    const unsure = this.#pending.filter(({ certain }) => !certain);
    const newest = unsure.slice(-SUBSET_WRITES_MAX);
    const older = unsure.slice(0, unsure.length - newest.length).map(wholeOf);
    const units = takenApart(newest.map(wholeOf));
    const { counts } = this;
    counts.points++;
    counts.most = Math.max(counts.most, unsure.length);
    if (older.length > 0) counts.crowded++;
    for (const kept of older.length > 0 ? [older, []] : [[]]) {
      for (let subset = 0; subset < 2 ** units.length; subset++) {
        counts.states++;
        const chosen = new Set<Unit>(kept);
        for (const [bit, unit] of units.entries()) if (subset & (1 << bit)) chosen.add(unit);
        visit(this.#image(chosen, units));
      }
    }
  }

  #image(chosen: ReadonlySet<Unit>, units: readonly Unit[]): Image {
    const names = new Map(this.#names);
    for (const pending of this.#withEarlierNames(chosen)) rename(names, pending);
    const files = new Map<string, Content>();
    let key = "";
    for (const path of [...names.keys()].sort()) {
      const content = this.#contentOf(names.get(path)!, chosen, units);
      files.set(path, content);
      key += `${path.slice(this.#prefix.length)}=${content.id};`;
    }
    return { key, files };
  }

  #contentOf(file: FileState, chosen: ReadonlySet<Unit>, units: readonly Unit[]): Content {
    let content = file.durable;
    for (const pending of this.#pending) {
      if (pending.file !== file || pending.change === undefined) continue;
      if (pending.certain || chosen.has(wholeOf(pending))) {
        content = this.#contents.apply(content, pending.change);
        continue;
      }
      for (const unit of units) {
        if (unit.pending !== pending || !chosen.has(unit)) continue;
        content = this.#contents.apply(content, unit.change as Change);
      }
    }
    return content;
  }

  /** The chosen changes of names, and the earlier ones that concern the same names. */
  #withEarlierNames(chosen: ReadonlySet<Unit>): Pending[] {
    const needed = new Set<string>();
    const all: Pending[] = [];
    for (let i = this.#pending.length - 1; i >= 0; i--) {
      const pending = this.#pending[i]!;
      const { change, from, to } = pending;
      if (change !== undefined) continue;
      const forced =
        (from !== undefined && needed.has(from)) || (to !== undefined && needed.has(to));
      if (!forced && !chosen.has(wholeOf(pending))) continue;
      all.unshift(pending);
      if (from !== undefined) needed.add(from);
      if (to !== undefined) needed.add(to);
    }
    return all;
  }

  #push(file: SimulatedFile, change: Change, submitted: boolean): void {
    const state = this.#files.get(file);
    if (state === undefined) return;
    this.#pending.push(pendingOf(state, change, { submitted }));
    this.changed();
  }

  /** What is durable, and behind nothing that is not, becomes the file. */
  #fold(file: FileState): void {
    let open = false;
    this.#pending = this.#pending.filter((pending) => {
      if (pending.file !== file || pending.change === undefined) return true;
      open ||= !pending.certain;
      if (open) return true;
      file.durable = this.#contents.apply(file.durable, pending.change);
      return false;
    });
  }

  /** The lock is nobody's state: every opening appends to it. */
  #counts(path: string): boolean {
    return path.startsWith(this.#prefix) && !path.endsWith("/LOCK");
  }
}

function pendingOf(
  file: FileState,
  change: Change | undefined,
  rest: Partial<Pick<Pending, "from" | "to" | "certain" | "submitted">>,
): Pending {
  const { from, to, certain = false, submitted = false } = rest;
  return { file, change, from, to, certain, submitted };
}

function wholeOf(pending: Pending): Unit {
  pending.whole ??= { pending, change: pending.change };
  return pending.whole;
}

/** In the same order. */
function takenApart(whole: readonly Unit[]): readonly Unit[] {
  const units = [...whole];
  while (units.length > 0 && units.length < SUBSET_WRITES_MAX) {
    let longest = 0;
    for (const [at, unit] of units.entries()) {
      if (lengthOf(unit) > lengthOf(units[longest]!)) longest = at;
    }
    const halves = halvesOf(units[longest]!);
    if (halves === undefined) break;
    units.splice(longest, 1, ...halves);
  }
  return units;
}

function lengthOf({ change }: Unit): number {
  return change?.bytes?.length ?? 0;
}

function halvesOf(unit: Unit): readonly [Unit, Unit] | undefined {
  const { pending, change } = unit;
  if (change?.bytes === undefined || change.bytes.length <= SECTOR_BYTES) return undefined;
  const middle = SECTOR_BYTES * Math.ceil(change.bytes.length / 2 / SECTOR_BYTES);
  unit.halves ??= [
    { pending, change: { offset: change.offset, bytes: change.bytes.subarray(0, middle) } },
    { pending, change: { offset: change.offset + middle, bytes: change.bytes.subarray(middle) } },
  ];
  return unit.halves;
}

function rename(names: Map<string, FileState>, { file, from, to }: Pending): void {
  if (from !== undefined && names.get(from) === file) names.delete(from);
  if (to !== undefined) names.set(to, file);
  assert(from !== undefined || to !== undefined, "a change of names has a name");
}
