/**
 * Processes that live for some hundredths of a second: each opens what the one before it has left,
 * looks at it, writes on, and is killed, at a random instant or at a failpoint. The opening of one is
 * the check of the kill before it, which is what makes very many kills affordable.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { open, type RecoveryReport, type SnapshotInfo } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { type EagerOptions, eagerBackground } from "./background.js";
import { FAILPOINTS, type Failpoint, failpointName } from "./failpoint-disk.mjs";
import type { KillFigures } from "./figures.js";
import { quotesOf } from "./history.mjs";
import { KilledSnapshots } from "./killed-snapshots.js";
import { describePlan, type KillPlan } from "./plan.js";
import {
  type KillOptions,
  killRounds,
  LOCK_MILLIS_MAX,
  type Round,
  type RoundParts,
} from "./rounds.js";
import { assertSound } from "./verify.js";
import { type Ending, runVictim } from "./victim.js";

const CHILD = fileURLToPath(new URL("short-life-child.mjs", import.meta.url));
const KILLS_A_ROUND = 25;
/** Of so many processes one ends itself, or is asked to end. */
const ENDS_CHANCE = 0.08;
/** Of so many the newest snapshot is opened: a second opening, and by far the dearest look. */
const LOOK_CHANCE = 0.25;
const LATER_MILLIS_MAX = 40;
/** A failpoint that was met before and has not come by then is not to come in this process. */
const FAILPOINT_MILLIS_MAX = 60;
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

interface Settings {
  readonly segmentBytes: number;
  readonly framesInFlight: number;
  readonly background: EagerOptions;
}

type Point = Failpoint & { readonly nth: number };

/** How a process ends itself, after so many acknowledgements; or is asked to, with SIGTERM. */
interface End {
  readonly how: "exit" | "throw" | "SIGTERM";
  readonly after: number;
}

/** By the way it is to end: with which code or signal it does. */
const ENDINGS = { exit: 7, throw: 1, SIGTERM: "SIGTERM", kill: "SIGKILL" } as const;

interface Found {
  readonly last: number;
  readonly quotes: readonly (readonly [key: number, n: number])[];
  readonly snapshots: readonly SnapshotInfo[];
  readonly recovery: RecoveryReport;
}

class ShortLifeRound implements Round {
  readonly #parts: RoundParts;
  readonly #random: Random;
  readonly #hits: FailpointHits;
  readonly #settings: Settings;
  /** Those that can come under these settings. */
  readonly #points: readonly Failpoint[];
  readonly #snapshots = new KilledSnapshots<number>();
  /** What had been acknowledged before each snapshot that was opened in this life. */
  readonly #marks = new Map<string, number>();
  #kills = 0;
  #acknowledged = 0;
  /** Of the cached table, what is known to be durable: by key, the number of its transaction. */
  readonly #quotes = new Map<number, number>();
  #plan: KillPlan = { when: "later", delayMillis: 0 };
  #point: Point | undefined;
  #end: End | undefined;
  #opened = false;
  #atPoint = false;

  constructor(parts: RoundParts, random: Random, hits: FailpointHits) {
    this.#parts = parts;
    this.#random = random;
    this.#hits = hits;
    this.#settings = {
      segmentBytes: random.pick([64, 128, 512]) * 1024,
      framesInFlight: random.pick([1, 4, 16]),
      background: eagerBackground(random),
    };
    const archives = this.#settings.background.history !== "none";
    this.#points = FAILPOINTS.filter(({ file }) => archives || file !== "archive");
  }

  describe(): string {
    const { options, figures } = this.#parts;
    const point = this.#point === undefined ? "" : `, ${JSON.stringify(this.#point)}`;
    return (
      `${options.backend} ${figures.kills}: ${describePlan(this.#plan)}${point}, ` +
      `${JSON.stringify(this.#settings)}, acknowledged ${this.#acknowledged}`
    );
  }

  async run(): Promise<void> {
    while (this.#kills < KILLS_A_ROUND) {
      this.#draw();
      await this.#live();
    }
    await this.#mend();
    await assertSound(this.#parts.directory);
    this.#parts.figures.transactions += this.#acknowledged;
  }

  /** What the last kill has torn is set aside by an opening, as after every kill. */
  async #mend(): Promise<void> {
    const { directory, locks } = this.#parts;
    const { segmentBytes } = this.#settings;
    const store = await open(directory, { disk: locks.disk, segmentBytes, onWarning: () => {} });
    await store.close();
    assert.ok(locks.millisMax <= LOCK_MILLIS_MAX, "the lock is free soon after a kill");
  }

  /** Half of the kills at failpoints, the others at any time, some of these while they open. */
  #draw(): void {
    const random = this.#random;
    this.#point = undefined;
    this.#end = undefined;
    if (random.chance(ENDS_CHANCE)) {
      this.#end = { how: random.pick(["exit", "throw", "SIGTERM"]), after: random.below(60) };
      this.#plan = { when: "later", delayMillis: FAILPOINT_MILLIS_MAX };
    } else if (random.chance(0.5)) {
      const point = this.#hits.next(random, this.#points);
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

  async #live(): Promise<void> {
    const { directory, options, figures } = this.#parts;
    const random = this.#random;
    const { background, ...rest } = this.#settings;
    this.#opened = false;
    this.#atPoint = false;
    const child = {
      directory,
      backend: options.backend,
      options: { ...rest, ...background, cachedDelayMicros: 1000 },
      inFlight: random.pick([1, 8, 64]),
      looks: random.chance(LOOK_CHANCE),
      snapshotMillis: random.pick([2, 10]),
      closeEvery: random.pick([50, 500, 100_000]),
      point: this.#point,
      end: this.#end?.how === "SIGTERM" ? undefined : this.#end,
    };
    const ending = await runVictim({
      args: [CHILD, JSON.stringify(child)],
      directory,
      plan: this.#plan,
      signal: this.#end?.how === "SIGTERM" ? "SIGTERM" : "SIGKILL",
      onLine: (line) => this.#line(line),
    });
    this.#ended(ending);
    if (ending.signal === "SIGKILL") this.#kills++;
    figures.killed(ending, !this.#opened);
    options.log?.(this.describe());
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

  #line(line: string): void {
    if (this.#snapshots.line(line, () => this.#acknowledged)) return;
    const [what, rest] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    if (line === "point") this.#atPoint = true;
    else if (what === "a") this.#acknowledged = Math.max(this.#acknowledged, Number(rest));
    else if (what === "q")
      this.#quotesDurable(...(rest.split(" ").map(Number) as [number, number]));
    else if (what === "found") this.#found(JSON.parse(rest) as Found);
    else if (what === "looked") this.#looked(rest);
    else assert.fail(`it said "${line}"`);
  }

  #quotesDurable(from: number, last: number): void {
    for (const [key, n] of quotesOf(from, last)) this.#quotes.set(key, n);
  }

  #found({ last, quotes, snapshots, recovery }: Found): void {
    this.#opened = true;
    const { figures } = this.#parts;
    figures.recovered(recovery);
    assert.ok(
      last >= this.#acknowledged,
      `found ${last}, acknowledged ${this.#acknowledged}; recovery ${JSON.stringify(recovery)}`,
    );
    this.#acknowledged = last;
    const there = new Map(quotes);
    for (const [key, n] of this.#quotes) {
      const quote = there.get(key) ?? 0;
      assert.ok(quote >= n, `quote ${key} is ${quote}, ${n} was durable`);
      this.#quotes.set(key, quote);
    }
    this.#marks.clear();
    for (const { info, mark } of this.#snapshots.found(snapshots)) {
      this.#marks.set(info.name, mark);
    }
  }

  #looked(text: string): void {
    const [name, last] = text.split(" ") as [string, string];
    const mark = this.#marks.get(name);
    assert.ok(mark !== undefined, `snapshot ${name} is one of those found`);
    assert.ok(Number(last) >= mark, `snapshot ${name} has ${last}, acknowledged were ${mark}`);
    this.#parts.figures.snapshots++;
  }
}
