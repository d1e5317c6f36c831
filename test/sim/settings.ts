/** How the store of a run is set up: so that its background has work in every one of them. */
import type { OpenOptions } from "../../src/index.js";
import type { Random } from "./random.js";

export type Settings = Pick<
  OpenOptions,
  "recoveryBudgetMillis" | "snapshotEveryMillis" | "backgroundBytesPerSecond"
> & {
  readonly finalSnapshotMillis: number;
  readonly history: NonNullable<OpenOptions["history"]>;
  readonly bounds: NonNullable<OpenOptions["bounds"]> & {
    readonly fileBytes: number;
    readonly runsPerTier: number;
  };
};

/** Bounds of a frame: mostly far below a segment of 64 KiB, now and then above. */
export const FRAME_BYTES_MAXIMA = [8192, 8192, 8192, 12_288, 12_288, 16_384, 16_384, 196_608];

const MANY = Number.MAX_SAFE_INTEGER;

/** One for each run: a store keeps its ways. */
export function chooseSettings(random: Random): Settings {
  const slowBytes = random.chance(0.15) ? random.pick([20_000, 60_000]) : 1e9;
  return {
    recoveryBudgetMillis: random.pick([1, 1, 5, 50, 60_000]),
    snapshotEveryMillis: random.pick([0, 2, 10, 30, 100]),
    finalSnapshotMillis: random.pick([0, 0, 10, 1000]),
    backgroundBytesPerSecond: random.pick([65_536, 10_000_000, MANY]),
    history: random.pick([
      "none",
      "none",
      "all",
      "all",
      { keepBytes: 30_000 },
      { keepForMillis: 100 },
    ]),
    bounds: {
      // Above a block of 8 KiB, and a frame: a job is given file ids by the length of its input.
      fileBytes: random.pick([10_000, 16_000, 1_000_000]),
      arenaBytes: random.pick([16_384, 50_000, 1_000_000]),
      runsPerTier: 2 + random.below(3),
      runsHurry: random.pick([3, 40]),
      rowBytes: random.pick([0, 3000, 15_000, 1_000_000]),
      blockBytes: random.pick([0, 20_000, 1_000_000]),
      slowBytes,
      stopBytes: 2 * slowBytes,
    },
  };
}
