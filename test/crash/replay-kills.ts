/**
 * The main job, killed again and again until its tape is finished, on real files.
 *
 * A round is one directory, from nothing to the end of the tape. After every kill what was
 * acknowledged must be there: either the harness opens the store and looks, or the next process
 * does, and says what it found before it goes on.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { open, type StoreWarning } from "../../src/index.js";
import { cashAddsUp } from "../../src/replay/checks.js";
import { stateDigest } from "../../src/replay/digest.js";
import { REPLAY_TABLES } from "../../src/replay/tables.js";
import { Random } from "../sim/random.js";
import type { KillFigures } from "./figures.js";
import { describePlan, type KillPlan, planKill } from "./plan.js";
import { checkReplayState, eventOf, ReplayModel } from "./replay-checks.js";
import {
  type KillOptions,
  killRounds,
  LOCK_MILLIS_MAX,
  type Round,
  type RoundParts,
} from "./rounds.js";
import { type Ending, runVictim } from "./victim.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = join(root, "dist", "cli", "main.js");
const TAPE = join(root, "tapes", "binance_spot_btcusdt_20240808.jsonl.gz");
/** Small, so that segments are rotated many times in a run. */
const SEGMENT_BYTES = 256 * 1024;
const ACKNOWLEDGEMENTS_MAX = 30;

export interface ReplayKillOptions extends KillOptions {
  /** Events of the tape in a round. */
  readonly limit: number;
}

/** Kills the replay of the tape that ships with the package. */
export function killReplay(options: ReplayKillOptions): Promise<KillFigures | undefined> {
  const random = new Random(options.seed);
  return killRounds(options, (parts) => new ReplayRound(parts, options.limit, random));
}

class ReplayRound implements Round {
  readonly #parts: RoundParts;
  readonly #limit: number;
  readonly #random: Random;
  readonly #acknowledged = { sequence: 0, event: 0 };
  #plan: KillPlan | undefined;

  constructor(parts: RoundParts, limit: number, random: Random) {
    this.#parts = parts;
    this.#limit = limit;
    this.#random = random;
  }

  describe(): string {
    const { options, figures } = this.#parts;
    const plan = this.#plan === undefined ? "not killed" : describePlan(this.#plan);
    const { sequence, event } = this.#acknowledged;
    return `${options.backend} ${figures.kills}: ${plan}, acknowledged ${sequence} (event ${event})`;
  }

  async run(): Promise<void> {
    const { figures, options } = this.#parts;
    const model = await ReplayModel.of(TAPE);
    for (;;) {
      this.#plan =
        figures.kills >= options.kills ? undefined : planKill(this.#random, ACKNOWLEDGEMENTS_MAX);
      const ending = await this.#runOnce();
      figures.ended(ending);
      if (ending.signal !== "SIGKILL") return this.#finish(ending, model);
      options.log?.(`${this.describe()}${ending.whileOpening ? ", while opening" : ""}`);
      if (this.#random.chance(0.5)) await this.#look(model);
    }
  }

  #runOnce(): Promise<Ending> {
    const { directory, options } = this.#parts;
    return runVictim({
      args: [
        ...[MAIN, "replay", TAPE, "--dir", directory, "--backend", options.backend],
        ...["--limit", String(this.#limit), "--segment-bytes", String(SEGMENT_BYTES)],
        ...["--ack-fd", "3", "--digest", "--json"],
      ],
      directory,
      plan: this.#plan,
      onLine: (line) => this.#acknowledge(line),
    });
  }

  /** What a process says first is what it found: that, too, can only have grown. */
  #acknowledge(line: string): void {
    assert.match(line, /^\d+ \d+$/);
    const [sequence, event] = line.split(" ").map(Number) as [number, number];
    const before = this.#acknowledged;
    assert.ok(sequence >= before.sequence, `${sequence} after ${before.sequence} was acknowledged`);
    assert.ok(event >= before.event, `event ${event} after ${before.event} was acknowledged`);
    before.sequence = sequence;
    before.event = event;
  }

  /** Opens the store, which is a recovery as good as any, and looks at everything in it. */
  async #look(model: ReplayModel): Promise<void> {
    const { directory, figures, locks, options } = this.#parts;
    const warnings: StoreWarning[] = [];
    const store = await open(directory, {
      disk: locks.disk,
      tables: REPLAY_TABLES,
      checks: [cashAddsUp(model.symbol)],
      segmentBytes: SEGMENT_BYTES,
      onWarning: (warning) => warnings.push(warning),
    });
    try {
      const { tornBytes, why } = store.recovery;
      figures.recovered(store.recovery);
      options.log?.(`  found ${store.lastSequence}, torn ${tornBytes} (${why})`);
      assert.ok(locks.millisMax <= LOCK_MILLIS_MAX, "the lock is free soon after a kill");
      this.#acknowledge(`${store.lastSequence} ${eventOf(store)}`);
      checkReplayState(store, model.symbol);
      const expected = await model.digestAt(eventOf(store));
      assert.equal(stateDigest(store), expected, "the state is that of the model at this event");
      const unexpected = warnings.filter(({ code }) => !EXPECTED_WARNINGS.has(code));
      assert.deepEqual(unexpected, [], "no warning but of what a kill leaves behind");
    } finally {
      await store.close();
    }
  }

  async #finish(ending: Ending, model: ReplayModel): Promise<void> {
    assert.equal(ending.code, 0, `it ended with ${ending.code}: ${ending.errors}`);
    const result = JSON.parse(ending.output) as { events: number; digest: string };
    assert.equal(result.events, this.#limit);
    await this.#look(model);
    const expected = await model.digestAt(this.#limit);
    assert.equal(result.digest, expected, "the digest is that of an uninterrupted run");
    this.#parts.figures.transactions += this.#acknowledged.sequence;
  }
}

/** A manifest slot may be torn by a kill, and the end of the log, too. */
const EXPECTED_WARNINGS = new Set<StoreWarning["code"]>([
  "MANIFEST_REPAIRED",
  "TORN_TAIL",
  "SLOW_DISK",
  "WEAK_FILE_SYSTEM",
]);
