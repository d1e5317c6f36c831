/** Rounds of kills: each one a directory of its own, from nothing to its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { diskOf, type KillBackend, LockWatch } from "./disks.js";
import { KillFigures } from "./figures.js";

export interface KillOptions {
  readonly backend: KillBackend;
  readonly kills: number;
  readonly seed: number;
  /** Told of what happens, for people. */
  readonly log?: (line: string) => void;
}

/** What a round works with. */
export interface RoundParts {
  /** A directory that is there and empty. */
  readonly directory: string;
  readonly options: KillOptions;
  readonly figures: KillFigures;
  readonly locks: LockWatch;
}

export interface Round {
  /** Throws at the first thing that is not as it should be. */
  run(): Promise<void>;
  /** Where it is, for whoever has to find out what went wrong. */
  describe(): string;
}

/** A dead process's writes may keep the lock for so long; far less than `open` would wait. */
export const LOCK_MILLIS_MAX = 5_000;

/** What is the matter shows in the first few. */
const FAILURES_MAX = 5;

/**
 * Begins rounds until there were `kills`. The directory of a round that failed is left as it is.
 * Gives undefined where the back end is not to be had.
 */
export async function killRounds(
  options: KillOptions,
  begin: (parts: RoundParts) => Round,
): Promise<KillFigures | undefined> {
  const { backend, kills, log } = options;
  const disk = diskOf(backend);
  if (disk === undefined) return undefined;
  const figures = new KillFigures(backend);
  const locks = new LockWatch(disk);
  while (figures.kills < kills && figures.failures.length < FAILURES_MAX) {
    const directory = mkdtempSync(join(tmpdir(), `holdfast-kill-${backend}-`));
    const round = begin({ directory, options, figures, locks });
    figures.rounds++;
    try {
      await round.run();
      figures.roundsRight++;
      rmSync(directory, { recursive: true });
    } catch (error) {
      const where = `seed ${options.seed}, ${round.describe()}, left as it was in ${directory}`;
      const message = `${where}: ${(error as Error).stack}`;
      log?.(`FAILED ${message}`);
      figures.failures.push(message);
    }
  }
  figures.lockWaits = locks.waits;
  figures.lockMillisMax = locks.millisMax;
  return figures;
}
