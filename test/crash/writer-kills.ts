/**
 * Many writers at once, with several frames in flight and rows of all sizes, killed again and again.
 * A round is a directory, killed so often that its log does not grow without bound.
 */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { open } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { type EagerOptions, eagerBackground } from "./background.js";
import type { KillFigures } from "./figures.js";
import { KilledSnapshots } from "./killed-snapshots.js";
import { describePlan, type KillPlan, planKill } from "./plan.js";
import {
  type KillOptions,
  killRounds,
  LOCK_MILLIS_MAX,
  type Round,
  type RoundParts,
} from "./rounds.js";
import { assertSound } from "./verify.js";
import { runVictim } from "./victim.js";
import {
  Acknowledged,
  checkWriters,
  checkWritersAt,
  WRITER_TABLES,
  WRITERS,
} from "./writer-checks.js";

const CHILD = fileURLToPath(new URL("writers-child.mjs", import.meta.url));
const KILLS_A_ROUND = 5;
const ACKNOWLEDGEMENTS_MAX = 3_000;
/** Smaller than a frame can be, of some frames, and of many. */
const SEGMENT_BYTES = [256 * 1024, 2 * 1024 * 1024, 16 * 1024 * 1024];
/** Between two snapshots of a process. */
const SNAPSHOT_MILLIS = 15;
/** Bytes of the largest rows. */
const LARGEST = [4_000, 400_000, 1_000_000];

/** Kills the writers of writers.mjs. */
export function killWriters(options: KillOptions): Promise<KillFigures | undefined> {
  const random = new Random(options.seed);
  return killRounds(options, (parts) => new WriterRound(parts, random));
}

class WriterRound implements Round {
  readonly #parts: RoundParts;
  readonly #random: Random;
  readonly #acknowledged = new Acknowledged();
  readonly #snapshots = new KilledSnapshots<readonly number[]>();
  readonly #background: EagerOptions;
  readonly #segmentBytes: number;
  readonly #largest: number;
  #plan: KillPlan;

  constructor(parts: RoundParts, random: Random) {
    this.#parts = parts;
    this.#random = random;
    this.#background = eagerBackground(random);
    this.#segmentBytes = random.pick(SEGMENT_BYTES);
    this.#largest = random.pick(LARGEST);
    this.#plan = planKill(random, ACKNOWLEDGEMENTS_MAX);
  }

  describe(): string {
    const { options, figures } = this.#parts;
    return (
      `${options.backend} ${figures.kills}: ${describePlan(this.#plan)}, segments of ` +
      `${this.#segmentBytes}, rows up to ${this.#largest}, acknowledged ${this.#acknowledged.total}`
    );
  }

  async run(): Promise<void> {
    for (let kill = 1; kill <= KILLS_A_ROUND; kill++) {
      if (kill > 1) this.#plan = planKill(this.#random, ACKNOWLEDGEMENTS_MAX);
      await this.#runOnce();
      if (kill === KILLS_A_ROUND || this.#random.chance(0.5)) await this.#look();
    }
    await assertSound(this.#parts.directory);
    this.#parts.figures.transactions += this.#acknowledged.total;
  }

  async #runOnce(): Promise<void> {
    const { directory, options, figures } = this.#parts;
    const { backend, log } = options;
    const child = {
      directory,
      options: {
        backend,
        segmentBytes: this.#segmentBytes,
        framesInFlight: 8,
        ...this.#background,
      },
      writers: WRITERS,
      largest: this.#largest,
      snapshotMillis: SNAPSHOT_MILLIS,
    };
    const acknowledged = this.#acknowledged;
    const ending = await runVictim({
      args: [CHILD, JSON.stringify(child)],
      directory,
      plan: this.#plan,
      onLine: (line) => {
        const known = () => acknowledged.counters;
        if (!this.#snapshots.line(line, known)) acknowledged.line(line);
      },
    });
    assert.equal(ending.signal, "SIGKILL", `it ended with ${ending.code}: ${ending.errors}`);
    figures.ended(ending);
    log?.(`${this.describe()}${ending.whileOpening ? ", while opening" : ""}`);
  }

  async #look(): Promise<void> {
    const { directory, figures, locks, options } = this.#parts;
    const store = await open(directory, {
      disk: locks.disk,
      tables: WRITER_TABLES,
      segmentBytes: this.#segmentBytes,
      ...this.#background,
      onWarning: () => {},
    });
    try {
      const { tornBytes, why } = store.recovery;
      figures.recovered(store.recovery);
      options.log?.(`  found ${store.lastSequence}, torn ${tornBytes} (${why})`);
      assert.ok(locks.millisMax <= LOCK_MILLIS_MAX, "the lock is free soon after a kill");
      checkWriters(store, this.#acknowledged);
      for (const { info, mark } of this.#snapshots.found(store.snapshots())) {
        await this.#lookAt(info.name, mark);
      }
    } finally {
      await store.close();
    }
  }
  /** Beside the store, which has it open. */
  async #lookAt(name: string, before: readonly number[]): Promise<void> {
    const { directory, figures, options } = this.#parts;
    const { backend } = options;
    const snapshot = await open(directory, { backend, at: name, tables: WRITER_TABLES });
    checkWritersAt(snapshot, snapshot.sequence, before);
    await snapshot.close();
    figures.snapshots++;
  }
}
