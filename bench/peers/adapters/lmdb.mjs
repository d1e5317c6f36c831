// lmdb-js: github.com/kriszyp/lmdb-js, section "Options" of its README.
import { requirePeer } from "../install.mjs";

export const packageName = "lmdb";
export const title = "lmdb-js";

const BASE =
  "open({ path, sharedStructuresKey }), one openDB per table with shared structures (recommended for " +
  "objects of similar shape), default msgpack, pages and keys";

export const promises = {
  power: {
    configuration: `${BASE}; overlappingSync, the default; put, then await db.flushed; putSync`,
  },
  kill: { configuration: `${BASE}; noSync: true` },
};

export const prepare = () => requirePeer("lmdb");

export async function open(directory, { tables, promise }) {
  const lmdb = requirePeer("lmdb");
  const sharedStructuresKey = Symbol.for("structures");
  const root = lmdb.open({
    path: directory,
    sharedStructuresKey,
    ...(promise === "kill" && { noSync: true }),
  });
  const handles = new Map(tables.map((name) => [name, root.openDB(name, { sharedStructuresKey })]));
  const flushed = promise === "kill" ? () => undefined : () => root.flushed;
  const putAll = (operations) => () => {
    for (const [table, key, row] of operations) handles.get(table).put(key, row);
  };
  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync: (table, key, row) => {
      handles.get(table).putSync(key, row);
    },
    async put(table, key, row) {
      await handles.get(table).put(key, row);
      await flushed();
    },
    async transact(operations) {
      await root.batch(putAll(operations));
      await flushed();
    },
    get: (table, key) => handles.get(table).get(key),
    scan(table, from, limit) {
      let rows = 0;
      const range = { ...(from !== undefined && { start: from }), ...(limit && { limit }) };
      for (const _ of handles.get(table).getRange(range)) rows++;
      return rows;
    },
    async backup(to) {
      await root.backup(to);
    },
    close: () => root.close(),
  };
}
