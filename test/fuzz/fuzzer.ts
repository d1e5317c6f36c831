/**
 * Feeds a decoder hostile inputs. What comes of each has to be a value or one of the errors that the
 * decoder may throw, soon, and without more memory than is documented.
 */
import { isHoldfastError } from "../../src/base/errors.js";
import { Random } from "../sim/random.js";
import { Mutator } from "./mutator.js";

export interface Target {
  readonly name: string;
  /** Valid inputs, or once hostile ones. */
  readonly seeds: readonly Uint8Array[];
  /** Offsets of fields. */
  readonly places?: readonly number[];
  /** Puts checksums right, so that what stands behind them is reached. */
  readonly seal?: (input: Buffer) => void;
  /**
   * Decodes, and uses what it gets as its users do; throws where that breaks a promise. Gives a
   * word for what came of it.
   */
  readonly run: (input: Buffer) => string | Promise<string>;
  /** Codes of errors that may be thrown. */
  readonly codes?: readonly string[];
  /** The most that may be asked for in one buffer. */
  readonly allocationMax: number;
}

export interface Budget {
  /** Ends after whichever comes first. */
  readonly inputs: number;
  readonly seconds: number;
}

export interface Fuzzed {
  readonly name: string;
  readonly inputs: number;
  readonly seconds: number;
  /** What came of the inputs, with how often it did. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** The first input that led to each. */
  readonly kept: ReadonlyMap<string, Uint8Array>;
  readonly largestAllocation: number;
}

/** Whatever takes as long has no end: nothing that is decoded takes a thousandth of it. */
const HANG_MILLIS = 10_000;

/** Inputs that were something new are mutated again; so many at most. */
const POOL_MAX = 400;

/** Of the inputs so many keep their bad checksums. */
const UNSEALED = 0.15;

export async function fuzz(target: Target, seed: number, budget: Budget): Promise<Fuzzed> {
  const random = new Random(seed);
  const mutator = new Mutator(random);
  const pool = target.seeds.map((bytes) => Uint8Array.from(bytes));
  const outcomes = new Map<string, number>();
  const kept = new Map<string, Uint8Array>();
  const start = performance.now();
  const allocations = new AllocationWatch();
  let inputs = 0;
  try {
    for (; inputs < budget.inputs; inputs++) {
      if (inputs % 256 === 0 && performance.now() - start > budget.seconds * 1000) break;
      const { places = [] } = target;
      const input = mutator.mutate(random.pick(pool), random.pick(pool), places);
      if (target.seal !== undefined && !random.chance(UNSEALED)) target.seal(input);
      const pending = outcomeOf(target, input, allocations);
      const outcome = typeof pending === "string" ? pending : await pending;
      const count = outcomes.get(outcome) ?? 0;
      outcomes.set(outcome, count + 1);
      if (count > 0) continue;
      const copy = Uint8Array.from(input);
      kept.set(outcome, copy);
      if (pool.length < POOL_MAX) pool.push(copy);
    }
  } finally {
    allocations.stop();
  }
  const seconds = (performance.now() - start) / 1000;
  const largestAllocation = allocations.largest;
  return { name: target.name, inputs, seconds, outcomes, kept, largestAllocation };
}

/** Feeds one input; throws, with the input, for anything that is not as it must be. */
export function outcomeOf(
  target: Target,
  input: Buffer,
  allocations?: AllocationWatch,
): string | Promise<string> {
  const before = performance.now();
  const check = (outcome: string): string => {
    const millis = performance.now() - before;
    if (millis > HANG_MILLIS) throw failure(target, input, `it took ${millis} ms`);
    const largest = allocations?.largest ?? 0;
    if (largest <= target.allocationMax) return outcome;
    throw failure(target, input, `it asked for ${largest} bytes`);
  };
  const refuse = (error: unknown): string => {
    if (!isHoldfastError(error) || target.codes?.includes(error.code) !== true) {
      throw failure(target, input, String(error), error);
    }
    return check(`${error.code} ${signature(error.message)}`);
  };
  try {
    const outcome = target.run(input);
    return typeof outcome === "string" ? check(outcome) : outcome.then(check, refuse);
  } catch (error) {
    return refuse(error);
  }
}

function failure(target: Target, input: Buffer, what: string, cause?: unknown): Error {
  const line = `${target.name} ${input.toString("hex")}`;
  return new Error(`${target.name}: ${what}; input for test/fuzz/corpus: ${line}`, { cause });
}

/** A message without what is different each time. */
function signature(message: string): string {
  return message
    .replace(/"(?:[^"\\]|\\.)*"/g, '""')
    .replace(/[0-9a-f]{8,}/g, "#")
    .replace(/\d+/g, "0")
    .slice(0, 120);
}

/** Element of an array, in bytes. */
const ELEMENT_BYTES = 8;

/** Notes the most that is asked for at once, in buffers and in arrays of a given length. */
export class AllocationWatch {
  /** In bytes. */
  largest = 0;
  readonly #undo: (() => void)[] = [];

  constructor() {
    for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
      const original = Buffer[name];
      const watched = (size: number, ...rest: []): Buffer => {
        this.#note(size);
        return original(size, ...rest);
      };
      Object.assign(Buffer, { [name]: watched });
      this.#undo.push(() => Object.assign(Buffer, { [name]: original }));
    }
    this.#watch("Array", ELEMENT_BYTES);
    this.#watch("Uint8Array", 1);
  }

  stop(): void {
    for (const undo of this.#undo.reverse()) undo();
  }

  #note(bytes: number): void {
    if (bytes > this.largest) this.largest = bytes;
  }

  #watch(name: "Array" | "Uint8Array", bytes: number): void {
    const original = globalThis[name] as new (...given: unknown[]) => object;
    const watched = new Proxy(original, {
      construct: (target, given, newTarget) => {
        const [length] = given;
        if (given.length === 1 && typeof length === "number") this.#note(length * bytes);
        return Reflect.construct(target, given, newTarget);
      },
    });
    Object.assign(globalThis, { [name]: watched });
    this.#undo.push(() => Object.assign(globalThis, { [name]: original }));
  }
}
