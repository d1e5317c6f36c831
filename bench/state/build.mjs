// Builds the state that is measured, from a seed.
import { open } from "../../dist/index.js";
import { sizeOf } from "../procfs.mjs";
import { DEFINITIONS, keyOf, ROW_BYTES, rowOf, TABLES } from "./tables.mjs";

const ROWS_PER_TRANSACTION = 1_000;
const TRANSACTIONS_UNDER_WAY = 4;
const REPORT_MILLIS = 1_000;

/** Nobody waits for a build: the background may do what it can. */
const BUILD_OPTIONS = {
  recoveryBudgetMillis: 1_000,
  backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER,
  finalSnapshotMillis: 600_000,
};

/** Rows of each table in a state of so many gigabytes (2^30 bytes). */
export function rowsPerTableOf(gigabytes) {
  const rows = (gigabytes * 2 ** 30) / ROW_BYTES / TABLES.length;
  return Math.max(1_000, Math.round(rows));
}

/**
 * From one row that is put to the next: orders and trades come in the order of their keys,
 * positions and quotes in none. No row is left out, since the stride has no divisor of the rows.
 */
function strideOf({ definition }, rowsPerTable) {
  if (definition.name === "orders" || definition.name === "trades") return 1;
  let stride = Math.floor(rowsPerTable * 0.618) | 1;
  while (gcd(stride, rowsPerTable) !== 1) stride += 2;
  return stride;
}

function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

/** An option of `open`: says nothing of back-pressure, which is wanted here, but counts it. */
export function countPressure() {
  const option = {
    pressure: 0,
    onWarning: ({ code, message }) => {
      if (code === "BACK_PRESSURE") option.pressure++;
      else process.emitWarning(message, { code });
    },
  };
  return option;
}

/** Resolves once the background has had nothing to do for `quietMillis`. */
export async function backgroundIdle(store, { quietMillis = 300, onWait } = {}) {
  let quietSince = performance.now();
  while (performance.now() - quietSince < quietMillis) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    const { flushes, merges, archives } = store.stats().background;
    if (!flushes.running && !merges.running && !archives.running) continue;
    quietSince = performance.now();
    onWait?.();
  }
}

/** Opens a new store in `directory` and fills it. */
export async function build({ directory, rowsPerTable }, report) {
  const rows = rowsPerTable * TABLES.length;
  const start = performance.now();
  const { onWarning } = countPressure();
  const store = await open(directory, { tables: DEFINITIONS, ...BUILD_OPTIONS, onWarning });
  let reported = start;
  const tell = (done, doing) => {
    const now = performance.now();
    if (now - reported < REPORT_MILLIS) return;
    reported = now;
    const { runs, runBytes, budget } = store.stats().background;
    const seconds = (now - start) / 1000;
    const written = store.stats().log.writtenBytes + budget.bytesWritten;
    report({ doing, done, rows, seconds, runs, runBytes, written });
  };
  const strides = TABLES.map((table) => strideOf(table, rowsPerTable));
  const pending = [];
  const perTable = ROWS_PER_TRANSACTION / TABLES.length;
  for (let from = 0; from < rowsPerTable; from += perTable) {
    const to = Math.min(rowsPerTable, from + perTable);
    pending.push(
      store.transact((transaction) => {
        for (let i = from; i < to; i++) {
          for (let table = 0; table < TABLES.length; table++) {
            const index = (i * strides[table]) % rowsPerTable;
            transaction.put(DEFINITIONS[table], keyOf(table, index), rowOf(table, index, 0));
          }
        }
      }),
    );
    if (pending.length >= TRANSACTIONS_UNDER_WAY) await pending.shift();
    tell(to * TABLES.length, "rows");
  }
  await Promise.all(pending);
  const inserting = (performance.now() - start) / 1000;
  await store.flush();
  await backgroundIdle(store, { onWait: () => tell(rows, "merging") });
  const { background, log } = store.stats();
  await store.close();
  return {
    rows,
    rowBytes: ROW_BYTES,
    seconds: (performance.now() - start) / 1000,
    insertSeconds: inserting,
    runs: background.runs,
    runBytes: background.runBytes,
    flushes: background.flushes.done,
    merges: background.merges.done,
    logBytes: log.writtenBytes,
    backgroundBytesWritten: background.budget.bytesWritten,
    directory: sizeOf(directory),
  };
}
