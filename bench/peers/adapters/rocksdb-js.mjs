// rocksdb-js: github.com/HarperFast/rocksdb-js, README "Data Operations". Its writes reach RocksDB's own
// log without a sync: what it documents to be on disk is what `flush` has written.
import { importPeer } from "../install.mjs";

export const packageName = "@harperfast/rocksdb-js";
export const title = "rocksdb-js";

const BASE =
  "RocksDatabase.open(path, { name }), one column family for each table, default options";

export const promises = {
  power: { configuration: `${BASE}; flush after every write, flushSync after synchronous ones` },
  kill: { configuration: `${BASE}; its log as it is by default` },
};

export const prepare = () => importPeer("@harperfast/rocksdb-js");

export async function open(directory, { tables, promise }) {
  const { RocksDatabase } = await importPeer("@harperfast/rocksdb-js");
  const handles = new Map(tables.map((name) => [name, RocksDatabase.open(directory, { name })]));
  const first = handles.get(tables[0]);
  const durable = promise !== "kill";
  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync(table, key, row) {
      handles.get(table).putSync(key, row);
      if (durable) handles.get(table).flushSync();
    },
    async put(table, key, row) {
      await handles.get(table).put(key, row);
      if (durable) await handles.get(table).flush();
    },
    async transact(operations) {
      await first.transaction(async (transaction) => {
        for (const [table, key, row] of operations) {
          await handles.get(table).put(key, row, { transaction });
        }
      });
      if (!durable) return;
      for (const table of new Set(operations.map(([name]) => name))) {
        await handles.get(table).flush();
      }
    },
    get: (table, key) => handles.get(table).getSync(key),
    scan(table, from, limit = Number.POSITIVE_INFINITY) {
      let rows = 0;
      for (const _ of handles.get(table).getRange(from === undefined ? {} : { start: from })) {
        if (++rows >= limit) break;
      }
      return rows;
    },
    async close() {
      for (const handle of handles.values()) handle.close();
    },
  };
}
