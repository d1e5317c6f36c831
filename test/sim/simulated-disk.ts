/** The disk of one program on a simulated machine. */
import { portableChecksum } from "../../src/disk/checksum.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import type {
  Clock,
  CommitQueue,
  CommitQueueOptions,
  Disk,
  DiskFile,
  DiskInfo,
  DiskLock,
  DiskMapping,
  OpenOptions,
  PlaceInfo,
  ProcessIdentity,
  Scheduler,
  Timer,
  WriteMethod,
} from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { SimulatedCrash } from "./driver.js";
import type { SimulatedEvent } from "./events.js";
import type { FaultOptions, Operation } from "./faults.js";
import type { SimulatedFile } from "./file.js";
import { SimulatedHandle } from "./handle.js";
import type { SimulatedMachine } from "./machine.js";
import { SimulatedQueue } from "./simulated-queue.js";

/** What an operation is counted as, and where it happens. */
export interface OperationPlace {
  readonly operation: Operation;
  readonly path: string;
  readonly offset?: number;
  readonly length?: number;
}

export class SimulatedDisk implements Disk {
  readonly info: DiskInfo = { kind: "simulated", backend: "simulation" };
  readonly checksum = portableChecksum;
  readonly compressor = portableCompressor;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly self: ProcessIdentity;
  readonly writeMethods: readonly WriteMethod[];
  readonly machine: SimulatedMachine;
  readonly incarnation: number;

  readonly #strength: DiskLock["strength"];
  /** Without a lock of the kernel: what this program itself has locked. */
  readonly #lockedHere = new Set<SimulatedFile>();

  constructor(machine: SimulatedMachine, incarnation: number, strength: DiskLock["strength"]) {
    this.machine = machine;
    this.incarnation = incarnation;
    this.#strength = strength;
    this.self = machine.identity(incarnation);
    this.writeMethods = machine.options.writeMethods;
    this.clock = {
      nowMicros: () => machine.nowMicros(),
      monotonicMicros: () => machine.events.nowMicros,
    };
    this.scheduler = {
      endOfTurn: (callback) => this.postTurn(callback),
      after: (millis, callback) => this.#after(millis, callback),
    };
  }

  /** False once this program was ended: nothing it asks for happens any more. */
  get running(): boolean {
    return this.machine.isRunning(this.incarnation);
  }

  randomBytes(length: number): Uint8Array {
    return this.machine.random.fill(new Uint8Array(length));
  }

  isAlive(process: ProcessIdentity): boolean | undefined {
    return this.machine.isAlive(process);
  }

  describe(directory: string): Promise<PlaceInfo> {
    return this.start({ operation: "describe", path: directory }, (fault) => {
      throwFault(fault, "statfs", directory);
      this.machine.tree.getDirectory(directory, "statfs");
      return {
        fileSystem: "simulated",
        network: false,
        volatile: false,
        known: true,
        directProven: true,
        directAlignment: 512,
        physicalBlockBytes: 4096,
        writeCache: "write back",
        freeBytes: Math.min(this.machine.freeBytes(), Number.MAX_SAFE_INTEGER),
        ...this.machine.place,
      };
    });
  }

  createDirectory(path: string): Promise<void> {
    return this.change({ operation: "createDirectory", path }, "mkdir", () =>
      this.machine.tree.createDirectory(path),
    );
  }

  list(path: string): Promise<string[]> {
    return this.start({ operation: "list", path }, (fault) => {
      throwFault(fault, "scandir", path);
      return [...this.machine.tree.getDirectory(path, "scandir").entries.keys()].sort();
    });
  }

  open(path: string, options: OpenOptions = {}): Promise<DiskFile> {
    return this.change({ operation: "open", path }, "open", () => {
      const { tree } = this.machine;
      const exists = tree.get(path) !== undefined;
      if (exists && options.create && options.exclusive) throw systemError("EEXIST", "open", path);
      const file = exists || !options.create ? tree.getFile(path, "open") : tree.createFile(path);
      return new SimulatedHandle(this, path, file, options);
    });
  }

  rename(from: string, to: string): Promise<void> {
    return this.change({ operation: "rename", path: from }, "rename", () => {
      this.machine.trace.foldText(to);
      this.machine.tree.rename(from, to);
      if (to.endsWith(".log")) this.machine.counters.add("segment recycled");
    });
  }

  link(from: string, to: string): Promise<void> {
    return this.change({ operation: "link", path: from }, "link", () => {
      this.machine.trace.foldText(to);
      this.machine.tree.link(from, to);
    });
  }

  async copy(from: string, to: string): Promise<void> {
    const source = await this.open(from);
    const target = await this.open(to, { write: true, create: true, exclusive: true });
    await target.write(0, await source.read(0, await source.size()));
    await target.sync();
    await source.close();
    await target.close();
  }

  remove(path: string): Promise<void> {
    return this.change({ operation: "remove", path }, "unlink", () =>
      this.machine.tree.remove(path),
    );
  }

  removeDirectory(path: string): Promise<void> {
    return this.change({ operation: "remove", path }, "rmdir", () =>
      this.machine.tree.removeDirectory(path),
    );
  }

  syncDirectory(path: string): Promise<void> {
    return this.change({ operation: "syncDirectory", path }, "fsync", () => {
      const { tree } = this.machine;
      tree.syncDirectory(tree.getDirectory(path, "open"));
    });
  }

  map(path: string): Promise<DiskMapping> {
    return this.start({ operation: "map", path }, (fault) => {
      throwFault(fault, "mmap", path);
      const file = this.machine.tree.getFile(path, "open");
      return new SimulatedMapping(this, path, file);
    });
  }

  lock(path: string): Promise<DiskLock | undefined> {
    return this.start({ operation: "lock", path }, (fault) => {
      throwFault(fault, "flock", path);
      const { tree } = this.machine;
      const file =
        tree.get(path) === undefined ? tree.createFile(path) : tree.getFile(path, "open");
      if (this.#strength === "none") return this.#lockHere(path, file);
      if (file.lockedBy !== 0 || file.zombies > 0) return undefined;
      file.lockedBy = this.incarnation;
      return new SimulatedLock(this, path, "flock", () => {
        file.lockedBy = 0;
      });
    });
  }

  openCommitQueue(options: CommitQueueOptions): CommitQueue {
    return new SimulatedQueue(this, options);
  }

  /** An operation that happens at some time, or never. */
  start<T>(
    place: OperationPlace,
    action: (fault: FaultOptions | undefined) => T,
    land?: () => void,
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.postOperation(place.operation, place.path, {
        owner: this.incarnation,
        run: () => {
          try {
            resolve(this.perform(place, action));
          } catch (error) {
            // The program has ended: it is never told.
            if (error instanceof SimulatedCrash) throw error;
            reject(error);
          }
        },
        ...(land === undefined ? {} : { land }),
      });
    });
  }

  /** An operation that changes something: a program that ends meanwhile may have had it done. */
  change<T>(place: OperationPlace, syscall: string, action: () => T): Promise<T> {
    const checked = (fault: FaultOptions | undefined): T => {
      throwFault(fault, syscall, place.path);
      return action();
    };
    return this.start(place, checked, () => void action());
  }

  perform<T>(place: OperationPlace, action: (fault: FaultOptions | undefined) => T): T {
    const { operation, path, offset = 0, length = 0 } = place;
    return this.machine.perform(operation, path, offset, length, action);
  }

  /** Puts an operation among those that can happen next, or will be able to after a stall. */
  postOperation(operation: Operation, path: string, event: SimulatedEvent): void {
    if (!this.running) return;
    const stall = this.machine.faults.stallOf(operation, path);
    if (stall > 0) this.machine.events.postAfter(stall, event, false);
    else this.machine.events.post(event);
  }

  postTurn(run: () => void): void {
    if (this.running) this.machine.events.postTurn({ owner: this.incarnation, run });
  }

  #lockHere(path: string, file: SimulatedFile): DiskLock | undefined {
    if (this.#lockedHere.has(file)) return undefined;
    this.#lockedHere.add(file);
    return new SimulatedLock(this, path, "none", () => this.#lockedHere.delete(file));
  }

  #after(millis: number, callback: () => void): Timer {
    const { events } = this.machine;
    let cancelled = false;
    const run = (): void => {
      if (!cancelled) callback();
    };
    const event: SimulatedEvent = { owner: this.incarnation, run };
    if (this.running) events.postAfter(Math.max(0, millis) * 1000, event, true);
    return {
      cancel: () => {
        cancelled = true;
        events.remove(event);
      },
    };
  }
}

/** Throws what a fault says, for operations that either happen or do not. */
export function throwFault(fault: FaultOptions | undefined, syscall: string, path: string): void {
  if (fault !== undefined && "error" in fault) throw systemError(fault.error, syscall, path);
}

class SimulatedLock implements DiskLock {
  readonly path: string;
  readonly strength: DiskLock["strength"];
  readonly #disk: SimulatedDisk;
  readonly #unlock: () => void;
  #releasing: Promise<void> | undefined;

  constructor(
    disk: SimulatedDisk,
    path: string,
    strength: DiskLock["strength"],
    unlock: () => void,
  ) {
    this.#disk = disk;
    this.path = path;
    this.strength = strength;
    this.#unlock = unlock;
  }

  release(): Promise<void> {
    this.#releasing ??= this.#disk.start({ operation: "unlock", path: this.path }, () =>
      this.#unlock(),
    );
    return this.#releasing;
  }
}

class SimulatedMapping implements DiskMapping {
  readonly length: number;
  readonly #disk: SimulatedDisk;
  readonly #path: string;
  readonly #file: SimulatedFile;
  #open = true;

  constructor(disk: SimulatedDisk, path: string, file: SimulatedFile) {
    this.#disk = disk;
    this.#path = path;
    this.#file = file;
    this.length = file.size;
  }

  copy(offset: number, length: number, target: Uint8Array, targetStart: number): void {
    if (!this.#disk.running) throw new SimulatedCrash("the program has ended");
    if (!this.#open) throw systemError("EBADF", "read", this.#path);
    if (!(offset >= 0 && length >= 0 && offset + length <= this.length)) {
      throw new RangeError("outside the mapped file");
    }
    if (!(targetStart >= 0 && targetStart + length <= target.length)) {
      throw new RangeError("outside the target");
    }
    const { machine } = this.#disk;
    this.#disk.perform({ operation: "copy", path: this.#path, offset, length }, (fault) => {
      throwFault(fault, "read", this.#path);
      machine.checkReadable(this.#file, this.#path, offset, length);
      if (offset + length > this.#file.size) throw systemError("EIO", "read", this.#path);
      const isMisdirected = fault !== undefined && "read" in fault;
      const from = isMisdirected ? machine.random.below(this.length - length + 1) : offset;
      this.#file.copyTo(from, length, target, targetStart);
    });
  }

  close(): void {
    this.#open = false;
  }
}
