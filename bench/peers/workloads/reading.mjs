// Reads of a state: rows in use, any row, keys that are not there, whole tables.
import { makeRandom } from "../../random.mjs";
import { measured } from "../measured.mjs";

/** Rows that are read again and again; they fit into everybody's caches. */
const HOT_ROWS = 1000;
/** Gets between two looks at the clock, which costs as much as a fast one. */
const GETS_TIMED = 20;
const BATCH = 1000;

const keyOf = (i) => `state-${String(i).padStart(8, "0")}`;

/** Fills the table with `rows` rows, in key order, in batches. */
export async function load({ store, rows }, { rows: count }) {
  for (let from = 0; from < count; from += BATCH) {
    const length = Math.min(BATCH, count - from);
    const operations = Array.from({ length }, (_, i) => [
      "orders",
      keyOf(from + i),
      rows.order(from + i),
    ]);
    await store.transact(operations);
  }
  await store.settle?.();
  return { operations: count };
}

/** `kind`: "hot", "any", or "absent": between the keys that are there. */
export function gets(context, { kind, count, rows }) {
  const { store, directory } = context;
  context.seed = (context.seed ?? 0) + 1;
  const random = makeRandom(context.seed);
  const among = kind === "hot" ? Math.min(HOT_ROWS, rows) : rows;
  const keys = Array.from({ length: count }, () => {
    const key = keyOf(Math.floor(random() * among));
    return kind === "absent" ? `${key}x` : key;
  });
  return measured(directory, () => {
    const micros = new Float64Array(Math.floor(count / GETS_TIMED));
    let found = 0;
    for (let i = 0; i < micros.length; i++) {
      const start = performance.now();
      for (let j = 0; j < GETS_TIMED; j++) {
        if (store.get("orders", keys[i * GETS_TIMED + j]) !== undefined) found++;
      }
      micros[i] = ((performance.now() - start) * 1000) / GETS_TIMED;
    }
    const operations = micros.length * GETS_TIMED;
    if (found !== (kind === "absent" ? 0 : operations)) {
      throw new Error(`${found} rows of ${operations} were found, ${kind}`);
    }
    return { operations, micros };
  });
}

/** All rows from the first on, decoded. */
export function scan({ store, directory }, { rows }) {
  return measured(directory, async () => {
    const operations = await store.scan("orders", "state-");
    if (operations < rows) throw new Error(`a scan gave ${operations} rows of ${rows}`);
    return { operations };
  });
}
