/** A package that writes SQLite files, whichever is there; loaded when it is first needed. */
import { HoldfastError } from "../index.js";

/** What is asked of one. Those of `better-sqlite3` and `node:sqlite` are. */
export interface SqliteDatabase {
  exec(sql: string): unknown;
  prepare(sql: string): { run(...values: readonly SqliteValue[]): unknown };
  close(): unknown;
}

export type SqliteValue = string | number | null;

/** Opens, and creates, a file. */
export type SqliteDriver = (file: string) => SqliteDatabase;

type Constructor = new (file: string) => SqliteDatabase;

/** In the order in which they are tried; the first needs to be installed, the second Node.js 22. */
const CANDIDATES: readonly {
  readonly name: string;
  readonly of: (module: { readonly default?: unknown; readonly DatabaseSync?: unknown }) => unknown;
}[] = [
  { name: "better-sqlite3", of: (module) => module.default },
  { name: "node:sqlite", of: (module) => module.DatabaseSync },
];

/** Throws MISSING_PACKAGE. */
export async function findSqlite(): Promise<SqliteDriver> {
  const failures: Error[] = [];
  for (const { name, of } of CANDIDATES) {
    try {
      const Database = of(await import(name)) as Constructor;
      // An addon that was built for another Node.js is met only now.
      new Database(":memory:").close();
      return (file) => new Database(file);
    } catch (error) {
      failures.push(error as Error);
    }
  }
  const message =
    "a SQLite file is written with better-sqlite3 (npm install better-sqlite3), or with what " +
    `Node.js 22.13 and later have; neither can be loaded: ${failures[0]?.message}`;
  throw new HoldfastError("MISSING_PACKAGE", message, {}, failures[0]);
}
