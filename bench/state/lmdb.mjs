// The same rows in lmdb, set up as its documentation recommends for small objects of few shapes in a
// database that the page cache holds.
import { loadLmdb } from "../peers/install.mjs";

const BATCH = 20_000;

/**
 * As documented: MessagePack, which is the default encoding, with shared structures ("highly
 * recommended when storing structured objects with similar object structures"); pages of 4096 bytes,
 * the default ("for databases that can mostly cache in memory"); no compression ("recommended for
 * large databases that may be close to or larger than available RAM").
 */
const OPTIONS = { sharedStructuresKey: Symbol.for("structures") };

export const CONFIGURATION =
  "lmdb.open({ path }), one openDB(name, { sharedStructuresKey }) per table: default encoding " +
  "(msgpack by msgpackr), default keys (ordered-binary), pages of 4096 bytes, no compression; for " +
  "recently read rows also with { cache: true }";

/**
 * A row with the values that the store has in its bytes: a decimal as its coefficient, an
 * enumeration as its place; the rest is the same anyway. With names, as an application has them.
 */
function makePlain(definition) {
  const places = definition.fields.map(({ type }) =>
    type.kind === "enumeration" ? new Map(type.values.map((value, i) => [value, i])) : undefined,
  );
  const kinds = definition.fields.map(({ type }) => type.kind);
  const names = definition.fields.map(({ name }) => name);
  return (row) => {
    const plain = {};
    for (let i = 0; i < names.length; i++) {
      const value = row[names[i]];
      if (kinds[i] === "decimal") plain[names[i]] = value.coefficient;
      else plain[names[i]] = places[i] === undefined ? value : places[i].get(value);
    }
    return plain;
  };
}

/** Copies every row of the store's tables into a new lmdb environment. */
export async function copyToLmdb(store, definitions, path, report) {
  const { open } = await loadLmdb();
  const root = open({ path, ...OPTIONS });
  const start = performance.now();
  let rows = 0;
  for (const definition of definitions) {
    const db = root.openDB(definition.name, OPTIONS);
    const plain = makePlain(definition);
    let last;
    for (const [key, row] of store.table(definition).entries()) {
      // In key order and at the end: pages are left full.
      last = db.put(key, plain(row), { append: true });
      if (++rows % BATCH === 0) {
        await last;
        report(`copied ${rows.toLocaleString("en-US")} rows to lmdb`);
      }
    }
    await last;
  }
  await root.flushed;
  const seconds = (performance.now() - start) / 1000;
  return { root, rows, seconds };
}

/** Handles of one table: as it is, and with lmdb's cache of decoded objects. */
export function openTable(root, definition) {
  const plain = root.openDB(definition.name, OPTIONS);
  return { plain, cached: root.openDB(definition.name, { ...OPTIONS, cache: true }) };
}

/** Mean length of the values of some keys. */
export function meanValueBytes(db, keys) {
  return keys.reduce((sum, key) => sum + db.getBinary(key).length, 0) / keys.length;
}
