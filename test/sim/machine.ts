/**
 * A simulated machine: durable files, an order of events chosen by a seed, crashes and faults. It
 * outlives the programs that run on it; `boot` gives the disk of one more of them.
 */
import type {
  Disk,
  DiskLock,
  PlaceInfo,
  ProcessIdentity,
  WriteMethod,
} from "../../src/disk/disk.js";
import { WRITE_METHODS } from "../../src/disk/disk.js";
import { systemError } from "../../src/disk/system-error.js";
import { type CrashScene, leaveZombies, losePower } from "./crash.js";
import { afterTurn, drive, SimulatedCrash } from "./driver.js";
import { type CrashKind, EventQueue } from "./events.js";
import { Counters, type Fault, type FaultOptions, FaultPlan, type Operation } from "./faults.js";
import type { SimulatedFile } from "./file.js";
import { Random } from "./random.js";
import { SimulatedDisk } from "./simulated-disk.js";
import { Trace } from "./trace.js";
import { SimulatedTree } from "./tree.js";

export interface MachineOptions {
  readonly seed: number;
  /** Longest time of an operation; each takes a random part of it. */
  readonly latencyMicros?: number;
  /** Probability that the lost part of a torn sector is garbage rather than the old content. */
  readonly garbage?: number;
  /** Methods that `openLog` accepts. Default: all. */
  readonly writeMethods?: readonly WriteMethod[];
  /** What `describe` says otherwise than usual. */
  readonly place?: Partial<PlaceInfo>;
}

export interface BootOptions {
  /** With "none" the disk has no lock of the kernel, like the portable one. Default: "flock". */
  readonly lock?: DiskLock["strength"];
}

/** 2023-11-14, so that times look like times. */
const EPOCH_MICROS = 1_700_000_000_000_000;

export class SimulatedMachine {
  readonly seed: number;
  readonly tree = new SimulatedTree();
  readonly events: EventQueue;
  readonly counters = new Counters();
  readonly options: Required<Omit<MachineOptions, "seed" | "place">>;
  readonly place: Partial<PlaceInfo>;
  /** Choices about outcomes; apart from those about the order of events. */
  readonly random: Random;
  /** Sum of the sizes of all files that fits; more is ENOSPC. */
  capacityBytes = Infinity;
  /** Operations performed so far. */
  operations = 0;
  readonly trace = new Trace();
  readonly faults: FaultPlan;
  #alive = new Set<number>();
  #incarnations = 0;
  #powerCycles = 0;
  #clockJumpMicros = 0;
  #crashAt = Infinity;
  #crashKind: CrashKind = "power";
  /** Instead of a count: the operation to crash at. */
  #crashOn: { operation: Operation; path: string; left: number } | undefined;
  #crashes = 0;

  constructor(options: MachineOptions) {
    this.seed = options.seed;
    this.place = options.place ?? {};
    this.options = {
      latencyMicros: options.latencyMicros ?? 100,
      garbage: options.garbage ?? 0.125,
      writeMethods: options.writeMethods ?? WRITE_METHODS,
    };
    const seeds = new Random(options.seed);
    this.random = seeds.fork();
    this.events = new EventQueue(seeds.fork(), this.options.latencyMicros);
    this.faults = new FaultPlan(seeds.fork(), this.counters);
  }

  /** Folds every operation and its outcome: equal for equal runs. */
  get traceHash(): number {
    return this.trace.hash;
  }

  /** Starts a program. Those started before go on, as other processes of the machine. */
  boot(options: BootOptions = {}): Disk {
    const incarnation = ++this.#incarnations;
    this.#alive.add(incarnation);
    return new SimulatedDisk(this, incarnation, options.lock ?? "flock");
  }

  isRunning(incarnation: number): boolean {
    return this.#alive.has(incarnation);
  }

  identity(incarnation: number): ProcessIdentity {
    return {
      pid: 1000 + incarnation,
      host: "simulated",
      bootId: `boot-${this.#powerCycles}`,
      startedAt: `${incarnation}`,
      pidNamespace: "",
    };
  }

  isAlive(process: ProcessIdentity): boolean | undefined {
    if (process.host !== "simulated") return undefined;
    if (process.bootId !== `boot-${this.#powerCycles}`) return false;
    return this.isRunning(process.pid - 1000);
  }

  nowMicros(): number {
    return EPOCH_MICROS + Math.floor(this.events.nowMicros) + this.#clockJumpMicros;
  }

  /** Changes the time of day, not the monotonic clock. */
  jumpClock(deltaMicros: number): void {
    this.#clockJumpMicros += deltaMicros;
    this.counters.add("clock jump");
  }

  /** Adds a fault; it stays over crashes until it is used up or removed. */
  addFault(options: FaultOptions): Fault {
    return this.faults.add(options);
  }

  removeFaults(): void {
    this.faults.clear();
  }

  /** From now on reading any of that range fails with EIO. Gives the count of such failures. */
  addReadError(path: string, offset: number, length: number): { readonly fired: number } {
    const range = { offset, end: offset + length, fired: 0 };
    this.tree.getFile(path, "fault").bad.push(range);
    return range;
  }

  /** Fails if that range of the file cannot be read. */
  checkReadable(file: SimulatedFile, path: string, offset: number, length: number): void {
    for (const range of file.bad) {
      if (offset >= range.end || offset + length <= range.offset) continue;
      range.fired++;
      this.counters.add("read error");
      throw systemError("EIO", "read", path);
    }
  }

  /** Fails if the file cannot grow to that size. */
  checkSpace(file: SimulatedFile, path: string, end: number): void {
    if (end <= file.size || end - file.size <= this.freeBytes()) return;
    this.counters.add("disk full");
    throw systemError("ENOSPC", "write", path);
  }

  freeBytes(): number {
    if (this.capacityBytes === Infinity) return Infinity;
    let used = 0;
    for (const path of this.files()) used += this.tree.getFile(path, "statfs").size;
    return Math.max(0, this.capacityBytes - used);
  }

  /**
   * Counts an operation into the trace, then does it, then crashes if it is time: whoever asked for
   * it then never learns that it was done.
   */
  perform<T>(
    operation: Operation,
    path: string,
    offset: number,
    length: number,
    action: (fault: FaultOptions | undefined) => T,
  ): T {
    this.operations++;
    this.trace.foldOperation(operation, path, offset, length);
    this.trace.fold(this.events.nowMicros);
    try {
      return action(this.faults.outcomeOf(operation, path));
    } catch (error) {
      this.trace.foldText(error instanceof Error ? error.message : String(error));
      throw error;
    } finally {
      this.#crashIfDue(operation, path);
    }
  }

  /** Crashes once that many more operations were performed. */
  crashAfter(operations: number, kind: CrashKind = "power"): void {
    this.#crashAt = this.operations + operations;
    this.#crashOn = undefined;
    this.#crashKind = kind;
  }

  /** Crashes once that many more operations of a kind were performed on such paths. */
  crashOn(operation: Operation, path: string, count: number, kind: CrashKind = "power"): void {
    this.#crashOn = { operation, path, left: count };
    this.#crashKind = kind;
  }

  /** Ends all running programs; with "power", decides what the disk is left with. */
  crash(kind: CrashKind = "power"): void {
    this.#crashes++;
    this.#crashAt = Infinity;
    this.#crashOn = undefined;
    this.counters.add(kind === "power" ? "power loss" : "process kill");
    this.trace.fold(kind === "power" ? 0x1001 : 0x1002);
    const dead = this.#alive;
    this.#alive = new Set();
    const dropped = this.events.drop((owner) => kind === "power" || dead.has(owner));
    if (kind === "power") {
      this.#powerCycles++;
      losePower(this.#scene(), dropped);
    } else {
      leaveZombies(this.#scene(), dropped, (incarnation) => this.isRunning(incarnation));
    }
  }

  /** Ends one program, as SIGKILL does. */
  kill(disk: Disk): void {
    const incarnation = disk.self.pid - 1000;
    if (!this.#alive.delete(incarnation)) return;
    this.counters.add("process kill");
    this.trace.fold(0x1003);
    const dropped = this.events.drop((owner) => owner === incarnation);
    leaveZombies(this.#scene(), dropped, (other) => this.isRunning(other));
  }

  /** One event, then all the promise continuations it made ready. False if there is none. */
  step(): Promise<boolean> {
    return new Promise((resolve, reject) => {
      afterTurn(() => {
        try {
          const happened = this.#stepOnce();
          afterTurn(() => resolve(happened));
        } catch (error) {
          reject(error);
        }
      });
    });
  }

  /** Lets things happen until the promise is settled. Rejects with SimulatedCrash after a crash. */
  run<T>(promise: Promise<T>): Promise<T> {
    const crashes = this.#crashes;
    return drive(
      promise,
      () => this.#stepOnce(),
      () => this.#crashes !== crashes,
    );
  }

  /** Paths of all files, as programs see them. */
  files(): string[] {
    return this.tree.files();
  }

  /** The content that survives a power loss in any case. Undefined if the name does not. */
  readDurable(path: string): Uint8Array | undefined {
    return this.tree.getDurable(path)?.readDurable();
  }

  /** The content as programs see it. */
  read(path: string): Uint8Array {
    const file = this.tree.getFile(path, "read");
    return file.read(0, file.size);
  }

  /** Changes a file behind everybody's back. The function may change the bytes or give others. */
  mutate(path: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const bytes = this.read(path);
    this.tree.getFile(path, "mutate").replace((change(bytes) ?? bytes).slice());
    this.counters.add("mutation");
  }

  /** Turns one bit over: of a random byte, if none is named. Gives the offset. */
  flipBit(path: string, offset?: number, bit?: number): number {
    const file = this.tree.getFile(path, "flip");
    const at = offset ?? this.random.below(file.size);
    const mask = 1 << (bit ?? this.random.below(8));
    this.mutate(path, (bytes) => {
      bytes[at]! ^= mask;
      return bytes;
    });
    this.counters.add("bit flip");
    return at;
  }

  /** A new machine with the files of this one, all durable, and nothing running; in that place. */
  fork(seed: number, place = this.place): SimulatedMachine {
    const copy = new SimulatedMachine({ ...this.options, place, seed });
    for (const path of this.files()) {
      copy.tree.createDirectory(path.slice(0, path.lastIndexOf("/")));
      copy.tree.createFile(path).replace(this.tree.getFile(path, "fork").share());
    }
    copy.tree.commitAll();
    return copy;
  }

  #stepOnce(): boolean {
    const event = this.events.next();
    if (event === undefined) return false;
    try {
      event.run();
    } catch (error) {
      // The crash was asked for; the driver sees that it has happened.
      if (!(error instanceof SimulatedCrash)) throw error;
    }
    return true;
  }

  #crashIfDue(operation: Operation, path: string): void {
    const on = this.#crashOn;
    if (on?.operation === operation && path.includes(on.path)) on.left--;
    if (this.operations < this.#crashAt && on?.left !== 0) return;
    this.counters.add(`crash at ${operation} ${kindOf(path)}`);
    this.crash(this.#crashKind);
    throw new SimulatedCrash(`after operation ${this.operations}`);
  }

  #scene(): CrashScene {
    return {
      tree: this.tree,
      events: this.events,
      random: this.random,
      counters: this.counters,
      garbage: this.options.garbage,
    };
  }
}

/** What sort of file a path is of, for counters: its ending, or its name without numbers. */
function kindOf(path: string): string {
  return /\.(?:log|run|archive|torn)$/.exec(path)?.[0] ?? /manifest|LOCK/.exec(path)?.[0] ?? "";
}
