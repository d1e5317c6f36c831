// A program that trades on a real store, with an exchange that lives in the process that started it.
//
//   node trader-child.mjs DIRECTORY SEED CLOCK trade|finish
//
// It asks by messages {id, call, args, nonce} and hears {id, result} or {id, error}, each with the
// time, or {message}. It trades until it is killed; with "finish" it recovers, and says its books.
import { isHoldfastError, open } from "../../dist/index.js";
import { instruments, openTrading, TRADING_TABLES } from "../../dist/trading/index.js";

const [directory, seed, began, mode] = process.argv.slice(2);
const RECOVER = { policy: "HALT_AND_ALERT", unsentAfterMillis: 10_000, overlapMillis: 60_000 };
const SYMBOLS = ["BTC-USD", "BTC-PERP", "BTC-COIN"];
let now = Number(began);
let random = Number(seed);
/** A whole number from 0 to `end` - 1. */
function below(end) {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return Math.floor((random / 2 ** 32) * end);
}

const store = await open(directory, { tables: [...TRADING_TABLES] });
const trading = await openTrading(store, {
  currency: "USD",
  clock: () => now,
  nonces: { paper: { policy: "counter", block: 4 } },
});

const waiting = new Map();
let asked = 0;
process.on("message", ({ id, result, error, message, time }) => {
  now = Math.max(now, time);
  if (message !== undefined) book(message);
  else if (error === undefined) waiting.get(id).resolve(result);
  else waiting.get(id).reject(new Error(error));
});

/** What the venue says unasked. A fill of an order whose fate is not known is recovered later. */
function book(message) {
  const booked = trading.transact((t) => {
    if (message.type === "fill") t.applyFill(message.fill);
    else if (message.type === "accepted") t.orderAccepted(message.clientId, message);
    else t.orderCancelled(message.clientId, { venueId: message.venueId });
  });
  booked.catch(() => {});
}

function ask(call, args = [], nonce = undefined) {
  const id = asked++;
  const answer = new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  process.send({ id, call, args, nonce });
  return answer;
}

const signed = async (call, order) => ask(call, [order], await trading.nonces.next("paper"));
const broker = {
  venue: "paper",
  submit: (order) => signed("submit", order),
  amend: (order) => signed("amend", order),
  cancel: (order) => signed("cancel", order),
  order: (symbol, clientId) => ask("order", [symbol, clientId]).then((order) => order ?? undefined),
  openOrders: () => ask("openOrders"),
  positions: () => ask("positions"),
  balances: () => ask("balances"),
  fillsSince: (time) => ask("fillsSince", [time]),
};

await trading.transact((t) => {
  if (t.tx.has(instruments, "BTC-USD")) return;
  t.setInstrument("BTC-USD", { venue: "paper", base: "BTC", quote: "USD", lot: "0.001" });
  t.setInstrument("BTC-PERP", { venue: "paper", kind: "linear", base: "BTC", quote: "USD" });
  const coin = { venue: "paper", kind: "inverse", base: "BTC", quote: "USD", multiplier: 100 };
  t.setInstrument("BTC-COIN", coin);
  t.deposit("paper", "USD", 1_000_000);
  t.deposit("paper", "BTC", 1_000);
});
const report = await trading.recover(broker, RECOVER);
if (trading.portfolio().halted !== "no") throw new Error(`halted: ${report}`);
if (mode === "finish") await finish();
else for (;;) await act();

async function act() {
  const price = Number(await ask("step"));
  const working = trading.workingOrders();
  const dice = below(10);
  if (dice < 6 && working.length < 12) {
    const symbol = SYMBOLS[below(3)];
    const side = ["buy", "sell"][below(2)];
    const limit =
      below(5) === 0 ? {} : { price: (price * (1 + (below(21) - 10) / 20_000)).toFixed(2) };
    const quantity = `0.0${10 + below(20)}`;
    await trading.submit(broker, { symbol, side, quantity, ...limit });
  } else if (dice < 8 && working.length > 0) {
    await broker.cancel(working[below(working.length)]).catch(refused);
  } else if (dice === 8 && working.length > 0) {
    const { clientId } = working[below(working.length)];
    const quantity = `0.0${10 + below(30)}`;
    await trading.amend(broker, clientId, { quantity }).catch(impossible);
  } else if (dice === 9) await trading.mark("BTC-USD", price.toFixed(2));
}

/** Lost requests are part of trading. */
function refused(error) {
  if (isHoldfastError(error)) throw error;
}

/** The order is not open, waits for an answer, or has more filled than that. */
function impossible(error) {
  const usual = ["ORDER_TRANSITION", "INVALID_ARGUMENT"];
  if (!isHoldfastError(error) || !usual.includes(error.code)) throw error;
}

async function finish() {
  const last = await trading.reconcile(broker, RECOVER);
  const books = {
    differences: last.discrepancies,
    open: trading
      .workingOrders()
      .map((order) => [order.clientId, `${order.quantity.sub(order.filled)}`]),
    balances: trading.portfolio().balances.map(({ currency, total }) => [currency, `${total}`]),
    positions: SYMBOLS.map((symbol) => {
      const { quantity, cost, realised } = trading.position(symbol);
      return { symbol, quantity: `${quantity}`, paid: `${cost.sub(realised)}` };
    }),
    fills: SYMBOLS.flatMap((symbol) => [...trading.trades(symbol)]).length,
    lives: trading.store
      .table(TRADING_TABLES.find(({ name }) => name === "trading.sessions"))
      .get("").lives,
  };
  await store.close();
  process.send({ books }, () => process.exit(0));
}
