/** What can be made to go wrong, when, and how often it did. */
import type { Random } from "./random.js";

/** Operations of a disk, as faults and the trace name them. The order is part of the trace hash. */
export const OPERATIONS = [
  "open",
  "size",
  "read",
  "write",
  "zeroFill",
  "truncate",
  "sync",
  "close",
  "list",
  "createDirectory",
  "rename",
  "link",
  "remove",
  "syncDirectory",
  "map",
  "copy",
  "lock",
  "unlock",
  "openLog",
  "queueWrite",
  "describe",
] as const;

export type Operation = (typeof OPERATIONS)[number];

export type FaultEffect =
  /** The operation fails with this code. A write may have got there in part. */
  | { readonly error: string }
  /** A write takes a part at first; the rest follows as an operation of its own. */
  | { readonly write: "short" }
  /** A queue write reports success and goes nowhere, or to another place of the file. */
  | { readonly write: "lost" | "misdirected" }
  /** A copy out of a mapped file, once, has what stands in another place of it. */
  | { readonly read: "misdirected" }
  /** The operation takes that much longer. */
  | { readonly stallMicros: number };

export type FaultOptions = FaultEffect & {
  readonly operation: Operation | readonly Operation[];
  /** Only for paths that contain this. */
  readonly path?: string;
  /** Fires at the n-th operation that matches, counted from now, from 1. Default: the first. */
  readonly at?: number;
  /** How often it fires from then on. Default: once. `Infinity`: for ever. */
  readonly times?: number;
  /** Instead of `at`: fires with this probability at every operation that matches. */
  readonly chance?: number;
};

export class Fault {
  readonly options: FaultOptions;
  /** How often it has fired. */
  fired = 0;
  /** How many operations it might have hit. */
  seen = 0;

  constructor(options: FaultOptions) {
    this.options = options;
  }

  /** True if it hits this operation; counts. */
  hits(operation: Operation, path: string, random: Random): boolean {
    const { operation: wanted, path: part, at = 1, times = 1, chance } = this.options;
    if (typeof wanted === "string" ? wanted !== operation : !wanted.includes(operation)) {
      return false;
    }
    if (part !== undefined && !path.includes(part)) return false;
    this.seen++;
    const due = chance === undefined ? this.seen >= at : random.chance(chance);
    if (!due || this.fired >= (chance === undefined ? times : (this.options.times ?? Infinity))) {
      return false;
    }
    this.fired++;
    return true;
  }
}

/** How often each kind of thing happened on a machine, by name; for proofs that it did. */
export class Counters {
  readonly counts: Record<string, number> = {};

  add(name: string, count = 1): void {
    if (count > 0) this.counts[name] = (this.counts[name] ?? 0) + count;
  }

  get(name: string): number {
    return this.counts[name] ?? 0;
  }
}

/** The faults of one machine. */
export class FaultPlan {
  readonly #random: Random;
  readonly #counters: Counters;
  #faults: Fault[] = [];

  constructor(random: Random, counters: Counters) {
    this.#random = random;
    this.#counters = counters;
  }

  add(options: FaultOptions): Fault {
    const fault = new Fault(options);
    this.#faults.push(fault);
    return fault;
  }

  clear(): void {
    this.#faults = [];
  }

  /** The fault that hits this operation now, if any. */
  outcomeOf(operation: Operation, path: string): FaultOptions | undefined {
    for (const fault of this.#faults) {
      if ("stallMicros" in fault.options) continue;
      if (!fault.hits(operation, path, this.#random)) continue;
      this.#counters.add(nameOf(fault.options, operation));
      return fault.options;
    }
    return undefined;
  }

  /** How much longer an operation takes that is started now. */
  stallOf(operation: Operation, path: string): number {
    let stall = 0;
    for (const fault of this.#faults) {
      if (!("stallMicros" in fault.options)) continue;
      if (!fault.hits(operation, path, this.#random)) continue;
      stall += fault.options.stallMicros;
      this.#counters.add("stall");
    }
    return stall;
  }
}

function nameOf(fault: FaultOptions, operation: Operation): string {
  if ("error" in fault) return `${fault.error} ${operation}`;
  if ("read" in fault) return `${fault.read} ${operation}`;
  return "write" in fault ? `${fault.write} ${operation}` : "stall";
}
