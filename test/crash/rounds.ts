/** Rounds of kills: each one a directory of its own, from nothing to its end. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Disk } from "../../src/disk/disk.js";
import { diskOf, type KillBackend, LockWatch } from "./disks.js";
import { KillFigures } from "./figures.js";

export interface KillOptions {
  readonly backend: KillBackend;
  readonly kills: number;
  readonly seed: number;
  /** So many rounds at once, each in its own directory; default: 1. */
  readonly lanes?: number;
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
  const { backend, kills, lanes = 1 } = options;
  const disk = diskOf(backend);
  if (disk === undefined) return undefined;
  const figures = new KillFigures(backend);
  const run = async (): Promise<void> => {
    while (figures.kills < kills && figures.failures.length < FAILURES_MAX) {
      await runRound(options, figures, disk, begin);
    }
  };
  await Promise.all(Array.from({ length: lanes }, run));
  return figures;
}

async function runRound(
  options: KillOptions,
  figures: KillFigures,
  disk: Disk,
  begin: (parts: RoundParts) => Round,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), `holdfast-kill-${options.backend}-`));
  const locks = new LockWatch(disk);
  const round = begin({ directory, options, figures, locks });
  figures.rounds++;
  try {
    await round.run();
    figures.roundsRight++;
    rmSync(directory, { recursive: true });
  } catch (error) {
    const where = `seed ${options.seed}, ${round.describe()}, left as it was in ${directory}`;
    const message = `${where}: ${(error as Error).stack}`;
    options.log?.(`FAILED ${message}`);
    figures.failures.push(message);
  }
  figures.lockWaits += locks.waits;
  figures.lockMillisMax = Math.max(figures.lockMillisMax, locks.millisMax);
}
