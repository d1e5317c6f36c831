/**
 * Processes that live for some hundredths of a second: each opens what the one before it has left,
 * looks at it, writes on, and is killed, at a random instant or at a failpoint. The opening of one is
 * the check of the kill before it, which is what makes very many kills affordable; and so is that a
 * process has several stores, all of which are killed with it.
 */
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { FAILPOINTS, type Failpoint, failpointName } from "./failpoint-disk.mjs";
import type { KillFigures } from "./figures.js";
import { describePlan, type KillPlan } from "./plan.js";
import {
  type KillOptions,
  killRounds,
  LOCK_MILLIS_MAX,
  type Round,
  type RoundParts,
} from "./rounds.js";
import { ShortLifeStore } from "./short-life-store.js";
import { assertSound } from "./verify.js";
import { type Ending, runVictim } from "./victim.js";

const CHILD = fileURLToPath(new URL("short-life-child.mjs", import.meta.url));
/** Of a process. */
const STORES = 4;
/** Of stores. */
const KILLS_A_ROUND = 100;
/** Of so many processes one ends itself, or is asked to end. */
const ENDS_CHANCE = 0.08;
/** Of so many the newest snapshot is opened: a second opening, and by far the dearest look. */
const LOOK_CHANCE = 0.25;
const LATER_MILLIS_MAX = 120;
/** A failpoint that was met before and has not come by then is not to come in this process. */
const FAILPOINT_MILLIS_MAX = 120;
/** One that was never met is waited for: the background takes some steps seldom. */
const FIRST_MILLIS_MAX = 5_000;
const OPENING_CHANGES = 6;

/** Which failpoints were met, over all rounds of a back end. */
export class FailpointHits {
  /** How processes ended that were not killed. */
  readonly ends = new Map<End["how"], number>();
  readonly #hits = new Map(FAILPOINTS.map((point) => [failpointName(point), 0]));

  /** One of those that were never met; any of them once all were. */
  next(random: Random, points: readonly Failpoint[]): Failpoint {
    const never = points.filter((point) => this.of(point) === 0);
    return random.pick(never.length > 0 ? never : points);
  }

  hit(point: Failpoint): void {
    this.#hits.set(failpointName(point), this.of(point) + 1);
  }

  of(point: Failpoint): number {
    return this.#hits.get(failpointName(point)) as number;
  }

  ended(how: End["how"]): void {
    this.ends.set(how, (this.ends.get(how) ?? 0) + 1);
  }

  get total(): number {
    return [...this.#hits.values()].reduce((sum, hits) => sum + hits, 0);
  }

  /** How many were met. */
  get kinds(): number {
    return this.#hits.size - this.missing.length;
  }

  /** Names of those that were never met. */
  get missing(): string[] {
    return [...this.#hits].filter(([, hits]) => hits === 0).map(([name]) => name);
  }

  toString(): string {
    return [...this.#hits].map(([name, hits]) => `${name} ${hits}`).join(", ");
  }
}

/** Kills so many short lives. */
export function killShortLives(
  options: KillOptions,
  hits: FailpointHits,
): Promise<KillFigures | undefined> {
  const random = new Random(options.seed);
  return killRounds(options, (parts) => new ShortLifeRound(parts, random.fork(), hits));
}

type Point = Failpoint & { readonly nth: number };

/** How a process ends itself, after so many acknowledgements; or is asked to, with SIGTERM. */
interface End {
  readonly how: "exit" | "throw" | "SIGTERM";
  readonly after: number;
}

/** By the way it is to end: with which code or signal it does. */
const ENDINGS = { exit: 7, throw: 1, SIGTERM: "SIGTERM", kill: "SIGKILL" } as const;

class ShortLifeRound implements Round {
  readonly #parts: RoundParts;
  readonly #random: Random;
  readonly #hits: FailpointHits;
  readonly #stores: readonly ShortLifeStore[];
  #kills = 0;
  #plan: KillPlan = { when: "later", delayMillis: 0 };
  /** The store by which the process is killed, or ends itself. */
  #chosen: ShortLifeStore;
  #point: Point | undefined;
  #end: End | undefined;
  #atPoint = false;

  constructor(parts: RoundParts, random: Random, hits: FailpointHits) {
    this.#parts = parts;
    this.#random = random;
    this.#hits = hits;
    this.#stores = Array.from({ length: STORES }, (_, i) => {
      const directory = join(parts.directory, String(i));
      mkdirSync(directory);
      return new ShortLifeStore(directory, random, parts.figures);
    });
    this.#chosen = this.#stores[0] as ShortLifeStore;
  }

  describe(): string {
    const { options, figures } = this.#parts;
    const point = this.#point === undefined ? "" : `, ${JSON.stringify(this.#point)}`;
    const { directory } = this.#chosen;
    const acknowledged = this.#stores.map((store) => store.acknowledged).join(", ");
    const settings = JSON.stringify(this.#stores.map((store) => store.settings));
    return (
      `${options.backend} ${figures.kills}: ${describePlan(this.#plan)}${point}, by ` +
      `${directory}, acknowledged ${acknowledged}, ${settings}`
    );
  }

  async run(): Promise<void> {
    while (this.#kills < KILLS_A_ROUND) {
      this.#draw();
      await this.#live();
    }
    for (const store of this.#stores) {
      await this.#mend(store);
      await assertSound(store.directory);
      this.#parts.figures.transactions += store.acknowledged;
    }
  }

  /** What the last kill has torn is set aside by an opening, as after every kill. */
  async #mend({ directory, settings }: ShortLifeStore): Promise<void> {
    const { locks } = this.#parts;
    const { segmentBytes } = settings;
    const store = await open(directory, { disk: locks.disk, segmentBytes, onWarning: () => {} });
    await store.close();
    assert.ok(locks.millisMax <= LOCK_MILLIS_MAX, "the lock is free soon after a kill");
  }

  /** Half of the kills at failpoints, the others at any time, some of these while they open. */
  #draw(): void {
    const random = this.#random;
    this.#chosen = random.pick(this.#stores);
    this.#point = undefined;
    this.#end = undefined;
    if (random.chance(ENDS_CHANCE)) {
      this.#end = { how: random.pick(["exit", "throw", "SIGTERM"]), after: random.below(60) };
      this.#plan = { when: "later", delayMillis: FAILPOINT_MILLIS_MAX };
    } else if (random.chance(0.5)) {
      const point = this.#hits.next(random, this.#points());
      // The first time it comes, until that was met.
      const often = point.operation === "submit" || point.operation === "completed";
      const isNew = this.#hits.of(point) === 0;
      const most = isNew ? 1 : often ? 40 : 3;
      this.#point = { ...point, nth: 1 + random.below(most) };
      const delayMillis = isNew ? FIRST_MILLIS_MAX : FAILPOINT_MILLIS_MAX;
      this.#plan = { when: "later", delayMillis };
    } else if (random.chance(0.4)) {
      const changes = 1 + random.below(OPENING_CHANGES);
      this.#plan = { when: "opening", changes, delayMillis: random.below(4) };
    } else this.#plan = { when: "later", delayMillis: random.below(LATER_MILLIS_MAX) };
  }

  /** Those that can come under the settings of the store. */
  #points(): readonly Failpoint[] {
    const archives = this.#chosen.settings.background.history !== "none";
    return FAILPOINTS.filter(({ file }) => archives || file !== "archive");
  }

  async #live(): Promise<void> {
    const { options, figures } = this.#parts;
    this.#atPoint = false;
    const stores = this.#stores.map((store) => this.#orders(store));
    const ending = await runVictim({
      args: [CHILD, JSON.stringify({ backend: options.backend, stores })],
      directory: this.#chosen.directory,
      plan: this.#plan,
      signal: this.#end?.how === "SIGTERM" ? "SIGTERM" : "SIGKILL",
      onLine: (line) => this.#line(line),
    });
    this.#ended(ending);
    for (const { opened } of this.#stores) {
      if (ending.signal === "SIGKILL") this.#kills++;
      figures.killed(ending, !opened);
    }
    options.log?.(this.describe());
  }

  /** What the process is to do with a store. */
  #orders(store: ShortLifeStore) {
    store.opened = false;
    const random = this.#random;
    const { background, ...rest } = store.settings;
    const isChosen = store === this.#chosen;
    return {
      directory: store.directory,
      options: { ...rest, ...background, cachedDelayMicros: 1000 },
      inFlight: random.pick([1, 8, 64]),
      looks: random.chance(LOOK_CHANCE),
      snapshotMillis: random.pick([2, 10]),
      closeEvery: random.pick([50, 500, 100_000]),
      point: isChosen ? this.#point : undefined,
      end: isChosen && this.#end?.how !== "SIGTERM" ? this.#end : undefined,
    };
  }

  #ended(ending: Ending): void {
    const { code, signal, errors } = ending;
    const how = code ?? signal;
    // One that was to end itself may have been too slow for that.
    const killed = how === "SIGKILL" && this.#end?.how !== "SIGTERM";
    assert.ok(
      killed || how === ENDINGS[this.#end?.how ?? "kill"],
      `it ended with ${how}: ${errors}`,
    );
    if (!killed && this.#end !== undefined) this.#hits.ended(this.#end.how);
    if (this.#atPoint && this.#point !== undefined) this.#hits.hit(this.#point);
  }

  /** The number of a store, and what is said of it. */
  #line(line: string): void {
    if (line === "point") {
      this.#atPoint = true;
      return;
    }
    const space = line.indexOf(" ");
    const store = this.#stores[Number(line.slice(0, space))];
    assert.ok(store !== undefined, `it said "${line}"`);
    store.line(line.slice(space + 1));
  }
}
