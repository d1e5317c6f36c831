/** What a scenario consists of, and steps that several of them take. */
import type { OpenOptions, Store } from "../../src/index.js";
import type { SimulatedMachine } from "../sim/disk.js";
import type { Program } from "../support/program.js";
import type { BeginningName } from "./beginnings.js";

export interface Scenario {
  readonly name: string;
  readonly begin: BeginningName;
  readonly options?: OpenOptions;
  readonly run: Steps;
  /** A run is damaged at the beginning: reads may refuse until it has been made anew. */
  readonly damaged?: true;
  /** All it does is to look, once: where nothing can be read any more it has to say so. */
  readonly looks?: true;
  /** Of what it has made, where it says that it has; the store is open. Rejects if that is not so. */
  readonly made?: (machine: SimulatedMachine, store: Store) => Promise<void>;
}

export type Steps = (program: Program) => Promise<unknown>;

export const ALL: OpenOptions = { history: "all" };

export function scenario(
  name: string,
  begin: BeginningName,
  run: Steps,
  more: Pick<Scenario, "damaged" | "looks" | "made"> & {
    readonly options?: OpenOptions;
  } = {},
): Scenario {
  return { name, begin, run, ...more };
}

export const opened =
  (...steps: Steps[]): Steps =>
  async (program) => {
    await program.open();
    for (const step of steps) await step(program);
  };

/** Fills a segment of 64 KiB, in frames of 24 KiB. */
export const rotate: Steps = async (program) => {
  for (let row = 0; row < 3; row++) await program.put("orders", row, 20_000);
};

export const flush: Steps = (program) => program.flush();
export const rest: Steps = (program) => program.rest();
