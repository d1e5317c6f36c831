// Level changes of a recorded tape a second: applied, logged, durable. `npm run bench -- books`
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { defineBook, open } from "../dist/index.js";
import { cleanUp, cleanUpOnSignals, removeAtEnd } from "./children.mjs";
import { describeMachine } from "./machine.mjs";
import { micros, millis, number, textTable } from "./text.mjs";

const here = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));

/** Where a tape is, whole or cut, and what its book is like. */
const TAPES = [
  {
    file: "binance_usdm_btcusdt_20240808.jsonl.gz",
    cut: here("test/replay/fixtures/binance_usdm_btcusdt.jsonl.gz"),
    book: { name: "USD-M", priceScale: 2, quantityScale: 3, dialect: "usd-m" },
  },
  {
    file: "binance_cm_btcusd_perp_20240808.jsonl.gz",
    cut: here("test/replay/fixtures/binance_cm_btcusd_perp.jsonl.gz"),
    book: { name: "COIN-M", priceScale: 1, quantityScale: 0, dialect: "coin-m" },
  },
  {
    file: "binance_spot_btcusdt_20240808.jsonl.gz",
    cut: here("tapes/binance_spot_btcusdt_20240808.jsonl.gz"),
    book: { name: "spot", priceScale: 2, quantityScale: 8, dialect: "spot" },
  },
];

/** Updates that are handed over before the event loop turns. */
const UPDATES_PER_TURN = 64;

function readTape(file) {
  const before = [];
  const after = [];
  let snapshot;
  for (const line of gunzipSync(readFileSync(file)).toString("latin1").split("\n")) {
    if (!/lastUpdateId|depthUpdate/.test(line)) continue;
    const message = JSON.parse(line.slice(20));
    if ("lastUpdateId" in message) {
      snapshot = { lastId: message.lastUpdateId, bids: message.bids, asks: message.asks };
      continue;
    }
    const { U: firstId, u: lastId, pu: previousId, b: bids, a: asks } = message.data;
    (snapshot === undefined ? before : after).push({ firstId, lastId, previousId, bids, asks });
  }
  return { snapshot, before, after };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** One run over the tape, in a store of its own. */
async function runOnce(directory, definition, { snapshot, before, after }) {
  rmSync(directory, { recursive: true, force: true });
  const store = await open(directory, { books: [definition] });
  const book = store.book(definition);
  await book.snapshot(snapshot, before);
  const logged = store.stats().log.logicalBytes;
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (const [i, update] of after.entries()) {
    const done = book.update(update);
    if (i % UPDATES_PER_TURN !== UPDATES_PER_TURN - 1) continue;
    await done;
    await turn();
  }
  await store.durable();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const bytes = store.stats().log.logicalBytes - logged;
  const top = time(() => book.top(20));
  const all = time(() => book.levels());
  await store.close();
  const again = await open(directory, { books: [definition] });
  const first = performance.now();
  const { lastId } = again.book(definition);
  const readMillis = performance.now() - first;
  if (lastId !== after.at(-1).lastId) throw new Error(`the book came back at ${lastId}`);
  await again.close();
  const cpuSeconds = (user + system) / 1e6;
  return { seconds, cpuSeconds, bytes, top, all, readMillis };
}

/** Microseconds of a call, the best of some. */
function time(work) {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 50; i++) {
    const start = performance.now();
    work();
    best = Math.min(best, (performance.now() - start) * 1000);
  }
  return best;
}

async function measure(directory, { file, cut, book }, data, rounds) {
  const given = data === undefined ? undefined : join(data, file);
  const isWhole = given !== undefined && existsSync(given);
  const tape = readTape(isWhole ? given : cut);
  const levels = tape.after.reduce((sum, { bids, asks }) => sum + bids.length + asks.length, 0);
  const runs = [];
  for (let round = 0; round < rounds; round++) {
    runs.push(await runOnce(directory, defineBook(book), tape));
  }
  const bySpeed = runs.sort((a, b) => a.seconds - b.seconds);
  const median = bySpeed[rounds >> 1];
  return { name: book.name, isWhole, updates: tape.after.length, levels, ...median };
}

function print(results) {
  const rows = results.map((one) => [
    `${one.name}${one.isWhole ? "" : ", a cut"}`,
    number(one.updates),
    number(one.levels),
    `${number(one.levels / one.seconds / 1e6, 2)} million/s`,
    `${number(one.levels / one.cpuSeconds / 1e6, 2)} million/s`,
    number(one.bytes / one.levels, 1),
    micros(one.top),
    micros(one.all),
    millis(one.readMillis),
  ]);
  const titles = ["tape", "updates", "level changes", "to durable", "per second of CPU"];
  const more = ["bytes a change", "top 20", "all levels", "read back"];
  console.log(textTable([[...titles, ...more], ...rows]));
}

export async function books(args) {
  const { values } = parseArgs({
    args,
    options: {
      dir: { type: "string", default: ".tmp/bench" },
      data: { type: "string" },
      rounds: { type: "string" },
      quick: { type: "boolean", default: false },
      json: { type: "string" },
    },
  });
  const rounds = Number(values.rounds ?? (values.quick ? 2 : 10));
  const directory = join(values.dir, "books");
  cleanUpOnSignals();
  removeAtEnd(directory);
  mkdirSync(values.dir, { recursive: true });
  try {
    const results = [];
    for (const tape of TAPES) results.push(await measure(directory, tape, values.data, rounds));
    print(results);
    const machine = describeMachine();
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify({ machine, results }));
  } finally {
    cleanUp();
  }
}
