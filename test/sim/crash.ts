/** What the end of a process, or of the power, leaves of what was under way. */
import type { CrashKind, EventQueue, SimulatedEvent } from "./events.js";
import type { Counters } from "./faults.js";
import type { CrashCounts, SimulatedFile } from "./file.js";
import type { Random } from "./random.js";
import type { SimulatedTree } from "./tree.js";

/** The parts of a machine that a crash decides about. */
export interface CrashScene {
  readonly tree: SimulatedTree;
  readonly events: EventQueue;
  readonly random: Random;
  readonly counters: Counters;
  /** Probability that the lost part of a torn sector is garbage. */
  readonly garbage: number;
}

/** Longest time that a write outlives its process. */
const ZOMBIE_MICROS_MAX = 100_000;

/** Of the writes in flight some got there and others did not. */
function countMixed(counters: Counters, landed: readonly boolean[]): void {
  if (landed.includes(true) && landed.includes(false)) counters.add("some in flight landed");
}

/** Power is gone: the page cache as well, and of what was in flight any sectors may be there. */
export function losePower(scene: CrashScene, dropped: readonly SimulatedEvent[]): void {
  const { tree, random, counters } = scene;
  const landed: boolean[] = [];
  for (const event of dropped) {
    if (event.land === undefined) continue;
    const lands = random.chance(0.5);
    if (lands) land(event, "power");
    landed.push(lands);
  }
  countMixed(counters, landed);
  const counts: CrashCounts = { lost: 0, kept: 0, torn: 0, garbage: 0, sizes: 0 };
  for (const file of tree.everyFile()) {
    file.lockedBy = 0;
    file.zombies = 0;
    if (file.dirty) file.crash(random, scene.garbage, counts);
  }
  const names = tree.crash(random);
  counters.add("sector lost", counts.lost);
  counters.add("sector kept", counts.kept);
  counters.add("sector torn", counts.torn);
  counters.add("sector garbage", counts.garbage);
  counters.add("size lost", counts.sizes);
  counters.add("name kept", names.kept);
  counters.add("removal kept", names.removed);
  counters.add("new name lost", names.created);
  counters.add("name lost", names.lost);
}

/**
 * Processes are gone: what they had in flight lands not at all, in part, or later. Until the late
 * ones have landed, the locks of those processes stay taken.
 */
export function leaveZombies(
  scene: CrashScene,
  dropped: readonly SimulatedEvent[],
  isRunning: (incarnation: number) => boolean,
): void {
  const locked = new Map<number, SimulatedFile[]>();
  for (const file of scene.tree.everyFile()) {
    if (file.lockedBy === 0 || isRunning(file.lockedBy)) continue;
    const files = locked.get(file.lockedBy) ?? [];
    files.push(file);
    locked.set(file.lockedBy, files);
    file.lockedBy = 0;
  }
  const landed: boolean[] = [];
  for (const event of dropped) {
    if (event.land === undefined) continue;
    const fate = scene.random.below(3);
    if (fate === 1) land(event, "kill");
    landed.push(fate === 1);
    if (fate === 2) postZombie(scene, event, locked.get(event.owner) ?? []);
  }
  countMixed(scene.counters, landed);
}

function postZombie(
  { events, random, counters }: CrashScene,
  event: SimulatedEvent,
  locks: readonly SimulatedFile[],
): void {
  counters.add("zombie write");
  for (const file of locks) file.zombies++;
  const zombie: SimulatedEvent = {
    owner: 0,
    land: (kind) => land(event, kind),
    run: () => {
      land(event, "kill");
      for (const file of locks) file.zombies--;
    },
  };
  events.postAfter(random.below(ZOMBIE_MICROS_MAX), zombie, false);
}

function land(event: SimulatedEvent, kind: CrashKind): void {
  try {
    event.land?.(kind);
  } catch {
    // It would have failed, and there is nobody left to be told.
  }
}
