// holdfast itself, of this checkout or of another build (`dist`).
import { SCALE, TABLES } from "../tables.mjs";

export const packageName = undefined;
export const title = "holdfast";

const CRITICAL =
  "open(directory, { tables }): default options; tables of tier critical, as they are by default";
const IMPORTANT = "the same with tables of tier important: on disk within 5 ms, not before";

export const promises = {
  power: { configuration: CRITICAL },
  kill: { configuration: `${CRITICAL}: there is no weaker one that keeps this promise` },
};

/** Its variant that answers at once; loses up to 5 ms. */
export const IMPORTANT_CONFIGURATION = IMPORTANT;

const TYPES = (api) => ({
  string: () => api.string(),
  decimal: () => api.decimal(SCALE),
  timestamp: () => api.timestamp(),
  integer: () => api.integer(),
  boolean: () => api.boolean(),
});

/** Its variant for a state that is to be in memory, as whole as that of who keeps rows in a Map. */
export const RESIDENT_CONFIGURATION = "the same with resident: true in every table; reads alone";

function definitionsOf(api, tables, tier, resident) {
  const types = TYPES(api);
  return tables.map((name) => {
    const fields = Object.entries(TABLES[name]).map(([field, type]) => [field, types[type]()]);
    return api.defineTable({
      name,
      version: 1,
      tier,
      resident,
      key: api.string(),
      fields: Object.fromEntries(fields),
    });
  });
}

/** Loads the package, so that opening a store does not have to. */
export const prepare = (dist) =>
  import(dist ?? new URL("../../../dist/index.js", import.meta.url).href);

export async function open(directory, given) {
  const { tables, tier = "critical", resident = false, dist, options = {} } = given;
  const api = await prepare(dist);
  const definitions = definitionsOf(api, tables, tier, resident);
  const store = await api.open(directory, {
    tables: definitions,
    environment: "bench",
    ...options,
  });
  const byName = new Map(definitions.map((one) => [one.name, one]));
  const handles = new Map(definitions.map((one) => [one.name, store.table(one)]));
  const work = (operations) => (tx) => {
    for (const [table, key, row] of operations) tx.put(byName.get(table), key, row);
  };
  return {
    store,
    decimal: (coefficient) => api.Decimal.fromCoefficient(coefficient, SCALE),
    coefficientOf: (value) => Number(value.coefficient),
    putSync: (table, key, row) => handles.get(table).putSync(key, row),
    put: (table, key, row) => handles.get(table).put(key, row),
    transact: (operations) => store.transact(work(operations)),
    get: (table, key) => handles.get(table).get(key),
    scan(table, from, limit = Number.POSITIVE_INFINITY) {
      let rows = 0;
      const range = from === undefined ? {} : { gte: from };
      if (Number.isFinite(limit)) range.limit = limit;
      for (const _ of handles.get(table).entries(range)) rows++;
      return rows;
    },
    async backup(to) {
      await store.backup(to);
    },
    async snapshot() {
      await store.snapshot();
    },
    /** Everything in its place, as after a while without work. */
    async settle() {
      await store.flush();
    },
    async firstOfHistory(table, key) {
      for await (const change of handles.get(table).history(key)) return change;
      return undefined;
    },
    close: () => store.close(),
  };
}
