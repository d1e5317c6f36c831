/** Crashes in the middle of what the background does now and then only. */
import type { CrashKind, SimulatedMachine } from "./disk.js";
import type { Random } from "./random.js";

/** Steps of writing, archiving, recycling and removing. */
const BACKGROUND_STEPS = [
  ["open", ".run"],
  ["write", ".run"],
  ["sync", ".run"],
  ["map", ".run"],
  ["remove", ".run"],
  ["open", ".archive"],
  ["close", ".archive"],
  ["write", ".archive"],
  ["sync", ".archive"],
  ["read", ".archive"],
  ["remove", ".archive"],
  ["rename", ".log"],
  ["remove", ".log"],
  ["zeroFill", ".log"],
  ["write", "manifest"],
  ["write", "manifest"],
] as const;

/** Operations after which the crash comes in any case. */
const OPERATIONS_MAX = 2000;

export function crashOnStep(machine: SimulatedMachine, random: Random, kind: CrashKind): void {
  const [operation, path] = random.pick(BACKGROUND_STEPS);
  machine.crashAfter(OPERATIONS_MAX, kind);
  machine.crashOn(operation, path, 1 + random.below(3), kind);
}
