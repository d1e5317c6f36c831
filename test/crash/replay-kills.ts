/**
 * The main job, killed again and again until its tape is finished, on real files.
 *
 * A round is one directory, from nothing to the end of the tape. After every kill what was
 * acknowledged must be there: either the harness opens the store and looks, or the next process
 * does, and says what it found before it goes on.
 */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { open, type StoreWarning } from "../../src/index.js";
import { cashAddsUp } from "../../src/replay/checks.js";
import { stateDigest } from "../../src/replay/digest.js";
import { REPLAY_TABLES } from "../../src/replay/tables.js";
import { Random } from "../sim/random.js";
import { diskOf, type KillBackend, LockWatch } from "./disks.js";
import { KillFigures } from "./figures.js";
import { describePlan, type KillPlan, planKill } from "./plan.js";
import { checkReplayState, eventOf, ReplayModel } from "./replay-checks.js";
import { type Ending, runVictim, tornWarnings } from "./victim.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const MAIN = process.env.HOLDFAST_KILL_MAIN ?? join(root, "dist", "cli", "main.js");
const TAPE = join(root, "tapes", "binance_spot_btcusdt_20240808.jsonl.gz");
/** Small, so that segments are rotated many times in a run. */
const SEGMENT_BYTES = 256 * 1024;
/** A dead process's writes may keep the lock for so long; far less than `open` would wait. */
const LOCK_MILLIS_MAX = 5_000;

export interface ReplayKillOptions {
  readonly backend: KillBackend;
  readonly kills: number;
  readonly seed: number;
  /** Events of the tape in a round. */
  readonly limit: number;
  /** Told of what happens, for people. */
  readonly log?: (line: string) => void;
}

/** Kills until there were `kills`; undefined where the back end is not to be had. */
export async function killReplay(options: ReplayKillOptions): Promise<KillFigures | undefined> {
  const disk = diskOf(options.backend);
  if (disk === undefined) return undefined;
  const figures = new KillFigures(options.backend);
  const locks = new LockWatch(disk);
  const random = new Random(options.seed);
  while (figures.kills < options.kills && figures.failures.length < FAILURES_MAX) {
    const work = mkdtempSync(join(tmpdir(), `holdfast-kill-${options.backend}-`));
    const round = new Round(work, options, figures, locks, random);
    figures.rounds++;
    try {
      await round.run();
      figures.roundsRight++;
      rmSync(work, { recursive: true });
    } catch (error) {
      const message = `${round.describe()}: ${(error as Error).stack}`;
      options.log?.(`FAILED ${message}`);
      figures.failures.push(message);
    }
  }
  figures.lockWaits = locks.waits;
  figures.lockMillisMax = locks.millisMax;
  return figures;
}

/** What is the matter shows in the first few. */
const FAILURES_MAX = 5;

class Round {
  readonly #directory: string;
  readonly #options: ReplayKillOptions;
  readonly #figures: KillFigures;
  readonly #locks: LockWatch;
  readonly #random: Random;
  readonly #acknowledged = { sequence: 0, event: 0 };
  #plan: KillPlan | undefined;

  constructor(
    work: string,
    options: ReplayKillOptions,
    figures: KillFigures,
    locks: LockWatch,
    random: Random,
  ) {
    this.#directory = join(work, "store");
    this.#options = options;
    this.#figures = figures;
    this.#locks = locks;
    this.#random = random;
    mkdirSync(this.#directory);
  }

  /** For whoever has to find out what went wrong. */
  describe(): string {
    const { backend, seed } = this.#options;
    const { kills } = this.#figures;
    const plan = this.#plan === undefined ? "not killed" : describePlan(this.#plan);
    const { sequence, event } = this.#acknowledged;
    return (
      `${backend}, seed ${seed}, kill ${kills} (${plan}), acknowledged ${sequence} (event ` +
      `${event}), left as it was in ${dirname(this.#directory)}`
    );
  }

  async run(): Promise<void> {
    const model = await ReplayModel.of(TAPE);
    for (;;) {
      const enough = this.#figures.kills >= this.#options.kills;
      this.#plan = enough ? undefined : planKill(this.#random);
      const ending = await this.#runOnce();
      if (ending.signal !== "SIGKILL") return this.#finish(ending, model);
      this.#figures.kills++;
      if (ending.whileOpening) this.#figures.killsWhileOpening++;
      this.#options.log?.(this.#progress(ending));
      if (this.#random.chance(0.5)) await this.#look(model);
    }
  }

  #progress(ending: Ending): string {
    const { sequence } = this.#acknowledged;
    const opening = ending.whileOpening ? ", while opening" : "";
    const { kills } = this.#figures;
    const plan = this.#plan && describePlan(this.#plan);
    return `${this.#options.backend} kill ${kills}: ${plan}${opening}; acknowledged ${sequence}`;
  }

  async #runOnce(): Promise<Ending> {
    const { backend, limit } = this.#options;
    const existed = existsSync(join(this.#directory, "manifest.1"));
    const ending = await runVictim({
      args: [
        ...[MAIN, "replay", TAPE, "--dir", this.#directory, "--backend", backend],
        ...["--limit", String(limit), "--segment-bytes", String(SEGMENT_BYTES)],
        ...["--ack-fd", "3", "--digest", "--json"],
      ],
      directory: this.#directory,
      plan: this.#plan,
      onLine: (line) => this.#acknowledge(line),
    });
    for (const bytes of tornWarnings(ending.errors)) this.#figures.torn(bytes);
    const { openMillis } = ending;
    if (openMillis !== undefined) {
      if (existed) this.#figures.recoveries++;
      this.#figures.restartMillisMax = Math.max(this.#figures.restartMillisMax, openMillis);
    }
    return ending;
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
    const warnings: StoreWarning[] = [];
    const waitsBefore = this.#locks.waits;
    const store = await open(this.#directory, {
      disk: this.#locks.disk,
      tables: REPLAY_TABLES,
      checks: [cashAddsUp(model.symbol)],
      segmentBytes: SEGMENT_BYTES,
      onWarning: (warning) => warnings.push(warning),
    });
    try {
      const { created, micros, tornBytes, why } = store.recovery;
      if (!created) this.#figures.recovered(micros / 1000);
      this.#figures.torn(tornBytes);
      const waits = this.#locks.waits - waitsBefore;
      this.#options.log?.(
        `  found ${store.lastSequence}, torn ${tornBytes} (${why}), ${waits} waits`,
      );
      assert.ok(this.#locks.millisMax <= LOCK_MILLIS_MAX, "the lock is free soon after a kill");
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
    assert.equal(result.events, this.#options.limit);
    await this.#look(model);
    const expected = await model.digestAt(this.#options.limit);
    assert.equal(result.digest, expected, "the digest is that of an uninterrupted run");
    this.#figures.transactions += this.#acknowledged.sequence;
  }
}

/** A manifest slot may be torn by a kill, and the end of the log, too. */
const EXPECTED_WARNINGS = new Set<StoreWarning["code"]>([
  "MANIFEST_REPAIRED",
  "TORN_TAIL",
  "SLOW_DISK",
  "WEAK_FILE_SYSTEM",
]);
