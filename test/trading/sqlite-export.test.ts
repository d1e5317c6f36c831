/**
 * The SQLite file has what the store has, to the digit, and is there as a whole or as it was. What
 * is written goes to Python's sqlite3, which every machine that builds the addon has: another
 * implementation's reader of the same SQL. Where a package for Node.js is there, it is asked too.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { exportSqlite, type SqliteDriver } from "../../src/trading/index.js";
import { findSqlite } from "../../src/trading/sqlite-driver.js";
import { type Desk, fundedDesk, SYMBOL, VENUE } from "./helpers.js";

let place: string;
let file: string;
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdfast-sqlite-"));
  file = join(place, "audit.sqlite");
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

const WRITE = `
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for sql, values in json.load(sys.stdin):
    if values is None: [database.execute(one) for one in sql.split(";")]
    else: database.execute(sql, values)
database.close()
`;

const READ = `
import json, sqlite3, sys
database = sqlite3.connect(sys.argv[1])
print(json.dumps([database.execute(sql).fetchall() for sql in sys.argv[2:]]))
`;

const python: SqliteDriver = (path) => {
  const steps: [sql: string, values: readonly unknown[] | null][] = [];
  return {
    exec: (sql) => steps.push([sql, null]),
    prepare: (sql) => ({ run: (...values) => steps.push([sql, values]) }),
    close: () => execFileSync("python3", ["-c", WRITE, path], { input: JSON.stringify(steps) }),
  };
};

/** What each asks for, in one process. */
function query(...queries: readonly string[]): unknown[][][] {
  return JSON.parse(execFileSync("python3", ["-c", READ, file, ...queries], { encoding: "utf8" }));
}

/** With two trades, a signal, an order that waits and a halt. */
async function busyDesk(): Promise<Desk> {
  const desk = await fundedDesk();
  const { trading, run } = desk;
  const request = { symbol: SYMBOL, side: "buy", type: "market", quantity: "1.123" } as const;
  const { clientId } = await run(trading.transact((t) => t.placeOrder(request)));
  await run(trading.transact((t) => t.orderAccepted(clientId, { venueId: "v1" })));
  const fill = { symbol: SYMBOL, venue: VENUE, clientId, side: "buy", feeCurrency: "USD" } as const;
  for (const [tradeId, price, quantity, fee] of [
    ["t1", "100.10", "0.123", "0.01"],
    ["t2", "200.00", "1", "0"],
  ] as const) {
    await run(trading.applyFill({ ...fill, tradeId, price, quantity, fee }));
  }
  await run(
    trading.transact((t) => {
      t.mark(SYMBOL, "250");
      t.logSignal({ symbol: SYMBOL, signal: "long", confidence: 0.75, targetWeight: "0.5" });
      t.halt('it\'s "enough"');
    }),
  );
  return desk;
}

async function asExpected({ trading }: Desk): Promise<void> {
  const [trade] = [...trading.trades(SYMBOL)];
  const found = query(
    "SELECT nav, halted, halt_reason FROM portfolio_state",
    "SELECT trade_id, price, quantity, fee, typeof(price), typeof(time) FROM trade_history " +
      "ORDER BY time, trade_id",
    "SELECT signal, confidence, target_weight FROM signal_log",
    "SELECT kind FROM risk_events WHERE kind = 'halt'",
    "SELECT count(*) FROM pending_orders",
    "PRAGMA integrity_check",
    "SELECT time, sequence FROM trade_history WHERE trade_id = 't1'",
  );
  expect(found).toEqual([
    [[trading.portfolio().nav?.toString(), "manual", 'it\'s "enough"']],
    [
      ["t1", "100.10000000", "0.12300000", "0.01000000", "text", "integer"],
      ["t2", "200.00000000", "1.00000000", "0.00000000", "text", "integer"],
    ],
    [["long", 0.75, "0.50000000"]],
    [["halt"]],
    [[0]],
    [["ok"]],
    [[trade?.time, trade?.sequence]],
  ]);
}

test("all tables of one moment, every digit", async () => {
  const desk = await busyDesk();
  const made = await exportSqlite(desk.store, file, { driver: python });
  expect(made).toEqual({
    file,
    rows: {
      portfolio_state: 1,
      trade_history: 2,
      risk_events: 1,
      signal_log: 1,
      pending_orders: 0,
    },
  });
  await asExpected(desk);
  expect(desk.store.stats().memory.views).toBe(0);
});

test("orders that may still be filled", async () => {
  const { trading, run, store } = await fundedDesk();
  const order = {
    symbol: SYMBOL,
    side: "buy",
    type: "limit",
    price: "99.5",
    quantity: "2",
  } as const;
  const { clientId } = await run(trading.transact((t) => t.placeOrder(order)));
  await exportSqlite(store, file, { driver: python });
  const columns = "client_id, price, filled, status, venue_id, reduce_only";
  expect(query(`SELECT ${columns} FROM pending_orders`)).toEqual([
    [[clientId, "99.50000000", "0.00000000", "intent", null, 0]],
  ]);
});

test("one that fails leaves the file that was there, and nothing else", async () => {
  const { store } = await busyDesk();
  writeFileSync(file, "the old one");
  const failing: SqliteDriver = (path) => {
    writeFileSync(path, "half");
    const refuse = () => {
      throw new RangeError("no room");
    };
    return { exec: () => {}, prepare: () => ({ run: refuse }), close: () => {} };
  };
  await expect(exportSqlite(store, file, { driver: failing })).rejects.toThrow("no room");
  expect(readFileSync(file, "utf8")).toBe("the old one");
  expect(readdirSync(place)).toEqual(["audit.sqlite"]);
  await exportSqlite(store, file, { driver: python });
  expect(query("SELECT count(*) FROM trade_history")).toEqual([[[2]]]);
});

const found = await findSqlite().catch((error: unknown) => error);

test.runIf(typeof found === "function")("by a package for Node.js", async () => {
  const desk = await busyDesk();
  await exportSqlite(desk.store, file);
  await asExpected(desk);
});

test.skipIf(typeof found === "function")("without a package: told what to install", async () => {
  console.warn("SKIPPED: no better-sqlite3 or node:sqlite here; only Python's sqlite3 was asked");
  const { store } = await fundedDesk();
  await expect(exportSqlite(store, file)).rejects.toMatchObject({
    code: "MISSING_PACKAGE",
    message: expect.stringContaining("npm install better-sqlite3"),
  });
  expect(existsSync(file)).toBe(false);
});
