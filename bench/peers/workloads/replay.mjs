// A small engine over a recorded tape: quotes and trades move orders, positions, balances, risk and
// nonces, each event one transaction that is durable before the next. The same logic over every store,
// which reads its rows back from it.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { measured } from "../measured.mjs";

const TAPE = new URL("../../../tapes/binance_spot_btcusdt_20240808.jsonl.gz", import.meta.url);
const SYMBOL = "BTCUSDT";
const ACCOUNT = "main";
/** 0.01 of the base currency, at 8 digits. */
const ORDER_QUANTITY = 1_000_000;
/** A new order for every so many quotes. */
const QUOTES_PER_ORDER = 5;

/** A decimal text of at most 8 digits after the point, as an integer: exact below 90 million. */
export function coefficientOfText(text) {
  const [whole, part = ""] = text.split(".");
  return Number(whole) * 1e8 + Number(part.padEnd(8, "0").slice(0, 8));
}

/** The first `count` quotes and trades of the tape. */
export function readEvents(count) {
  const events = [];
  for (const line of gunzipSync(readFileSync(TAPE)).toString("utf8").split("\n")) {
    if (events.length >= count) break;
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const { stream, data } = JSON.parse(line.slice(space + 1));
    const at = Math.floor(Number(line.slice(0, space)) / 1000);
    if (stream === "btcusdt@bookTicker") {
      const [bid, bidQuantity] = [coefficientOfText(data.b), coefficientOfText(data.B)];
      const [ask, askQuantity] = [coefficientOfText(data.a), coefficientOfText(data.A)];
      events.push({ kind: "quote", at, bid, bidQuantity, ask, askQuantity, update: data.u });
    } else if (stream === "btcusdt@trade") {
      events.push({ kind: "trade", at, price: coefficientOfText(data.p) });
    }
  }
  return events;
}

export class Engine {
  #store;
  #open = [];

  constructor(store) {
    this.#store = store;
  }

  /** What one event changes, as operations of a transaction. */
  operationsOf(event, place) {
    const done = ["nonces", "tape", { next: place }];
    if (event.kind === "quote") return [done, ...this.#quote(event)];
    const at = this.#open.findIndex(({ side, price }) =>
      side === "buy" ? event.price <= price : event.price >= price,
    );
    return at < 0 ? [done] : [done, ...this.#fill(this.#open.splice(at, 1)[0], event)];
  }

  #read(table, key, fallback) {
    const row = this.#store.get(table, key);
    if (row === undefined) return fallback;
    const { coefficientOf } = this.#store;
    return Object.fromEntries(
      Object.entries(fallback).map(([name, value]) => [
        name,
        value.decimal ? { decimal: true, value: coefficientOf(row[name]) } : row[name],
      ]),
    );
  }

  #quote({ bid, bidQuantity, ask, askQuantity, update, at }) {
    const { decimal } = this.#store;
    const quote = {
      bid: decimal(bid),
      bidQuantity: decimal(bidQuantity),
      ask: decimal(ask),
      askQuantity: decimal(askQuantity),
      update,
    };
    const operations = [["quotes", SYMBOL, quote]];
    if (update % QUOTES_PER_ORDER === 0 && this.#open.length < 8) {
      const { next } = this.#read("nonces", ACCOUNT, { next: 0 });
      const side = next % 2 === 0 ? "buy" : "sell";
      const order = { key: `o-${next}`, side, price: side === "buy" ? bid : ask, placed: at };
      this.#open.push(order);
      operations.push(["nonces", ACCOUNT, { next: next + 1 }]);
      operations.push(["orders", order.key, this.#row(order, 0, true)]);
    }
    return operations;
  }

  #fill(order, { at }) {
    const { decimal } = this.#store;
    const sign = order.side === "buy" ? 1 : -1;
    const zero = { decimal: true, value: 0 };
    const cost = Math.round(order.price / 100);
    const position = this.#read("positions", SYMBOL, { quantity: zero });
    const balance = this.#read("balances", ACCOUNT, { amount: zero });
    const risk = this.#read("risk", SYMBOL, { exposure: zero, orders: 0 });
    const quantity = position.quantity.value + sign * ORDER_QUANTITY;
    return [
      ["orders", order.key, this.#row(order, ORDER_QUANTITY, false)],
      [
        "positions",
        SYMBOL,
        { quantity: decimal(quantity), average: decimal(order.price), updated: at },
      ],
      [
        "balances",
        ACCOUNT,
        { amount: decimal(balance.amount.value - sign * cost), reserved: decimal(0) },
      ],
      [
        "risk",
        SYMBOL,
        { exposure: decimal(risk.exposure.value + sign * cost), orders: risk.orders + 1 },
      ],
    ];
  }

  #row({ side, price, placed }, filled, open) {
    const { decimal } = this.#store;
    return {
      symbol: SYMBOL,
      client: ACCOUNT,
      venue: "binance",
      price: decimal(price),
      quantity: decimal(ORDER_QUANTITY),
      side,
      placed,
      filled,
      open,
    };
  }

  /** A hash of what the engine has come to: the same over every store. */
  digest() {
    const { coefficientOf } = this.#store;
    const hash = createHash("sha256");
    for (const [table, key] of [
      ["positions", SYMBOL],
      ["balances", ACCOUNT],
      ["risk", SYMBOL],
      ["nonces", ACCOUNT],
      ["nonces", "tape"],
    ]) {
      const row = this.#store.get(table, key) ?? {};
      const values = Object.entries(row).map(([name, value]) => [
        name,
        typeof value === "object" ? coefficientOf(value) : value,
      ]);
      hash.update(JSON.stringify([table, key, values.sort()]));
    }
    return hash.digest("hex").slice(0, 16);
  }
}

/** The next `count` events. */
export function replay(context, { count, total }) {
  const { store, directory } = context;
  context.replay ??= { events: readEvents(total), engine: new Engine(store), place: 0 };
  const { events, engine } = context.replay;
  return measured(directory, async () => {
    const micros = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const place = context.replay.place++;
      const event = events[place % events.length];
      const start = performance.now();
      await store.transact(engine.operationsOf(event, place));
      micros[i] = (performance.now() - start) * 1000;
    }
    return { operations: count, micros, digest: engine.digest() };
  });
}
