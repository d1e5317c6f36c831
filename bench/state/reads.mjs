// Scans of whole tables, and gets of single rows: the store and lmdb on the same rows, in turns.
import { rmSync } from "node:fs";
import { open } from "../../dist/index.js";
import { median } from "../machine.mjs";
import { sizeOf } from "../procfs.mjs";
import { makeRandom } from "../random.mjs";
import { CONFIGURATION, copyToLmdb, meanValueBytes, openTable } from "./lmdb.mjs";
import { absentKeyOf, DEFINITIONS, keyOf, ROW_BYTES, TABLES } from "./tables.mjs";

/** Rows that were read a moment ago, in all tables together. */
const RECENT_ROWS = 10_000;

const rate = (count, millis) => count / (millis / 1000);

/** Rows a second of one scan of all keys and rows. */
function scan(entries, rowIn) {
  let rows = 0;
  // Something of every row is looked at, so that none of the decoding can be left out.
  let seen = 0;
  const start = performance.now();
  for (const entry of entries) {
    if (rowIn(entry) !== undefined) seen++;
    rows++;
  }
  const millis = performance.now() - start;
  if (seen !== rows) throw new Error(`${rows - seen} rows of a scan have no value`);
  return { rows, rowsPerSecond: rate(rows, millis) };
}

/** Gets a second. `tables` has something with a `get` for each table. */
function gets(tables, wanted, expectRows) {
  let found = 0;
  const start = performance.now();
  for (const { table, key } of wanted) if (tables[table].get(key) !== undefined) found++;
  const millis = performance.now() - start;
  if (found !== (expectRows ? wanted.length : 0)) {
    throw new Error(`${found} of ${wanted.length} gets found a row`);
  }
  return rate(wanted.length, millis);
}

/** Keys for gets, made before the clock starts. No row comes twice among those of `miss`. */
function makeKeys(rowsPerTable, seed) {
  const random = makeRandom(seed);
  const stride = 7_368_787 % rowsPerTable || 1;
  const offset = Math.floor(random() * rowsPerTable);
  let i = 0;
  const recent = Array.from({ length: RECENT_ROWS }, (_, n) => {
    const table = n % TABLES.length;
    return { table, key: keyOf(table, Math.floor(random() * rowsPerTable)) };
  });
  const list = (count, one) => Array.from({ length: count }, one);
  return {
    recent,
    hit: (count) => list(count, () => recent[Math.floor(random() * recent.length)]),
    miss: (count) =>
      list(count, () => {
        const table = i % TABLES.length;
        const index = (offset + Math.floor(i++ / TABLES.length) * stride) % rowsPerTable;
        return { table, key: keyOf(table, index) };
      }),
    absent: (count) =>
      list(count, () => {
        const table = Math.floor(random() * TABLES.length);
        return { table, key: absentKeyOf(table, Math.floor(random() * rowsPerTable)) };
      }),
  };
}

export async function reads({ directory, rowsPerTable, rounds, getsPerBlock }, report) {
  // A directory: with a point in it, lmdb would take it for the name of a file.
  const path = `${directory}-lmdb`;
  rmSync(path, { recursive: true, force: true });
  const store = await open(directory, { tables: DEFINITIONS });
  const copy = await copyToLmdb(store, DEFINITIONS, path, report);
  const handles = DEFINITIONS.map((definition) => store.table(definition));
  const lmdb = DEFINITIONS.map((definition) => openTable(copy.root, definition));
  const contenders = {
    store: handles,
    lmdb: lmdb.map(({ plain }) => plain),
    lmdbCached: lmdb.map(({ cached }) => cached),
  };
  const scans = DEFINITIONS.map(({ name }) => ({ name, rows: 0, store: [], lmdb: [] }));
  for (let round = 0; round < rounds; round++) {
    for (const [table, result] of scans.entries()) {
      const ours = scan(handles[table].entries(), (entry) => entry[1]);
      const theirs = scan(lmdb[table].plain.getRange(), (entry) => entry.value);
      if (ours.rows !== theirs.rows) throw new Error("the two do not hold the same rows");
      result.rows = ours.rows;
      result.store.push(ours.rowsPerSecond);
      result.lmdb.push(theirs.rowsPerSecond);
      report(`scan ${round + 1} of ${rounds}, ${result.name}`);
    }
  }
  const keys = makeKeys(rowsPerTable, 41);
  const random = await getsInTurns(store, contenders, keys, rounds, getsPerBlock, report);
  const result = {
    configuration: CONFIGURATION,
    rounds,
    getsPerBlock,
    storeBytes: sizeOf(directory).bytes,
    lmdbBytes: sizeOf(path).bytes,
    lmdbCopySeconds: copy.seconds,
    lmdbValueBytes: meanValueBytesOf(contenders.lmdb, keys),
    scans: scans.map(({ name, rows, store: ours, lmdb: theirs }) => ({
      name,
      rows,
      store: summary(ours),
      lmdb: summary(theirs),
      ratio: median(ours) / median(theirs),
    })),
    gets: random,
    examples: examples(contenders, keys),
  };
  await store.close();
  await copy.root.close();
  rmSync(path, { recursive: true, force: true });
  return result;
}

/** Blocks of gets, each contender in turn, on the same keys. */
async function getsInTurns(store, contenders, keys, rounds, getsPerBlock, report) {
  const rates = {};
  const blocks = {};
  const names = Object.keys(contenders);
  for (const kind of ["hit", "miss", "absent"]) {
    rates[kind] = Object.fromEntries(names.map((name) => [name, []]));
    blocks[kind] = { hits: 0, misses: 0 };
    // The first round warms up.
    for (let round = -1; round < rounds * 2; round++) {
      const wanted = keys[kind](getsPerBlock);
      // Both of lmdb's handles read the same pages: the second must not find them warmed up.
      const others = keys[kind](getsPerBlock);
      for (const name of names) {
        if (kind === "hit")
          for (const { table, key } of keys.recent) contenders[name][table].get(key);
        const before = store.stats().memory;
        const perSecond = gets(
          contenders[name],
          name === "lmdbCached" ? others : wanted,
          kind !== "absent",
        );
        const after = store.stats().memory;
        if (round < 0) continue;
        rates[kind][name].push(perSecond);
        if (name !== "store") continue;
        blocks[kind].hits += after.blockHits - before.blockHits;
        blocks[kind].misses += after.blockMisses - before.blockMisses;
      }
      // What is to be collected is collected between two rounds, not always in the same one's turn.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    report(`gets, ${kind}`);
  }
  return Object.entries(rates).map(([kind, lists]) => ({
    kind,
    gets: rounds * 2 * getsPerBlock,
    store: summary(lists.store),
    lmdb: summary(lists.lmdb),
    lmdbCached: summary(lists.lmdbCached),
    ratio: median(lists.store) / median(lists.lmdb),
    ratioCached: median(lists.store) / median(lists.lmdbCached),
    blockHits: blocks[kind].hits,
    blockMisses: blocks[kind].misses,
  }));
}

function summary(rates) {
  const perSecond = median(rates);
  return {
    perSecond: Math.round(perSecond),
    megabytesPerSecond: (perSecond * ROW_BYTES) / 1e6,
    micros: 1e6 / perSecond,
    best: Math.round(Math.max(...rates)),
  };
}

function meanValueBytesOf(tables, keys) {
  const means = tables.map((db, table) => {
    const own = keys.recent.filter((one) => one.table === table).map(({ key }) => key);
    return meanValueBytes(db, own.slice(0, 1000));
  });
  return means.reduce((sum, mean) => sum + mean, 0) / means.length;
}

/** What each of them gives back for the same row. */
function examples(contenders, keys) {
  const { table, key } = keys.recent[0];
  const describe = (row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [
        name,
        `${typeof value === "object" ? value.constructor.name : typeof value} ${value}`,
      ]),
    );
  return {
    table: DEFINITIONS[table].name,
    key: String(key),
    store: describe(contenders.store[table].get(key)),
    lmdb: describe(contenders.lmdb[table].get(key)),
  };
}
