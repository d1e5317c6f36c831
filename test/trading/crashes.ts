/**
 * An engine that trades with the paper exchange and is killed at random instants: at any operation
 * of its disk, amid any request, inside recovery. The exchange lives on, as venues do.
 */
import { Decimal, isHoldfastError } from "../../src/index.js";
import {
  amendments,
  type InstrumentRow,
  instruments,
  type Order,
  PaperExchange,
  type PaperMessage,
  type PaperSession,
  rebuild,
  valueAt,
} from "../../src/trading/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { COIN, type Desk, openDesk, PERP, SYMBOL, VENUE } from "./helpers.js";
import type { Market } from "./tapes.js";

const SYMBOLS = [SYMBOL, PERP, COIN] as const;
/** Dollars of one inverse contract. */
const MULTIPLIER = 100;
const WINDOW_MILLIS = 5000;
const RECOVER = {
  policy: "HALT_AND_ALERT",
  unsentAfterMillis: 2 * WINDOW_MILLIS,
  overlapMillis: 60_000,
} as const;

export interface CrashFigures {
  kills: number;
  insideRecovery: number;
  orders: number;
  fills: number;
  /** Orders that were filled in more than one part. */
  partial: number;
  unknowns: number;
  amended: number;
  readonly kinds: Map<string, number>;
  readonly troubles: ReadonlyMap<string, number>;
}

/** Throws at the first thing that is not as it has to be. Without a market, prices walk. */
export async function tradeAndCrash(
  seed: number,
  lives: number,
  market?: Market,
): Promise<CrashFigures> {
  const run = new CrashRun(seed, market);
  for (let life = 0; life < lives; life++) await run.live();
  await run.finish();
  return run.figures;
}

class CrashRun {
  readonly figures: CrashFigures;
  readonly #random: Random;
  readonly #machine: SimulatedMachine;
  readonly #exchange: PaperExchange;
  /** Largest distance of an order's price from that of now, and the least quantity of one. */
  readonly #distance: Decimal;
  readonly #lot: Decimal;
  #lastNonce = 0;

  constructor(seed: number, market: Market | undefined) {
    // A tape's prices move by thousandths, and its trades are small.
    this.#distance = Decimal.of(market === undefined ? "0.1" : "0.0005");
    this.#lot = Decimal.of(market === undefined ? 1 : "0.001");
    const price = market?.price ?? 100;
    this.#random = new Random(seed);
    this.#machine = new SimulatedMachine({ seed });
    this.#exchange = new PaperExchange({
      seed,
      windowMillis: WINDOW_MILLIS,
      clock: () => this.#machine.nowMicros(),
      ...(market && { tape: market.events(SYMBOLS), eventsPerStep: 40 }),
      balances: { USD: 1_000_000, BTC: 1_000 },
      instruments: {
        [SYMBOL]: { kind: "spot", base: "BTC", quote: "USD", price },
        [PERP]: { kind: "linear", base: "BTC", quote: "USD", price },
        [COIN]: { kind: "inverse", base: "BTC", quote: "USD", price, multiplier: MULTIPLIER },
      },
    });
    const { troubles } = this.#exchange;
    const none = { kills: 0, insideRecovery: 0, orders: 0, fills: 0, partial: 0, unknowns: 0 };
    this.figures = { ...none, amended: 0, kinds: new Map(), troubles };
  }

  /** One program, from its opening to its death. */
  async live(): Promise<void> {
    const random = this.#random;
    const machine = this.#machine;
    let recovering = true;
    // Some die while they open.
    const early = random.chance(0.2);
    if (early) this.#arm(30);
    try {
      const desk = await this.#open();
      const session = this.#connect(desk);
      if (!early && random.chance(0.4)) this.#arm(60);
      await desk.run(() => this.#recover(desk, session));
      recovering = false;
      this.#arm(150);
      await desk.run(() => this.#trade(desk, session));
    } catch (error) {
      if (!isCrash(error)) throw error;
    }
    machine.crash(random.chance(0.5) ? "power" : "kill");
    this.figures.kills++;
    if (recovering) this.figures.insideRecovery++;
    // What the dead program was about to say is never heard.
    this.#exchange.connect({ nonce: async () => 0 }).disconnect();
    for (let i = random.below(5); i > 0; i--) this.#exchange.step();
    const away = random.chance(0.3) ? 30_000_000 : random.below(2_000_000);
    machine.jumpClock(away);
  }

  /** The last program is not killed: when it has recovered, the books are the exchange's. */
  async finish(): Promise<void> {
    const desk = await this.#open();
    for (let i = 0; i < 10; i++) this.#exchange.step();
    this.#machine.jumpClock(60_000_000);
    const session = this.#connect(desk);
    await desk.run(() => this.#recover(desk, session));
    const report = await desk.run(desk.trading.reconcile(session, RECOVER));
    same("open differences", report.discrepancies, []);
    this.#compare(desk);
    desk.kill();
  }

  #arm(operations: number): void {
    const kind = this.#random.chance(0.5) ? "power" : "kill";
    this.#machine.crashAfter(1 + this.#random.below(operations), kind);
  }

  async #open(): Promise<Desk> {
    // A small block, so that crashes fall where it is used up.
    const nonces = { [VENUE]: { policy: "counter" as const, block: 4 } };
    const desk = await openDesk(this.#machine, { nonces });
    await desk.run(
      desk.trading.transact((t) => {
        if (t.tx.has(instruments, SYMBOL)) return;
        t.setInstrument(SYMBOL, { venue: VENUE, base: "BTC", quote: "USD", lot: "0.001" });
        t.setInstrument(PERP, { venue: VENUE, kind: "linear", base: "BTC", quote: "USD" });
        const coin = { venue: VENUE, kind: "inverse", base: "BTC", quote: "USD" } as const;
        t.setInstrument(COIN, { ...coin, multiplier: MULTIPLIER });
        t.deposit(VENUE, "USD", 1_000_000);
        t.deposit(VENUE, "BTC", 1_000);
        t.setSymbolLimits(SYMBOL, { maxPosition: 500 });
      }),
    );
    return desk;
  }

  #connect({ trading }: Desk): PaperSession {
    const onMessage = (message: PaperMessage) => {
      const booked = trading.transact((t) => {
        if (message.type === "fill") t.applyFill(message.fill);
        else if (message.type === "accepted") t.orderAccepted(message.clientId, message);
        else t.orderCancelled(message.clientId, { venueId: message.venueId });
      });
      // A dead program's; or a fill of an order that we have not heard the fate of: recovered later.
      booked.catch(() => {});
    };
    const nonce = async () => {
      const next = await trading.nonces.next(VENUE);
      if (next <= this.#lastNonce) {
        this.#exchange.violations.push(`nonce ${next} was given after ${this.#lastNonce}`);
      }
      this.#lastNonce = next;
      return next;
    };
    return this.#exchange.connect({ nonce, onMessage });
  }

  async #recover(desk: Desk, session: PaperSession): Promise<void> {
    const report = await desk.trading.recover(session, RECOVER);
    for (const { kind, action } of report.discrepancies) {
      const what = `${kind} ${action}`;
      this.figures.kinds.set(what, (this.figures.kinds.get(what) ?? 0) + 1);
    }
    // Everything that happens here can be explained by fills and answers.
    const halted = desk.trading.portfolio().halted !== "no";
    same("halted", halted ? String(report) : "no", "no");
  }

  async #trade(desk: Desk, session: PaperSession): Promise<void> {
    const random = this.#random;
    const { trading } = desk;
    for (let i = 0; i < 60; i++) {
      this.#exchange.step();
      if (!session.connected) return;
      const working = trading.workingOrders();
      const dice = random.below(10);
      if (dice < 5 && working.length < 12) {
        const symbol = random.pick(SYMBOLS);
        const price = random.chance(0.8) ? { price: this.#near(symbol) } : {};
        const side = random.pick(["buy", "sell"] as const);
        const quantity = this.#lot.mul(Decimal.of(1 + random.below(20)));
        const request = { symbol, side, quantity, ...price };
        const order = await this.#tolerate(trading.submit(session, request));
        this.figures.orders++;
        if (order?.status === "unknown") this.figures.unknowns++;
        // At times the program dies between two of its steps.
        if (random.chance(0.02)) this.#machine.crash("kill");
      } else if (dice < 7 && working.length > 0) {
        const { clientId, symbol, venueId } = random.pick(working);
        await this.#tolerate(session.cancel({ clientId, symbol, venueId } as { clientId: string }));
      } else if (dice === 7) {
        await trading.mark(SYMBOL, this.#near(SYMBOL));
      } else if (dice === 8) {
        const report = await this.#tolerate(trading.reconcile(session, RECOVER));
        const halted = trading.portfolio().halted !== "no";
        same("halted", halted ? String(report) : "no", "no");
      } else if (dice === 9 && working.length > 0) {
        await this.#amend(desk, session, random.pick(working));
      }
    }
  }

  /** Another price, or quantity, or both. */
  async #amend({ trading }: Desk, session: PaperSession, order: Order): Promise<void> {
    const random = this.#random;
    const { clientId, symbol, price } = order;
    const change = {
      ...(price !== null && random.chance(0.7) && { price: this.#near(symbol) }),
      ...(random.chance(0.7) && { quantity: this.#lot.mul(Decimal.of(1 + random.below(30))) }),
    };
    const after = await this.#tolerate(trading.amend(session, clientId, change));
    if (after !== undefined && trading.amendment(clientId) === undefined) this.figures.amended++;
    if (random.chance(0.05)) this.#machine.crash("kill");
  }

  /** A price near that of now, in cents. */
  #near(symbol: string): Decimal {
    const now = Decimal.fromCoefficient(this.#exchange.books.price(symbol), 8);
    const steps = Decimal.of(this.#random.below(21) - 10).div(Decimal.of(10), 1);
    return now.add(now.mul(this.#distance).mul(steps, 8, "down")).rescale(2, "down");
  }

  /** Refusals and lost connections are part of trading. */
  async #tolerate<T>(work: Promise<T>): Promise<T | undefined> {
    try {
      return await work;
    } catch (error) {
      const usual = ["INVALID_ARGUMENT", "RISK_LIMIT", "ORDER_TRANSITION"];
      if (isHoldfastError(error) && usual.includes(error.code)) return undefined;
      throw error;
    }
  }

  #compare({ trading, store }: Desk): void {
    const exchange = this.#exchange;
    same("requests that must never be", exchange.violations, []);
    const working = trading.workingOrders();
    const open = working.map((order) => [order.clientId, `${order.quantity.sub(order.filled)}`]);
    same("amendments", [...store.table(amendments).keys()], []);
    same("open orders", open.sort(), [...exchange.openOrders()].sort());
    for (const symbol of SYMBOLS) {
      const position = trading.position(symbol);
      same(`position of ${symbol}`, `${position.quantity}`, exchange.books.quantity(symbol));
    }
    const held = trading.portfolio().balances.map(({ currency, total }) => [currency, `${total}`]);
    const theirs = exchange.books.balances().map(({ currency, total }) => [currency, `${total}`]);
    same("balances", held.sort(), theirs.sort());
    const rebuilt = rebuild(store).positions;
    for (const symbol of SYMBOLS) {
      const { cost, realised } = rebuilt.get(symbol) ?? trading.position(symbol);
      const { quantity } = trading.position(symbol);
      const price = Decimal.fromCoefficient(exchange.books.price(symbol), 8);
      const contract = store.table(instruments).get(symbol) as InstrumentRow;
      const profit = realised.add(valueAt(quantity, price, contract)).sub(cost);
      same(`profit of ${symbol}`, `${profit}`, exchange.books.profit(symbol));
      const parts = new Map<string | null, number>();
      for (const { clientId } of trading.trades(symbol)) {
        parts.set(clientId, (parts.get(clientId) ?? 0) + 1);
        this.figures.fills++;
      }
      for (const count of parts.values()) this.figures.partial += Number(count > 1);
    }
  }
}

function same(what: string, ours: unknown, theirs: unknown): void {
  const [a, b] = [JSON.stringify(ours), JSON.stringify(theirs)];
  if (a !== b) throw new TypeError(`${what}: ours ${a}, theirs ${b}`);
}

/** The program is dead, or what it waited for never came. */
function isCrash(error: unknown): boolean {
  return error instanceof Error && error.name === "SimulatedCrash";
}
