/** Which things go wrong in a run besides crashes, and when. */
import type { Store } from "../../src/index.js";
import type { EngineRun } from "./engine.js";
import type { FaultOptions, Operation } from "./faults.js";

export type Profile = "crashes" | "slow" | "errors" | "full" | "background";

export interface Knobs {
  readonly profile: Profile;
  /** Something was made to fail since the last time that all was well. */
  readonly failing: boolean;
  /** What fails now may do so of a fault that was there when it was begun. */
  readonly excused: boolean;
  /** Only what the background makes can fail: writes go on, whatever happens to that. */
  readonly sparesWrites: boolean;
  beforeOpen(): void;
  /** True if everything works again from here on, so that the store must get over it by itself. */
  duringSession(store: Store): boolean;
  /** Everything works again. */
  off(): void;
}

/** Operations that an error can hit, weighted towards those that the commit path uses. */
const FAILING: readonly Operation[] = [
  "queueWrite",
  "queueWrite",
  "queueWrite",
  "queueWrite",
  "write",
  "write",
  "sync",
  "sync",
  "read",
  "open",
  "zeroFill",
  "truncate",
  "size",
  "list",
  "map",
  "copy",
  "rename",
  "remove",
  "syncDirectory",
  "openLog",
  "close",
  "createDirectory",
  "describe",
  "lock",
];

/** A piece of background work that was under way is over after so many operations. */
const AFTERMATH_OPERATIONS = 500;

export function turnKnobs(run: EngineRun): Knobs {
  const dice = run.random.below(100);
  if (dice < 36) return new Calm(run, "crashes");
  if (dice < 48) return new Slow(run, "slow");
  if (dice < 72) return new Errors(run, "errors");
  if (dice < 84) return new Full(run, "full");
  return new Backstage(run, "background");
}

class Calm implements Knobs {
  readonly profile: Profile;
  readonly sparesWrites: boolean = false;
  failing = false;
  /** Operations of the machine when everything began to work again. */
  #offAt = Number.NEGATIVE_INFINITY;
  protected readonly run: EngineRun;

  constructor(run: EngineRun, profile: Profile) {
    this.run = run;
    this.profile = profile;
  }

  get excused(): boolean {
    return this.failing || this.run.machine.operations - this.#offAt < AFTERMATH_OPERATIONS;
  }

  beforeOpen(): void {}

  duringSession(_store: Store): boolean {
    return false;
  }

  off(): void {
    this.run.machine.removeFaults();
    this.run.machine.capacityBytes = Number.POSITIVE_INFINITY;
    if (this.failing) this.#offAt = this.run.machine.operations;
    this.failing = false;
  }

  protected add(fault: FaultOptions): void {
    this.run.machine.addFault(fault);
    this.run.log(`fault: ${JSON.stringify(fault)}`);
  }
}

/** Nothing fails, but everything takes its time, arrives in parts, and the clock jumps. */
class Slow extends Calm {
  override beforeOpen(): void {
    const { machine, random } = this.run;
    machine.removeFaults();
    this.add({ operation: "queueWrite", write: "short", chance: 0.2 });
    this.add({ operation: "write", write: "short", chance: 0.2 });
    this.add({ operation: "queueWrite", stallMicros: 3000, chance: 0.2 });
    this.add({ operation: ["sync", "zeroFill"], stallMicros: 20_000, chance: 0.3 });
    if (random.chance(0.3)) {
      this.add({ operation: "queueWrite", stallMicros: 1_500_000, at: 1 + random.below(50) });
    }
  }

  override duringSession(): boolean {
    const { machine, random } = this.run;
    machine.jumpClock((random.below(2001) - 1000) * 3_600_000);
    return false;
  }
}

/** Operations fail, once or for ever, with any of the codes that devices give. */
class Errors extends Calm {
  override beforeOpen(): void {
    if (this.run.random.chance(0.5)) this.off();
    if (this.run.random.chance(0.25)) this.#one(80);
  }

  override duringSession(): boolean {
    if (this.run.random.chance(0.7)) this.#one(20);
    return false;
  }

  #one(spread: number): void {
    const { random } = this.run;
    const operation = random.pick(FAILING);
    const opening = operation === "open" || operation === "openLog" || operation === "list";
    const reading = ["read", "size", "list", "map", "copy"].includes(operation);
    const errors = ["EIO", "EIO", opening ? "EMFILE" : "EIO", "ENOSPC", "EROFS"];
    const error = reading ? "EIO" : random.pick(errors);
    const times = random.chance(0.7) ? 1 : Number.POSITIVE_INFINITY;
    this.failing = true;
    this.add({ operation, error, times, at: 1 + random.below(spread) });
  }
}

/** There is no room for the next segment, until there is again. */
class Full extends Calm {
  override beforeOpen(): void {
    const { random } = this.run;
    if (this.failing && random.chance(0.7)) this.off();
    if (!this.failing && random.chance(0.2)) this.#fill();
  }

  override duringSession(): boolean {
    const { random } = this.run;
    if (this.failing && random.chance(0.7)) {
      this.#empty();
      return true;
    }
    if (random.chance(0.7)) this.#fill();
    return false;
  }

  #fill(): void {
    const { machine, random } = this.run;
    const used = machine.files().reduce((sum, path) => sum + machine.read(path).length, 0);
    machine.capacityBytes = used + random.below(random.chance(0.5) ? 4096 : 100_000);
    this.failing = true;
    this.run.log(`full: ${machine.capacityBytes - used} bytes left`);
  }

  #empty(): void {
    this.run.machine.capacityBytes = Number.POSITIVE_INFINITY;
    this.run.count("space returned");
    this.run.log("there is room again");
  }
}

/** Of what the background makes, and nobody else; files of runs are read by the store as well. */
const BACKSTAGE: readonly Operation[] = [
  "open",
  "write",
  "write",
  "truncate",
  "sync",
  "sync",
  "read",
  "close",
  "size",
  "map",
  "remove",
];

/** Runs and archives cannot be made, for a while. */
class Backstage extends Calm {
  override readonly sparesWrites = true;

  override beforeOpen(): void {
    if (this.run.random.chance(0.7)) this.off();
  }

  override duringSession(): boolean {
    const { random } = this.run;
    if (this.failing && random.chance(0.6)) {
      this.off();
      return true;
    }
    this.#one();
    return false;
  }

  #one(): void {
    const { random } = this.run;
    const operation = random.pick(BACKSTAGE);
    const error = random.pick(["EIO", "ENOSPC", operation === "open" ? "EMFILE" : "EIO"]);
    const times = random.chance(0.3) ? 1 : Number.POSITIVE_INFINITY;
    const path = random.chance(0.75) ? ".run" : ".archive";
    this.failing = true;
    this.add({ operation, error, times, path, at: 1 + random.below(4) });
  }
}
