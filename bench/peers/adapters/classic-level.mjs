// classic-level, which is LevelDB: its README, sections "put" and "options".
import { requirePeer } from "../install.mjs";
import { structuresOf } from "../structures.mjs";

export const packageName = "classic-level";
export const title = "classic-level";

const BASE =
  "one database, a sublevel's prefix for each table, values of msgpackr with shared structures as " +
  "binary, default options, 64 threads of libuv's pool";

export const promises = {
  power: { configuration: `${BASE}; sync: true` },
  kill: { configuration: `${BASE}; sync: false` },
};

/** Writes wait in libuv's pool: LevelDB groups those that wait at the same time. */
export const environment = { UV_THREADPOOL_SIZE: "64" };

const prefixed = (table, key) => `${table}!${key}`;

export const prepare = () => [requirePeer("classic-level"), requirePeer("msgpackr")];

export async function open(directory, { tables, promise }) {
  const { ClassicLevel } = requirePeer("classic-level");
  const { Packr } = requirePeer("msgpackr");
  const db = new ClassicLevel(directory, { keyEncoding: "utf8", valueEncoding: "view" });
  await db.open();
  const sync = promise !== "kill";
  // Structures are given, not learned: what is written can be read by any later opening.
  const packr = new Packr({ structures: structuresOf(tables) });
  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    put: (table, key, row) => db.put(prefixed(table, key), packr.pack(row), { sync }),
    transact: (operations) =>
      db.batch(
        operations.map(([table, key, row]) => ({
          type: "put",
          key: prefixed(table, key),
          value: packr.pack(row),
        })),
        { sync },
      ),
    get(table, key) {
      const value = db.getSync(prefixed(table, key));
      return value === undefined ? undefined : packr.unpack(value);
    },
    async scan(table, from, limit = -1) {
      let rows = 0;
      const range = { gte: prefixed(table, from ?? ""), lt: `${table}"`, limit };
      const iterator = db.iterator(range);
      for (;;) {
        const entries = await iterator.nextv(1000);
        if (entries.length === 0) break;
        for (const [, value] of entries) packr.unpack(value);
        rows += entries.length;
      }
      await iterator.close();
      return rows;
    },
    close: () => db.close(),
  };
}
