// What the soak writes: step n is the same whenever it is taken, so that a model can follow. Every
// step but those of cached tables leaves its number in a counter: the greater of the two counters
// says which steps a store has, and with them its whole state.
import { createHash } from "node:crypto";
import { defineTable, integer, string, withDefault } from "../../dist/index.js";

const define = (name, tier, fields, more = {}) =>
  defineTable({ name, version: 1, tier, key: integer(), fields, ...more });

const value = { step: integer(), text: string() };
export const tables = {
  counters: define("counters", "critical", { step: integer() }, { resident: true }),
  marks: define("marks", "important", { step: integer() }, { resident: true }),
  orders: define("orders", "critical", value),
  bulk: define("bulk", "critical", value),
  notes: define("notes", "important", value),
  quotes: define("quotes", "cached", value),
};

/** One table more every so many steps, as a program grows; never one less. */
const STEPS_PER_TABLE = 20_000;
const LATER_MAX = 8;
const later = Array.from({ length: LATER_MAX }, (_, i) => define(`later-${i}`, "critical", value));

/** Tables of a program that goes on behind step `from`, and knows this version of "bulk". */
export function tablesFrom(from, version) {
  const { bulk: _, ...others } = tables;
  return [...Object.values(others), bulkOf(version), ...later.slice(0, laterFrom(from))];
}

function laterFrom(from) {
  return Math.min(LATER_MAX, Math.floor(from / STEPS_PER_TABLE) + 2);
}

/** The last step for which these tables are enough. */
export function lastStepFrom(from) {
  const count = laterFrom(from);
  return count === LATER_MAX ? Number.POSITIVE_INFINITY : (count + 1) * STEPS_PER_TABLE - 1;
}

// The schema of "bulk" grows too: each version has one field more, which rows of before have by
// default, so that runs and log hold rows of many versions, and merges bring them up to date.

const STEPS_PER_VERSION = 4_000;
const VERSIONS = 40;
const bulks = new Map([[1, tables.bulk]]);

/** Of a program that was started behind step `from`. */
export function versionFrom(from) {
  return Math.min(VERSIONS, 1 + Math.floor(from / STEPS_PER_VERSION));
}

export function bulkOf(version) {
  let bulk = bulks.get(version);
  if (bulk === undefined) {
    const fields = { ...value };
    for (let i = 2; i <= version; i++) fields[`added${i}`] = withDefault(integer(), -i);
    bulk = define("bulk", "critical", fields, { version });
    bulks.set(version, bulk);
  }
  return bulk;
}

/** A row of "bulk" as a program writes it that knows this version. */
export function bulkRow(row, version) {
  const all = { ...row };
  for (let i = 2; i <= version; i++) all[`added${i}`] = row.step + i;
  return all;
}

/**
 * The row without what versions have added. Throws where that is neither what its step wrote nor
 * the default, or what was written comes behind a default: no version knows a field and not the one
 * before.
 */
function plainBulk({ step, text, ...added }) {
  let known = true;
  for (const [name, found] of Object.entries(added)) {
    const i = Number(name.slice("added".length));
    if (found !== step + i || !known) known = false;
    if (!known && found !== -i) throw new Error(`bulk of step ${step}: ${name} is ${found}`);
  }
  return { step, text };
}

/** The same tables, one of which has another schema. */
export function otherTables() {
  const { orders, ...rest } = tables;
  const fields = { ...value, more: integer() };
  const { name, tier } = orders;
  return [...Object.values(rest), defineTable({ name, version: 2, tier, key: integer(), fields })];
}

/** A number from 0 to 2^32 - 1 for each step and purpose. */
export function draw(seed, step, purpose) {
  let x = (seed ^ Math.imul(step, 0x9e3779b1) ^ Math.imul(purpose, 0x85ebca6b)) | 0;
  for (let round = 0; round < 3; round++) {
    x ^= x >>> 16;
    x = Math.imul(x, 0x7feb352d);
    x ^= x >>> 15;
    x = Math.imul(x, 0x846ca68b);
  }
  return (x ^ (x >>> 16)) >>> 0;
}

/** Of step n: its kind, and the changes of a transaction as [table, key, row or undefined]. */
export function stepOf(seed, n) {
  const d = (purpose, below) => draw(seed, n, purpose) % below;
  const row = (purpose, bytes) => ({
    step: n,
    text: draw(seed, n, purpose)
      .toString(36)
      .repeat(1 + d(purpose + 50, bytes) / 7),
  });
  const dice = d(0, 100);
  if (dice < 10) return { kind: "cached", changes: [[tables.quotes, d(1, 60), row(2, 200)]] };
  if (dice < 25) {
    const changes = [[tables.notes, d(1, 300), d(3, 5) === 0 ? undefined : row(2, 300)]];
    return { kind: "important", changes: [...changes, [tables.marks, 0, { step: n }]] };
  }
  const changes = [[tables.counters, 0, { step: n }]];
  for (let i = 0; i <= d(1, 4); i++) {
    const gone = d(10 + i, 4) === 0;
    changes.push([tables.orders, d(20 + i, 500), gone ? undefined : row(30 + i, 400)]);
  }
  if (dice < 60) changes.push([tables.bulk, d(5, 4000), row(6, 1500)]);
  const extra = Math.floor(n / STEPS_PER_TABLE);
  if (extra > 0 && dice % 5 === 0) {
    changes.push([later[d(7, Math.min(extra, LATER_MAX))], d(8, 50), row(9, 60)]);
  }
  return { kind: "critical", changes };
}

/** Rows as text, by table and key. */
export class Model {
  step = 0;
  rows = new Map();
  #seed;

  constructor(seed) {
    this.#seed = seed;
  }

  /** Goes on to step n; calls `at` behind each step. */
  advance(n, at = () => {}) {
    while (this.step < n) {
      const { kind, changes } = stepOf(this.#seed, ++this.step);
      for (const [table, key, row] of changes) {
        if (kind === "cached") continue;
        const name = `${table.name} ${key}`;
        if (row === undefined) this.rows.delete(name);
        else this.rows.set(name, JSON.stringify(row));
      }
      at(this.step);
    }
  }

  get digest() {
    return digestOf(this.rows);
  }
}

export function digestOf(rows) {
  const hash = createHash("sha256");
  for (const name of [...rows.keys()].sort()) hash.update(`${name} ${rows.get(name)}\n`);
  return hash.digest("hex");
}

/** All rows that a store, a view or a snapshot shows, but for those of the cached table. */
export function rowsOf(reads, list) {
  const rows = new Map();
  for (const table of list) {
    if (table === tables.quotes) continue;
    for (const [key, row] of reads.table(table).entries()) {
      const plain = table.name === "bulk" ? plainBulk(row) : row;
      rows.set(`${table.name} ${key}`, JSON.stringify(plain));
    }
  }
  return rows;
}

/** The last step that it has. */
export function lastStepOf(reads) {
  const critical = reads.table(tables.counters).get(0)?.step ?? 0;
  return Math.max(critical, reads.table(tables.marks).get(0)?.step ?? 0);
}
