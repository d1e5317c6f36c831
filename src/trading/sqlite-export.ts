/** The trading state and its audit trail as a SQLite file, for the tools that people have. */
import { open, rename, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { Decimal, type ReadTable, type Store, type TableDefinition } from "../index.js";
import { invalid } from "./amounts.js";
import {
  findSqlite,
  type SqliteDatabase,
  type SqliteDriver,
  type SqliteValue,
} from "./sqlite-driver.js";
import {
  balances,
  fills,
  orders,
  portfolio,
  positions,
  riskEvents,
  signalLog,
  TRADING_TABLES,
  tradeHistory,
  workingOrders,
} from "./tables.js";

/** Rows between two turns of the event loop. */
const ROWS_PER_TURN = 500;

/** A state that is read: a store, a view, a snapshot, a state of the past. */
export interface AuditSource {
  table<K, R, I>(definition: TableDefinition<K, R, I>): ReadTable<K, R>;
}

export interface SqliteExportOptions {
  /** What writes the file. Default: `better-sqlite3` or else `node:sqlite`, loaded now. */
  readonly driver?: SqliteDriver | undefined;
}

/** What was written. */
export interface SqliteExport {
  readonly file: string;
  /** Rows by table of the file. */
  readonly rows: Readonly<Record<string, number>>;
}

type Row = Readonly<Record<string, unknown>>;

interface Sheet {
  readonly name: string;
  /** Columns that have a type of their own; amounts and texts are TEXT. */
  readonly columns: readonly (readonly [name: string, type: "TEXT" | "INTEGER" | "REAL"])[];
  readonly rows: (source: AuditSource) => Iterable<Row>;
  readonly indexes: readonly string[];
}

/**
 * Writes the tables `portfolio_state`, `trade_history`, `risk_events`, `signal_log` and
 * `pending_orders` into a SQLite file, all of one moment. Amounts are TEXT, exact; times INTEGER,
 * microseconds since 1970 UTC. A file of that name is replaced once the new one is whole and on
 * disk, and stays as it is if anything fails. Other work goes on meanwhile.
 *
 * Errors: MISSING_PACKAGE; INVALID_ARGUMENT if the store was opened without TRADING_TABLES; CLOSED;
 * what the driver and the system throw.
 */
export async function exportSqlite(
  source: Store | AuditSource,
  file: string,
  { driver }: SqliteExportOptions = {},
): Promise<SqliteExport> {
  if (typeof file !== "string" || file === "") throw invalid("the file must be a path");
  const make = driver ?? (await findSqlite());
  const view = "view" in source ? source.view() : undefined;
  try {
    const from: AuditSource = view ?? source;
    for (const table of TRADING_TABLES as readonly TableDefinition[]) from.table(table);
    return await writeFile(from, resolve(file), make);
  } finally {
    view?.release();
  }
}

async function writeFile(
  source: AuditSource,
  file: string,
  make: SqliteDriver,
): Promise<SqliteExport> {
  const partial = `${file}.partial`;
  await rm(partial, { force: true });
  try {
    const database = make(partial);
    let rows: Record<string, number>;
    try {
      rows = await fill(database, source);
    } finally {
      database.close();
    }
    await sync(partial);
    await rename(partial, file);
    await sync(dirname(file));
    return { file, rows };
  } catch (error) {
    await rm(partial, { force: true }).catch(() => {});
    throw error;
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function fill(
  database: SqliteDatabase,
  source: AuditSource,
): Promise<Record<string, number>> {
  // Nobody sees the file before it is whole, and it is synced once at the end.
  database.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
  const counts: Record<string, number> = {};
  let total = 0;
  for (const { name, columns, rows, indexes } of SHEETS) {
    const typed = columns.map(([column, type]) => `"${column}" ${type}`);
    database.exec(`CREATE TABLE "${name}" (${typed.join(", ")})`);
    const places = columns.map(() => "?").join(", ");
    const insert = database.prepare(`INSERT INTO "${name}" VALUES (${places})`);
    let count = 0;
    for (const row of rows(source)) {
      insert.run(...columns.map(([column]) => sqliteValue(row[camelOf(column)])));
      count++;
      if (++total % ROWS_PER_TURN === 0) await nextTurn();
    }
    counts[name] = count;
    for (const index of indexes) {
      database.exec(
        `CREATE INDEX "${name}_by_${index.replaceAll(/\W+/g, "_")}" ON "${name}" (${index})`,
      );
    }
  }
  database.exec("COMMIT");
  return counts;
}

/** Nothing is rounded: amounts are texts. */
function sqliteValue(value: unknown): SqliteValue {
  if (value === null || value === undefined) return null;
  if (value instanceof Decimal) return value.toString();
  if (typeof value === "boolean") return value ? 1 : 0;
  if (typeof value === "number" || typeof value === "string") return value;
  return JSON.stringify(value);
}

function camelOf(column: string): string {
  return column.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

// ---- the tables --------------------------------------------------------------------------------

const TEXT = "TEXT";
const INTEGER = "INTEGER";

const SHEETS: readonly Sheet[] = [
  {
    name: "portfolio_state",
    columns: [
      ["nav", TEXT],
      ["peak", TEXT],
      ["drawdown", TEXT],
      ["largest_drawdown", TEXT],
      ["halted", TEXT],
      ["halt_reason", TEXT],
      ["positions", TEXT],
      ["balances", TEXT],
    ],
    rows: portfolioState,
    indexes: [],
  },
  {
    name: "trade_history",
    columns: [
      ["symbol", TEXT],
      ["time", INTEGER],
      ["sequence", INTEGER],
      ["trade_id", TEXT],
      ["client_id", TEXT],
      ["side", TEXT],
      ["price", TEXT],
      ["quantity", TEXT],
      ["fee", TEXT],
      ["fee_currency", TEXT],
      ["realised", TEXT],
      ["adjustment", INTEGER],
      ["reason", TEXT],
    ],
    rows: trades,
    indexes: ["symbol, time"],
  },
  {
    name: "risk_events",
    columns: [
      ["symbol", TEXT],
      ["time", INTEGER],
      ["sequence", INTEGER],
      ["kind", TEXT],
      ["detail", TEXT],
    ],
    rows: (source) => audited(source, riskEvents),
    indexes: ["symbol, time"],
  },
  {
    name: "signal_log",
    columns: [
      ["symbol", TEXT],
      ["time", INTEGER],
      ["sequence", INTEGER],
      ["signal", TEXT],
      ["confidence", "REAL"],
      ["target_weight", TEXT],
      ["actual_weight", TEXT],
      ["reason", TEXT],
    ],
    rows: (source) => audited(source, signalLog),
    indexes: ["symbol, time"],
  },
  {
    name: "pending_orders",
    columns: [
      ["client_id", TEXT],
      ["venue", TEXT],
      ["venue_id", TEXT],
      ["symbol", TEXT],
      ["type", TEXT],
      ["side", TEXT],
      ["price", TEXT],
      ["stop_price", TEXT],
      ["quantity", TEXT],
      ["filled", TEXT],
      ["reduce_only", INTEGER],
      ["status", TEXT],
      ["reason", TEXT],
      ["created", INTEGER],
      ["changed", INTEGER],
    ],
    rows: pendingOrders,
    indexes: [],
  },
];

/** One row: the whole as it was last reckoned. */
function* portfolioState(source: AuditSource): Iterable<Row> {
  const [figures] = source.table(portfolio).values();
  const held = [...source.table(positions).entries()]
    .filter(([, { quantity }]) => !quantity.isZero())
    .map(([symbol, { quantity, cost, realised, fees }]) => ({
      symbol,
      ...textsOf({ quantity, cost, realised, fees }),
    }));
  const money = [...source.table(balances).entries()].map(([[venue, currency], { total }]) => ({
    ...{ venue, currency },
    ...textsOf({ total }),
  }));
  yield { ...figures, positions: held, balances: money };
}

function textsOf(amounts: Readonly<Record<string, Decimal>>): Record<string, string> {
  return Object.fromEntries(Object.entries(amounts).map(([name, one]) => [name, one.toString()]));
}

function* trades(source: AuditSource): Iterable<Row> {
  const table = source.table(fills);
  for (const place of audited(source, tradeHistory)) {
    const fill = table.get([place.symbol as string, place.tradeId as string]);
    if (fill !== undefined) yield { ...fill, ...place };
  }
}

function* pendingOrders(source: AuditSource): Iterable<Row> {
  const table = source.table(orders);
  for (const [, clientId] of source.table(workingOrders).keys()) {
    const order = table.get(clientId);
    if (order !== undefined) yield { clientId, ...order };
  }
}

type AuditKey = readonly [string, number, number, number];

/** By symbol and time. */
function* audited<R extends object, I>(
  source: AuditSource,
  definition: TableDefinition<AuditKey, R, I>,
): Iterable<Row> {
  for (const [[symbol, time, sequence], row] of source.table(definition).entries()) {
    yield { symbol, time, sequence, ...row };
  }
}
