// Which workloads there are, in which order, and how much of each.

export const SIZES = {
  full: {
    warm: { millis: 1500 },
    sequential: { rounds: 60, count: 50 },
    timed: { rounds: 5, millis: 250 },
    fill: { rounds: 40, count: 50 },
    replay: { rounds: 12, count: 250 },
    stateRows: 100_000,
    gets: { rounds: 6, count: 20_000 },
    scans: { rounds: 5 },
    records: 20_000,
    ycsb: { rounds: 5, millis: 300 },
    backupMillis: 1000,
    crash: { repeats: 3, rows: 50_000 },
    historyChanges: 50_000,
  },
  quick: {
    warm: { millis: 250 },
    sequential: { rounds: 6, count: 20 },
    timed: { rounds: 2, millis: 60 },
    fill: { rounds: 4, count: 20 },
    replay: { rounds: 3, count: 50 },
    stateRows: 10_000,
    gets: { rounds: 2, count: 5_000 },
    scans: { rounds: 2 },
    records: 2_000,
    ycsb: { rounds: 2, millis: 80 },
    backupMillis: 200,
    crash: { repeats: 1, rows: 5_000 },
    historyChanges: 5_000,
  },
};

export const WRITERS = [1, 4, 16, 64, 256];
export const BATCHES = [10, 100, 1_000, 10_000];

/** Names of the groups, for --only. */
export const GROUPS = [
  ...["sequence", "writers", "batches", "fill", "replay", "reads", "ycsb"],
  ...["backup", "crash", "history"],
];

/** Groups that the weaker promise makes a difference to. */
export const KILL_GROUPS = ["sequence", "writers", "batches", "fill", "replay", "ycsb"];
