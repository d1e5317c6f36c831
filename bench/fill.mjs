// What one fill costs, with all that it changes (order, position, balances, risk, history) in one
// durable transaction, beside a bare put of one row. They take turns in small blocks.
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Decimal, open } from "../dist/index.js";
import { openTrading, TRADING_TABLES } from "../dist/trading/index.js";
import { describeMachine, median, quantiles } from "./machine.mjs";
import { KEYS, orders, row } from "./rows.mjs";
import { markdownTable, number } from "./text.mjs";

const TARGET_TIMES = 1.2;
const TARGET_CPU_MICROS = 5;
const SYMBOLS = Array.from({ length: 8 }, (_, i) => `COIN${i}`);
const FILLS_PER_ORDER = 10;
const PRICES = Array.from({ length: 64 }, (_, i) => Decimal.of(`617${i}.63`, 8));
const QUANTITY = Decimal.of("0.01", 8);
const FEE = Decimal.of("0.0617", 8);

/** A trader with eight instruments, limits and prices, who buys and sells in turns. */
export class Trader {
  #number = 0;
  #ready = [];
  #used = 0;

  constructor(trading) {
    this.trading = trading;
  }

  static async open(store, kind) {
    const trading = await openTrading(store, { currency: "USD" });
    await trading.transact((t) => {
      t.deposit("venue", "USD", "1000000");
      for (const symbol of SYMBOLS) {
        t.setInstrument(symbol, { venue: "venue", kind, base: symbol, quote: "USD" });
        t.deposit("venue", symbol, "1000");
        t.setSymbolLimits(symbol, { maxPosition: "5000", maxOpenOrders: 10000 });
        t.mark(symbol, "61700");
      }
      t.setPortfolioLimits({ maxExposure: "1000000000000", maxDrawdown: "0.9" });
    });
    return new Trader(trading);
  }

  /** Places orders for so many fills, and makes the fills: neither is measured. */
  async prepare(count) {
    let last;
    this.#ready.splice(0, this.#used);
    this.#used = 0;
    while (this.#ready.length < count) {
      const placed = this.#number;
      const symbol = SYMBOLS[(placed / FILLS_PER_ORDER) % SYMBOLS.length];
      const side = placed % (20 * SYMBOLS.length) < 10 * SYMBOLS.length ? "buy" : "sell";
      const clientId = `order-${placed}`;
      last = this.trading.transact((t) => {
        const quantity = QUANTITY.mul(Decimal.of(FILLS_PER_ORDER), 8);
        t.placeOrder({ symbol, side, quantity, price: "62000", clientId });
        t.orderAccepted(clientId, { venueId: `v-${placed}` });
      });
      for (let i = 0; i < FILLS_PER_ORDER; i++)
        this.#ready.push(this.#fill(symbol, side, clientId));
    }
    await last;
  }

  #fill(symbol, side, clientId) {
    const tradeId = `${1_000_000 + this.#number++}`;
    const price = PRICES[this.#number & 63];
    return { symbol, tradeId, clientId, side, price, quantity: QUANTITY, fee: FEE };
  }

  fill() {
    return this.trading.applyFill(this.#ready[this.#used++]);
  }
}

let rowNumber = 0;
const put = (table) => table.put(KEYS[rowNumber % KEYS.length], row(rowNumber++));

/** CPU in microseconds: of the process, and of the thread of the store alone. */
function cpuNow() {
  const { user, system } = process.cpuUsage();
  const path = `/proc/self/task/${process.pid}/schedstat`;
  return {
    process: user + system,
    thread: Number(readFileSync(path, "utf8").split(" ")[0]) / 1000,
  };
}

const cpuSince = (before, events) => {
  const now = cpuNow();
  return {
    process: (now.process - before.process) / events,
    thread: (now.thread - before.thread) / events,
  };
};

/** Each awaited before the next: what a caller waits for, and the CPU meanwhile. */
async function latencies(table, trader, blocks, samples) {
  const cpu = { put: [], fill: [] };
  const block = async (name, event) => {
    const before = cpuNow();
    for (let i = 0; i < 25; i++) {
      const start = performance.now();
      await event();
      samples[name].push((performance.now() - start) * 1000);
    }
    cpu[name].push(cpuSince(before, 25));
  };
  for (let i = 0; i < blocks; i++) {
    await trader.prepare(25);
    await block("put", () => put(table));
    await block("fill", () => trader.fill());
  }
  return { put: summary(cpu.put, mean), fill: summary(cpu.fill, mean) };
}

const mean = (list) => list.reduce((sum, value) => sum + value, 0) / list.length;
const summary = (list, of) => ({
  process: of(list.map((cpu) => cpu.process)),
  thread: of(list.map((cpu) => cpu.thread)),
});

/**
 * CPU when 100 share a turn, and the least that 100 calls took: without the device, and the second
 * without whatever else the machine does.
 */
async function cpuInTurns(table, trader, rounds) {
  const cpu = { put: [], fill: [] };
  const least = { put: Number.POSITIVE_INFINITY, fill: Number.POSITIVE_INFINITY };
  const perRound = 10_000;
  const round = async (name, event) => {
    const before = cpuNow();
    for (let i = 0; i < perRound; i += 100) {
      let last;
      const start = performance.now();
      for (let j = 0; j < 100; j++) last = event();
      least[name] = Math.min(least[name], (performance.now() - start) * 10);
      await last;
    }
    cpu[name].push(cpuSince(before, perRound));
  };
  for (let i = 0; i < rounds; i++) {
    await trader.prepare(perRound);
    await round("put", () => put(table));
    await round("fill", () => trader.fill());
  }
  const of = (name) => ({ ...summary(cpu[name].slice(1), median), least: least[name] });
  return { put: of("put"), fill: of("fill") };
}

export async function fill(argv) {
  const { values } = parseArgs({
    args: argv,
    options: {
      dir: { type: "string" },
      kind: { type: "string", default: "spot" },
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      check: { type: "boolean", default: false },
    },
  });
  const directory = join(values.dir ?? join(process.cwd(), ".tmp", "bench"), "fill");
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  try {
    const store = await open(directory, { tables: [...TRADING_TABLES, orders] });
    const table = store.table(orders);
    const trader = await Trader.open(store, values.kind);
    await latencies(table, trader, 40, { put: [], fill: [] });
    await cpuInTurns(table, trader, 2);
    const samples = { put: [], fill: [] };
    const awaited = await latencies(table, trader, values.quick ? 20 : 200, samples);
    const inTurns = await cpuInTurns(table, trader, values.quick ? 3 : 9);
    const { disk, log } = store.stats();
    await store.close();
    const result = {
      machine: describeMachine(),
      kind: values.kind,
      disk: { backend: disk.backend, method: disk.method, fileSystem: disk.fileSystem },
      latencyMicros: { put: quantiles(samples.put), fill: quantiles(samples.fill) },
      cpuMicros: { awaited, inTurns },
      bytesPerTransaction: log.logicalBytes / log.transactions,
    };
    print(result, values.json);
    const missed =
      result.latencyMicros.fill.p50 > TARGET_TIMES * result.latencyMicros.put.p50 ||
      inTurns.fill.least > TARGET_CPU_MICROS;
    if (values.check && missed) process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

function print(result, asJson) {
  if (asJson) {
    console.log(JSON.stringify(result));
    return;
  }
  const { latencyMicros, cpuMicros, kind, machine, disk } = result;
  const { put: bare, fill: whole } = latencyMicros;
  const line = (name, a, b, places = 1) => [
    name,
    number(a, places),
    number(b, places),
    `${number(b / a, 2)}`,
  ];
  const cpuLines = (name, { put, fill }) => [
    line(`CPU, ${name}, of the process`, put.process, fill.process, 2),
    line(`CPU, ${name}, of the store's thread`, put.thread, fill.thread, 2),
  ];
  console.log(`${machine.cpu}, ${machine.cores} cores, Node.js ${machine.node}, ${disk.method}\n`);
  console.log(
    markdownTable([
      [`µs, ${kind}`, "put", "fill", "times"],
      line("p50", bare.p50, whole.p50),
      line("p99", bare.p99, whole.p99),
      line("p99.9", bare.p999, whole.p999),
      ...cpuLines("each awaited", cpuMicros.awaited),
      ...cpuLines("100 in a turn", cpuMicros.inTurns),
      line("100 in a turn, at best", cpuMicros.inTurns.put.least, cpuMicros.inTurns.fill.least, 2),
    ]),
  );
  console.log(`\ntargets: ${TARGET_TIMES} times at p50, ${TARGET_CPU_MICROS} µs of CPU`);
}
