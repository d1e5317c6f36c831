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
import { open, type Store, type StoreWarning } from "../../src/index.js";
import { accountChecks } from "../../src/replay/checks.js";
import { stateDigest } from "../../src/replay/digest.js";
import { REPLAY_TABLES } from "../../src/replay/tables.js";
import { Random } from "../sim/random.js";
import { type EagerOptions, eagerBackground } from "./background.js";
import type { KillFigures } from "./figures.js";
import { KilledSnapshots } from "./killed-snapshots.js";
import { describePlan, type KillPlan, planKill } from "./plan.js";
import { checkReplayState, eventOf, ReplayModel } from "./replay-checks.js";
import {
  type KillOptions,
  killRounds,
  LOCK_MILLIS_MAX,
  type Round,
  type RoundParts,
} from "./rounds.js";
import { assertSound } from "./verify.js";
import { type Ending, runVictim } from "./victim.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const CHILD = fileURLToPath(new URL("replay-child.mjs", import.meta.url));
const TAPE = join(root, "tapes", "binance_spot_btcusdt_20240808.jsonl.gz");
/** Small, so that segments are rotated many times in a run. */
const SEGMENT_BYTES = 256 * 1024;
/** Between two snapshots of a process. */
const SNAPSHOT_MILLIS = 30;
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
  /** With each the sequence that was acknowledged before it was asked for. */
  readonly #snapshots = new KilledSnapshots<number>();
  readonly #background: EagerOptions;
  #plan: KillPlan | undefined;

  constructor(parts: RoundParts, limit: number, random: Random) {
    this.#parts = parts;
    this.#limit = limit;
    this.#random = random;
    this.#background = eagerBackground(random);
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
    const { backend } = options;
    const child = {
      directory,
      tape: TAPE,
      limit: this.#limit,
      options: { backend, segmentBytes: SEGMENT_BYTES, ...this.#background },
      snapshotMillis: SNAPSHOT_MILLIS,
    };
    return runVictim({
      args: [CHILD, JSON.stringify(child)],
      directory,
      plan: this.#plan,
      onLine: (line) => this.#acknowledge(line),
    });
  }

  /** What a process says first is what it found: that, too, can only have grown. */
  #acknowledge(line: string): void {
    if (this.#snapshots.line(line, () => this.#acknowledged.sequence)) return;
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
      checks: accountChecks(model.symbol),
      segmentBytes: SEGMENT_BYTES,
      ...this.#background,
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
      for (const { info, mark } of this.#snapshots.found(store.snapshots())) {
        await this.#lookAt(info.name, mark, model.symbol);
      }
    } finally {
      await store.close();
    }
  }

  /** Beside the store, which has it open; against a model that comes this way for the first time. */
  async #lookAt(name: string, before: number, symbol: string): Promise<void> {
    const { directory, figures, options } = this.#parts;
    const snapshot = await open(directory, {
      backend: options.backend,
      at: name,
      tables: REPLAY_TABLES,
    });
    const { sequence } = snapshot;
    assert.ok(sequence >= before, `snapshot ${name} is of ${sequence}, ${before} was acknowledged`);
    const state = {
      lastSequence: sequence,
      table: snapshot.table.bind(snapshot) as unknown as Store["table"],
    };
    checkReplayState(state, symbol);
    const model = await ReplayModel.of(TAPE);
    const expected = await model.digestAt(eventOf(state));
    assert.equal(stateDigest(state as Store), expected, `the state of snapshot ${name}`);
    await snapshot.close();
    figures.snapshots++;
  }

  async #finish(ending: Ending, model: ReplayModel): Promise<void> {
    assert.equal(ending.code, 0, `it ended with ${ending.code}: ${ending.errors}`);
    const result = JSON.parse(ending.output) as { events: number; digest: string };
    assert.equal(result.events, this.#limit);
    await this.#look(model);
    const expected = await model.digestAt(this.#limit);
    assert.equal(result.digest, expected, "the digest is that of an uninterrupted run");
    await assertSound(this.#parts.directory);
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
