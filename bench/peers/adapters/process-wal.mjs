// process-wal: github.com/AndresSaa/process-wal, README "Durability model" and "API". A log alone: rows
// are kept in a Map beside it, as its users do.
import { importPeer } from "../install.mjs";

export const packageName = "process-wal";
export const title = "process-wal";

const BASE =
  "createWal({ dir, maxEntryBytes: 16 MiB }), one entry (JSON) for each transaction, rows in a Map; it " +
  "has no asynchronous form, so that awaited calls are the synchronous ones";

export const promises = {
  power: { configuration: `${BASE}; fsync: true` },
  kill: { configuration: `${BASE}; fsync: false, its default` },
};

export const prepare = () => importPeer("process-wal");

export async function open(directory, { tables, promise }) {
  const { createWal } = await importPeer("process-wal");
  const wal = createWal({
    dir: directory,
    fsync: promise !== "kill",
    maxEntryBytes: 16 * 1024 * 1024,
  });
  const rows = new Map(tables.map((name) => [name, new Map()]));
  const apply = (operations) => {
    for (const [table, key, row] of operations) rows.get(table).set(key, row);
  };
  for (const { value } of wal.replay()) apply(value);
  const commit = (operations) => {
    wal.append(operations);
    apply(operations);
  };
  return {
    onlySync: true,
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync: (table, key, row) => commit([[table, key, row]]),
    put: async (table, key, row) => commit([[table, key, row]]),
    transact: async (operations) => commit(operations),
    get: (table, key) => rows.get(table).get(key),
    scan(table, from = "", limit = Number.POSITIVE_INFINITY) {
      const sorted = [...rows.get(table)].filter(([key]) => key >= from);
      sorted.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      return Math.min(limit, sorted.length);
    },
    async firstOfHistory(table, key) {
      for await (const { value } of wal.cursor({ fromSeq: 0 })) {
        const found = value.find(([name, one]) => name === table && one === key);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    close: async () => wal.close(),
  };
}
