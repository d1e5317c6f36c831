/**
 * The simulated name space: directories, and the changes of names that are not durable yet. A power
 * loss keeps any of these changes and loses the others, but never keeps one without the earlier ones
 * that concern the same names: every file system orders those.
 */
import { systemError } from "../../src/disk/system-error.js";
import { SimulatedFile } from "./file.js";
import type { Journal } from "./journal.js";
import type { Random } from "./random.js";

export type Node = SimulatedFile | SimulatedDirectory;

export class SimulatedDirectory {
  readonly entries = new Map<string, Node>();
  readonly durable = new Map<string, Node>();
}

interface Place {
  readonly directory: SimulatedDirectory;
  readonly name: string;
}

/** A node got the name `to`, lost the name `from`, or both at once. */
interface NameChange {
  readonly node: Node;
  readonly from: Place | undefined;
  readonly to: Place | undefined;
  /** Directories that must still be synced for it to be durable. */
  readonly unsynced: Set<SimulatedDirectory>;
}

/** Of every path that was ever asked for: the same names come again on every machine. */
const PARTS = new Map<string, readonly string[]>();

export class SimulatedTree {
  readonly root = new SimulatedDirectory();
  #journal: Journal | undefined;
  #changes: NameChange[] = [];

  /** Tells of every change from now on, and of those that its files make. */
  watch(journal: Journal | undefined): void {
    this.#journal = journal;
    for (const file of this.everyFile()) file.journal = journal;
  }

  get(path: string): Node | undefined {
    let node: Node | undefined = this.root;
    for (const part of this.#split(path)) {
      if (!(node instanceof SimulatedDirectory)) return undefined;
      node = node.entries.get(part);
    }
    return node;
  }

  getFile(path: string, syscall: string): SimulatedFile {
    const node = this.get(path);
    if (node === undefined) throw systemError("ENOENT", syscall, path);
    if (node instanceof SimulatedDirectory) throw systemError("EISDIR", syscall, path);
    return node;
  }

  getDirectory(path: string, syscall: string): SimulatedDirectory {
    const node = this.get(path);
    if (node === undefined) throw systemError("ENOENT", syscall, path);
    if (node instanceof SimulatedFile) throw systemError("ENOTDIR", syscall, path);
    return node;
  }

  createFile(path: string): SimulatedFile {
    const to = this.#place(path, "open");
    const node = new SimulatedFile();
    node.journal = this.#journal;
    to.directory.entries.set(to.name, node);
    this.#note(node, undefined, to);
    this.#journal?.named(node, undefined, path);
    return node;
  }

  createDirectory(path: string): void {
    let directory = this.root;
    for (const name of this.#split(path)) {
      const next = directory.entries.get(name);
      if (next instanceof SimulatedFile) throw systemError("EEXIST", "mkdir", path);
      if (next !== undefined) {
        directory = next;
        continue;
      }
      const created = new SimulatedDirectory();
      directory.entries.set(name, created);
      this.#note(created, undefined, { directory, name });
      directory = created;
    }
  }

  rename(from: string, to: string): void {
    const source = this.#place(from, "rename");
    const target = this.#place(to, "rename");
    const node = source.directory.entries.get(source.name);
    if (node === undefined) throw systemError("ENOENT", "rename", from);
    const replaced = target.directory.entries.get(target.name);
    if (replaced === node) return;
    if (replaced instanceof SimulatedDirectory) throw systemError("EISDIR", "rename", to);
    source.directory.entries.delete(source.name);
    target.directory.entries.set(target.name, node);
    this.#note(node, source, target);
    if (node instanceof SimulatedFile) this.#journal?.named(node, from, to);
  }

  link(from: string, to: string): void {
    const node = this.getFile(from, "link");
    const target = this.#place(to, "link");
    if (target.directory.entries.has(target.name)) throw systemError("EEXIST", "link", to);
    target.directory.entries.set(target.name, node);
    this.#note(node, undefined, target);
    this.#journal?.named(node, undefined, to);
  }

  remove(path: string): void {
    const node = this.getFile(path, "unlink");
    const from = this.#place(path, "unlink");
    from.directory.entries.delete(from.name);
    this.#note(node, from, undefined);
    this.#journal?.named(node, path, undefined);
  }

  removeDirectory(path: string): void {
    const node = this.getDirectory(path, "rmdir");
    if (node.entries.size > 0) throw systemError("ENOTEMPTY", "rmdir", path);
    const from = this.#place(path, "rmdir");
    from.directory.entries.delete(from.name);
    this.#note(node, from, undefined);
  }

  /** Makes the changes of names in a directory durable. */
  syncDirectory(directory: SimulatedDirectory): void {
    for (const change of this.#changes) change.unsynced.delete(directory);
    this.#commit((change) => change.unsynced.size === 0);
    this.#journal?.directorySynced(directory);
  }

  /** Makes all names durable. */
  commitAll(): void {
    this.#commit(() => true);
  }

  /** Chooses which changes of names survive; afterwards what is there is durable. */
  crash(random: Random): { kept: number; lost: number; removed: number; created: number } {
    const before = this.#changes.length;
    const removals = (): number => this.#changes.filter(({ to }) => to === undefined).length;
    const removalsBefore = removals();
    const mode = random.below(4);
    const odds = mode === 0 ? 0 : mode === 1 ? 1 : 0.5;
    // File systems with a journal keep a prefix, others may keep any of them.
    const prefix = random.chance(0.5) ? random.below(before + 1) : undefined;
    let index = before;
    this.#commit(() => (prefix === undefined ? random.chance(odds) : --index < prefix));
    const lost = this.#changes.length;
    const removed = removalsBefore - removals();
    const created = this.#changes.filter(({ from }) => from === undefined).length;
    this.#changes = [];
    restore(this.root);
    return { kept: before - lost, lost, removed, created };
  }

  /** Paths of all files, sorted: as programs see them, or as a power loss would leave them. */
  files(view: "entries" | "durable" = "entries"): string[] {
    const paths: string[] = [];
    walk(this.root, "", view, (path) => paths.push(path));
    return paths.sort();
  }

  /** Each file once, in a fixed order, those whose name is not durable or gone included. */
  everyFile(): Set<SimulatedFile> {
    const found = new Set<SimulatedFile>();
    walk(this.root, "", "entries", (_, file) => found.add(file));
    walk(this.root, "", "durable", (_, file) => found.add(file));
    for (const { node } of this.#changes) if (node instanceof SimulatedFile) found.add(node);
    return found;
  }

  /** Finds a file by its durable name. */
  getDurable(path: string): SimulatedFile | undefined {
    let node: Node | undefined = this.root;
    for (const part of this.#split(path)) {
      if (!(node instanceof SimulatedDirectory)) return undefined;
      node = node.durable.get(part);
    }
    return node instanceof SimulatedFile ? node : undefined;
  }

  #note(node: Node, from: Place | undefined, to: Place | undefined): void {
    const unsynced = new Set<SimulatedDirectory>();
    if (from !== undefined) unsynced.add(from.directory);
    if (to !== undefined) unsynced.add(to.directory);
    this.#changes.push({ node, from, to, unsynced });
  }

  /** Commits those wanted (asked from the last to the first), with all they depend on. */
  #commit(wanted: (change: NameChange) => boolean): void {
    const needed: Place[] = [];
    const chosen = new Set<NameChange>();
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[i]!;
      const forced = needed.some((place) => same(place, change.from) || same(place, change.to));
      if (!wanted(change) && !forced) continue;
      chosen.add(change);
      if (change.from !== undefined) needed.push(change.from);
      if (change.to !== undefined) needed.push(change.to);
    }
    for (const change of this.#changes) if (chosen.has(change)) apply(change);
    this.#changes = this.#changes.filter((change) => !chosen.has(change));
  }

  #place(path: string, syscall: string): Place {
    const parts = this.#split(path);
    const name = parts.at(-1);
    if (name === undefined) throw systemError("EBUSY", syscall, path);
    let directory: Node = this.root;
    for (const part of parts.slice(0, -1)) {
      const next: Node | undefined = directory.entries.get(part);
      if (next === undefined) throw systemError("ENOENT", syscall, path);
      if (next instanceof SimulatedFile) throw systemError("ENOTDIR", syscall, path);
      directory = next;
    }
    return { directory, name };
  }

  #split(path: string): readonly string[] {
    let parts = PARTS.get(path);
    if (parts === undefined) {
      parts = path.split("/").filter((part) => part !== "" && part !== ".");
      PARTS.set(path, parts);
    }
    return parts;
  }
}

function same(place: Place, other: Place | undefined): boolean {
  return other !== undefined && other.directory === place.directory && other.name === place.name;
}

function apply({ node, from, to }: NameChange): void {
  if (from !== undefined && from.directory.durable.get(from.name) === node) {
    from.directory.durable.delete(from.name);
  }
  if (to !== undefined) to.directory.durable.set(to.name, node);
}

function restore(directory: SimulatedDirectory): void {
  directory.entries.clear();
  for (const [name, node] of directory.durable) {
    directory.entries.set(name, node);
    if (node instanceof SimulatedDirectory) restore(node);
  }
}

function walk(
  directory: SimulatedDirectory,
  prefix: string,
  view: "entries" | "durable",
  visit: (path: string, file: SimulatedFile) => void,
): void {
  for (const [name, node] of directory[view]) {
    const path = `${prefix}/${name}`;
    if (node instanceof SimulatedFile) visit(path, node);
    else walk(node, path, view, visit);
  }
}
