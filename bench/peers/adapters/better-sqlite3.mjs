// better-sqlite3: its docs/performance.md recommends the WAL; synchronous as sqlite.org/pragma.html has
// it for each promise.
import { join } from "node:path";
import { requirePeer } from "../install.mjs";
import { TABLES } from "../tables.mjs";

export const packageName = "better-sqlite3";
export const title = "better-sqlite3";

const BASE =
  "a table of columns WITHOUT ROWID for each table, prepared upserts; journal_mode = WAL, " +
  "cache_size 64 MB; it has no asynchronous form, so that awaited calls are the synchronous ones";

export const promises = {
  power: { configuration: `${BASE}; synchronous = FULL` },
  kill: { configuration: `${BASE}; synchronous = OFF` },
};

const SQL_TYPES = { string: "TEXT", decimal: "INTEGER", timestamp: "INTEGER", integer: "INTEGER" };

function statementsOf(db, name) {
  const fields = Object.entries(TABLES[name]);
  const columns = fields.map(
    ([field, type]) => `"${field}" ${SQL_TYPES[type] ?? "INTEGER"} NOT NULL`,
  );
  db.exec(
    `CREATE TABLE IF NOT EXISTS ${name} (key TEXT PRIMARY KEY, ${columns.join(", ")}) WITHOUT ROWID`,
  );
  const names = fields.map(([field]) => field);
  const quoted = names.map((field) => `"${field}"`).join(", ");
  const booleans = fields.filter(([, type]) => type === "boolean").map(([field]) => field);
  const places = names.map(() => "?").join(", ");
  const put = db.prepare(`INSERT OR REPLACE INTO ${name} (key, ${quoted}) VALUES (?, ${places})`);
  const get = db.prepare(`SELECT ${quoted} FROM ${name} WHERE key = ?`);
  const scan = db.prepare(`SELECT * FROM ${name} WHERE key >= ? ORDER BY key LIMIT ?`);
  const values = new Array(names.length + 1);
  return {
    put(key, row) {
      values[0] = key;
      for (let i = 0; i < names.length; i++) {
        const value = row[names[i]];
        values[i + 1] = typeof value === "boolean" ? Number(value) : value;
      }
      put.run(values);
    },
    get(key) {
      const row = get.get(key);
      if (row !== undefined) for (const field of booleans) row[field] = row[field] === 1;
      return row;
    },
    scan(from, limit) {
      let rows = 0;
      for (const _ of scan.iterate(from ?? "", limit ?? -1)) rows++;
      return rows;
    },
  };
}

export const prepare = () => requirePeer("better-sqlite3");

export async function open(directory, { tables, promise }) {
  const Database = requirePeer("better-sqlite3");
  const db = new Database(join(directory, "bench.sqlite"));
  db.pragma("journal_mode = WAL");
  db.pragma(`synchronous = ${promise === "kill" ? "OFF" : "FULL"}`);
  db.pragma("cache_size = -64000");
  const handles = new Map(tables.map((name) => [name, statementsOf(db, name)]));
  const putAll = db.transaction((operations) => {
    for (const [table, key, row] of operations) handles.get(table).put(key, row);
  });
  return {
    onlySync: true,
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync: (table, key, row) => handles.get(table).put(key, row),
    put: async (table, key, row) => handles.get(table).put(key, row),
    transact: async (operations) => putAll(operations),
    get: (table, key) => handles.get(table).get(key),
    scan: (table, from, limit) => handles.get(table).scan(from, limit),
    async backup(to) {
      await db.backup(join(to, "bench.sqlite"));
    },
    close: async () => db.close(),
  };
}
