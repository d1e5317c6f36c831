// A history that is a function of its numbers alone: what transaction n writes, what a state is that
// has the first n of them, and whether a store is in such a state. Whoever finds a store can tell
// which prefix of the history it holds, and that it holds nothing else.
import assert from "node:assert/strict";

/** Keys of each table: few, so that most writes replace or delete something. */
const KEYS = 97;
const QUOTES = 8;
/** Every so many transactions a row of the cached table is put. */
const QUOTE_EVERY = 16;

/** The tables, made with the `defineTable` of the build under test. */
export function historyTables({ defineTable, integer, bytes }) {
  const table = (name, tier, rest = {}) =>
    defineTable({
      name,
      version: 1,
      tier,
      key: integer(),
      fields: { n: integer(), content: bytes(), constant: bytes() },
      ...rest,
    });
  return {
    orders: table("orders", "critical", { patches: true }),
    marks: table("marks", "important", { resident: true }),
    quotes: table("quotes", "cached"),
  };
}

function mix(n, salt) {
  let mixed = Math.imul(n ^ Math.imul(salt, 0x9e3779b9), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

/** Mostly small; some of several blocks, a few of many. */
function contentBytes(n) {
  const dice = mix(n, 1) % 200;
  if (dice === 0) return 60_000;
  return dice < 6 ? 6_000 : 20 + (mix(n, 2) % 300);
}

/** The same in every row, so that a patch of the rest is shorter than the row. */
const CONSTANT = Buffer.alloc(120, "constant");

function rowOf(n) {
  return { n, content: Buffer.alloc(contentBytes(n), `${n};`), constant: CONSTANT };
}

/** Some are patches of the row that is there, as far as there is one. */
function putOrder(tx, { orders }, key, row) {
  const { n, content } = row;
  if (n % 3 === 0 && tx.patch(orders, key, { n, content })) return;
  tx.put(orders, key, row);
}

/** Which keys transaction `n` puts its row at, and which it deletes; always puts one at least. */
function changesOf(n) {
  const order = mix(n, 3) % KEYS;
  const mark = mix(n, 4) % KEYS;
  const kind = mix(n, 5) % 8;
  if (kind === 0) return { marks: mark };
  if (kind < 4) return { orders: order };
  return { orders: order, marks: kind < 6 ? mark : undefined, gone: (order + 1 + mark) % KEYS };
}

/** Whether the promise of transaction `n` tells that it is durable, or only that it is accepted. */
export function tellsWhenDurable(n) {
  return changesOf(n).orders !== undefined;
}

/** Writes transaction `n`. Throws, and rejects, as the store does. */
export function writeTransaction(store, tables, n) {
  const { orders, marks, gone } = changesOf(n);
  const row = rowOf(n);
  if (n % QUOTE_EVERY === 0) {
    store
      .table(tables.quotes)
      .put((n / QUOTE_EVERY) % QUOTES, row)
      .catch(() => {});
  }
  if (orders === undefined) return store.table(tables.marks).put(marks, row);
  if (gone === undefined && n % 3 !== 0) return store.table(tables.orders).put(orders, row);
  return store.transact((tx) => {
    if (gone !== undefined && gone !== orders) tx.delete(tables.orders, gone);
    putOrder(tx, tables, orders, row);
    if (marks !== undefined) tx.put(tables.marks, marks, row);
  });
}

/** The state after the first `last` transactions: by table, the number of the row of each key. */
function stateAfter(last) {
  const state = { orders: new Map(), marks: new Map() };
  for (let n = 1; n <= last; n++) {
    const { orders, marks, gone } = changesOf(n);
    if (gone !== undefined) state.orders.delete(gone);
    if (orders !== undefined) state.orders.set(orders, n);
    if (marks !== undefined) state.marks.set(marks, n);
  }
  return state;
}

/**
 * The number of the last transaction that a store or a snapshot holds. Throws where it does not hold
 * exactly those up to it, or a row is not what it was.
 */
export function checkHistory(readable, tables) {
  const found = {};
  let last = 0;
  for (const name of ["orders", "marks"]) {
    found[name] = new Map();
    for (const [key, row] of readable.table(tables[name]).entries()) {
      checkRow(name, key, row);
      found[name].set(key, row.n);
      last = Math.max(last, row.n);
    }
  }
  const expected = stateAfter(last);
  for (const name of ["orders", "marks"]) {
    const sorted = new Map([...expected[name]].sort(([a], [b]) => a - b));
    assert.deepEqual(found[name], sorted, `${name} after transaction ${last}`);
  }
  return last;
}

function checkRow(name, key, { n, content, constant }) {
  assert.ok(CONSTANT.equals(constant), `${name} ${key} has what every row has`);
  assert.ok(rowOf(n).content.equals(content), `${name} ${key} is the row of transaction ${n}`);
}

/** By key of the cached table, the number of the transaction that its row was put with. */
export function checkQuotes(readable, tables) {
  const found = [];
  for (const [key, row] of readable.table(tables.quotes).entries()) {
    checkRow("quotes", key, row);
    assert.equal((row.n / QUOTE_EVERY) % QUOTES, key, "the key of a quote");
    found.push([key, row.n]);
  }
  return found;
}

/** By key, the newest quote of transactions `from` to `last`. */
export function quotesOf(from, last) {
  const quotes = new Map();
  for (let n = from; n <= last; n++) {
    if (n % QUOTE_EVERY === 0) quotes.set((n / QUOTE_EVERY) % QUOTES, n);
  }
  return quotes;
}
