// A disk around another one that does something at a chosen step: before, after or halfway through
// the n-th operation of one kind on one kind of file. What is killed or loses its power there does so
// at a step that chance would hardly meet.
import { basename } from "node:path";

const BOTH = ["before", "after"];
const ALL = ["before", "halfway", "after"];

/** The steps there are, of opening, of the log, of the manifest and of the background. */
export const FAILPOINTS = [
  ["lock", "lock", ["after"]],
  ["write", "lock", ALL],
  ["read", "segment", ["before"]],
  ["open", "segment", BOTH],
  ["zeroFill", "segment", BOTH],
  ["sync", "segment", BOTH],
  ["rename", "segment", BOTH],
  ["openLog", "segment", BOTH],
  ["submit", "segment", BOTH],
  ["completed", "segment", ["after"]],
  ["open", "manifest", ["after"]],
  ["write", "manifest", ALL],
  ["sync", "manifest", BOTH],
  ["read", "manifest", ["before"]],
  ["syncDirectory", "directory", BOTH],
  ["open", "run", BOTH],
  ["write", "run", ALL],
  ["sync", "run", BOTH],
  ["map", "run", BOTH],
  ["remove", "run", BOTH],
  ["open", "archive", BOTH],
  ["write", "archive", ALL],
  ["sync", "archive", BOTH],
].flatMap(([operation, file, whens]) => whens.map((when) => ({ operation, file, when })));

export function failpointName({ when, operation, file }) {
  return `${when} ${operation} ${file}`;
}

function kindOf(path) {
  const name = basename(path);
  if (name === "LOCK") return "lock";
  if (name.startsWith("manifest.")) return "manifest";
  return { ".log": "segment", ".run": "run", ".archive": "archive" }[/\.\w+$/.exec(name)?.[0]];
}

/**
 * `act` is called, once, when the step comes; where it returns, the operation goes on. An operation,
 * or a file, may be "any"; steps count while `isArmed` says so.
 */
export function failpointDisk(disk, { operation, file, when, nth }, act, isArmed = () => true) {
  let left = nth;
  const at = (name, path, moment) => {
    if (moment !== when || (operation !== "any" && name !== operation)) return false;
    const anyFile = file === "directory" || file === "any";
    if (!isArmed() || (!anyFile && kindOf(path) !== file)) return false;
    return --left === 0;
  };
  const around = async (name, path, run) => {
    if (at(name, path, "before")) act();
    const result = await run();
    if (at(name, path, "after")) act();
    return result;
  };
  return new WatchedDisk(disk, { at, around, act });
}

class WatchedDisk {
  #disk;
  #point;

  constructor(disk, point) {
    this.#disk = disk;
    this.#point = point;
    const same = ["clock", "scheduler", "checksum", "compressor", "writeMethods"];
    for (const name of same) this[name] = disk[name];
  }

  get info() {
    return this.#disk.info;
  }

  get self() {
    return this.#disk.self;
  }

  randomBytes(length) {
    return this.#disk.randomBytes(length);
  }

  isAlive(process) {
    return this.#disk.isAlive(process);
  }

  describe(directory) {
    return this.#disk.describe(directory);
  }

  createDirectory(path) {
    return this.#disk.createDirectory(path);
  }

  list(path) {
    return this.#disk.list(path);
  }

  async open(path, options) {
    const open = () => this.#disk.open(path, options);
    return new WatchedFile(await this.#point.around("open", path, open), this.#point);
  }

  rename(from, to) {
    return this.#point.around("rename", from, () => this.#disk.rename(from, to));
  }

  link(from, to) {
    return this.#point.around("link", from, () => this.#disk.link(from, to));
  }

  copy(from, to) {
    return this.#point.around("copy", from, () => this.#disk.copy(from, to));
  }

  remove(path) {
    return this.#point.around("remove", path, () => this.#disk.remove(path));
  }

  removeDirectory(path) {
    return this.#point.around("remove", path, () => this.#disk.removeDirectory(path));
  }

  syncDirectory(path) {
    return this.#point.around("syncDirectory", path, () => this.#disk.syncDirectory(path));
  }

  map(path) {
    return this.#point.around("map", path, () => this.#disk.map(path));
  }

  lock(path) {
    return this.#point.around("lock", path, () => this.#disk.lock(path));
  }

  openCommitQueue(options) {
    const { at, act } = this.#point;
    // The queue knows the slot that has completed, and not the file: only the log has such writes.
    const completed = (slot, error) => {
      if (at("completed", "0.log", "after")) act();
      options.handler.completed(slot, error);
    };
    const handler = { completed, deliver: () => options.handler.deliver() };
    return new WatchedQueue(this.#disk.openCommitQueue({ ...options, handler }), this.#point);
  }
}

class WatchedFile {
  #file;
  #point;

  constructor(file, point) {
    this.#file = file;
    this.#point = point;
    this.path = file.path;
  }

  size() {
    return this.#file.size();
  }

  read(offset, length) {
    return this.#point.around("read", this.path, () => this.#file.read(offset, length));
  }

  write(offset, bytes) {
    return this.#write(offset, bytes, () => this.#file.write(offset, bytes));
  }

  writeVerified(offset, bytes) {
    return this.#write(offset, bytes, () => this.#file.writeVerified(offset, bytes));
  }

  #write(offset, bytes, write) {
    return this.#point.around("write", this.path, async () => {
      if (this.#point.at("write", this.path, "halfway")) {
        await this.#file.write(offset, bytes.subarray(0, bytes.length >> 1));
        this.#point.act();
      }
      return write();
    });
  }

  zeroFill(offset, length) {
    return this.#point.around("zeroFill", this.path, () => this.#file.zeroFill(offset, length));
  }

  truncate(length) {
    return this.#point.around("truncate", this.path, () => this.#file.truncate(length));
  }

  sync() {
    return this.#point.around("sync", this.path, () => this.#file.sync());
  }

  isNamed() {
    return this.#file.isNamed();
  }

  close() {
    return this.#file.close();
  }
}

class WatchedQueue {
  #queue;
  #point;

  constructor(queue, point) {
    this.#queue = queue;
    this.#point = point;
    this.slotCount = queue.slotCount;
  }

  get inFlight() {
    return this.#queue.inFlight;
  }

  slot(index) {
    return this.#queue.slot(index);
  }

  openLog(path, method) {
    return this.#point.around("openLog", path, () => this.#queue.openLog(path, method));
  }

  submit(log, slot, length, offset) {
    const { at, act } = this.#point;
    if (at("submit", log.path, "before")) act();
    this.#queue.submit(log, slot, length, offset);
    if (at("submit", log.path, "after")) act();
  }

  writeNow(log, slot, length, offset) {
    this.#queue.writeNow(log, slot, length, offset);
  }

  wait() {
    this.#queue.wait();
  }

  close() {
    return this.#queue.close();
  }
}
