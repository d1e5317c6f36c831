/** Which things go wrong in a run besides crashes, and when. */
import type { Store } from "../../src/index.js";
import type { EngineRun } from "./engine.js";
import type { FaultOptions, Operation } from "./faults.js";

export type Profile = "crashes" | "slow" | "errors" | "full";

export interface Knobs {
  readonly profile: Profile;
  /** Something was made to fail since the last time that all was well. */
  readonly failing: boolean;
  beforeOpen(): void;
  duringSession(store: Store): void;
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
  "remove",
  "syncDirectory",
  "openLog",
  "close",
  "createDirectory",
  "describe",
  "lock",
];

export function turnKnobs(run: EngineRun): Knobs {
  const dice = run.random.below(100);
  if (dice < 40) return new Calm(run, "crashes");
  if (dice < 55) return new Slow(run, "slow");
  if (dice < 85) return new Errors(run, "errors");
  return new Full(run, "full");
}

class Calm implements Knobs {
  readonly profile: Profile;
  failing = false;
  protected readonly run: EngineRun;

  constructor(run: EngineRun, profile: Profile) {
    this.run = run;
    this.profile = profile;
  }

  beforeOpen(): void {}

  duringSession(_store: Store): void {}

  off(): void {
    this.run.machine.removeFaults();
    this.run.machine.capacityBytes = Number.POSITIVE_INFINITY;
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

  override duringSession(): void {
    const { machine, random } = this.run;
    machine.jumpClock((random.below(2001) - 1000) * 3_600_000);
  }
}

/** Operations fail, once or for ever, with any of the codes that devices give. */
class Errors extends Calm {
  override beforeOpen(): void {
    if (this.run.random.chance(0.5)) this.off();
    if (this.run.random.chance(0.25)) this.#one(80);
  }

  override duringSession(): void {
    if (this.run.random.chance(0.7)) this.#one(20);
  }

  #one(spread: number): void {
    const { random } = this.run;
    const operation = random.pick(FAILING);
    const opening = operation === "open" || operation === "openLog" || operation === "list";
    const error = random.pick(["EIO", "EIO", opening ? "EMFILE" : "EIO", "ENOSPC", "EROFS"]);
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

  override duringSession(): void {
    const { random } = this.run;
    if (this.failing && random.chance(0.7)) this.#empty();
    else if (random.chance(0.7)) this.#fill();
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
