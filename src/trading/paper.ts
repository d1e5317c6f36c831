/**
 * A venue in this process, for tests and trials: it fills orders in parts, rejects some, loses
 * requests and answers, delays and repeats messages, and cuts connections, all from one seed. Its
 * prices are those of a tape, or walk at random. Its books are its own: plain integers, reckoned
 * without a line of what keeps ours.
 */
import { type Amount, invalid } from "./amounts.js";
import type { BrokerOrder, SubmitResult } from "./broker.js";
import type { FillInput } from "./fills.js";
import type { Order } from "./orders.js";
import { PaperBooks, type PaperInstrument, text, units } from "./paper-books.js";
import { PaperDepth, type PaperEvent } from "./paper-depth.js";
import { type PaperConnection, type PaperMessage, PaperSession } from "./paper-session.js";

export interface PaperOptions {
  readonly seed: number;
  readonly instruments: Readonly<Record<string, PaperInstrument>>;
  /** What the account begins with. */
  readonly balances: Readonly<Record<string, Amount>>;
  /** Default: "paper". */
  readonly venue?: string | undefined;
  /** What the market does, an event after the other. Default: prices walk at random. */
  readonly tape?: Iterable<PaperEvent> | undefined;
  /** Events of the tape in one `step`, at most. Default: 20. */
  readonly eventsPerStep?: number | undefined;
  /** How likely anything goes wrong, from 0 to 1. Default: 0.2. */
  readonly trouble?: number | undefined;
  /** Requests that were made longer ago are refused. Default: 5,000. */
  readonly windowMillis?: number | undefined;
  /** Microseconds since 1970. Default: that of the system. */
  readonly clock?: (() => number) | undefined;
}

interface OwnOrder {
  readonly clientId: string;
  readonly venueId: string;
  readonly symbol: string;
  readonly side: "buy" | "sell";
  /** Undefined: a market order. */
  price: bigint | undefined;
  quantity: bigint;
  filled: bigint;
  status: "open" | "filled" | "cancelled" | "rejected";
}

interface Delayed {
  due: number;
  readonly act: () => void;
}

export class PaperExchange {
  readonly venue: string;
  readonly books: PaperBooks;
  /** Requests that must never be: a client id or a nonce that was used before. */
  readonly violations: string[] = [];
  /** What has gone wrong, by kind. */
  readonly troubles = new Map<string, number>();
  readonly #options: PaperOptions;
  readonly #orders = new Map<string, OwnOrder>();
  readonly #open = new Set<OwnOrder>();
  readonly #depths = new Map<string, PaperDepth>();
  readonly #tape: Iterator<PaperEvent> | undefined;
  readonly #fills: (FillInput & { readonly time: number })[] = [];
  readonly #nonces = new Set<number>();
  #session: PaperSession | undefined;
  #delayed: Delayed[] = [];
  #steps = 0;
  #random: number;

  constructor(options: PaperOptions) {
    this.#options = options;
    this.venue = options.venue ?? "paper";
    this.#random = options.seed | 0;
    this.#tape = options.tape?.[Symbol.iterator]();
    this.books = new PaperBooks(options.instruments, options.balances);
  }

  /** A connection; the one before is cut, and hears nothing more. */
  connect(connection: PaperConnection): PaperSession {
    this.#session?.disconnect();
    this.#session = new PaperSession(this, connection);
    return this.#session;
  }

  /** Client ids and quantities left of the open orders, as texts. */
  openOrders(): ReadonlyMap<string, string> {
    const open = [...this.#open];
    return new Map(open.map((order) => [order.clientId, text(order.quantity - order.filled)]));
  }

  /** The largest nonce that has come. */
  get lastNonce(): number {
    return Math.max(0, ...this.#nonces);
  }

  /** A while passes: messages arrive, the tape goes on or a price moves, orders are filled. */
  step(): void {
    this.#steps++;
    const due = this.#delayed.filter((delayed) => delayed.due <= this.#steps);
    this.#delayed = this.#delayed.filter((delayed) => delayed.due > this.#steps);
    for (const { act } of due) act();
    if (this.#tape === undefined) this.#walk();
    else this.#play(this.#tape, 1 + this.#below(this.#options.eventsPerStep ?? 20));
  }

  #play(tape: Iterator<PaperEvent>, events: number): void {
    for (let i = 0; i < events; i++) {
      const next = tape.next();
      if (next.done === true) return;
      this.feed(next.value);
    }
  }

  #walk(): void {
    for (const symbol of Object.keys(this.#options.instruments)) {
      if (this.#chance(0.5)) continue;
      const price = this.books.price(symbol);
      const moved = price + (price * BigInt(this.#below(41) - 20)) / 1000n;
      const cents = moved - (moved % 1_000_000n);
      if (cents > 0n) this.#trade(symbol, cents, BigInt(1 + this.#below(40)) * 100_000_000n);
    }
  }

  /** Somebody trades, as a tape may tell: that is the price now, and fills our orders at it. */
  trade(symbol: string, price: Amount, quantity: Amount): void {
    this.#trade(symbol, units(price), units(quantity));
  }

  /** One event of a market: a trade, or levels of depth, which fill the orders they reach. */
  feed(event: PaperEvent): void {
    const { symbol } = event;
    if (event.type === "trade") {
      this.trade(symbol, event.price, event.quantity);
      return;
    }
    const depth = this.#depths.get(symbol) ?? new PaperDepth();
    this.#depths.set(symbol, depth);
    const [bids, asks] = [depth.set("bid", event.bids), depth.set("ask", event.asks)];
    for (const order of this.#open) {
      if (order.symbol !== symbol) continue;
      const [told, sign] = order.side === "buy" ? [asks, 1n] : [bids, -1n];
      const limit = order.price as bigint;
      const reached = told.some(([price, there]) => there > 0n && (limit - price) * sign >= 0n);
      if (reached) this.#takeDepth(order, depth);
    }
  }

  /** Fills what stands within the order's limit, level by level. */
  #takeDepth(order: OwnOrder, depth: PaperDepth): void {
    const left = order.quantity - order.filled;
    for (const [price, some] of depth.take(order.side, order.price, left)) {
      this.#fill(order, price, some);
    }
  }

  #trade(symbol: string, price: bigint, quantity: bigint): void {
    this.books.setPrice(symbol, price);
    let left = quantity;
    for (const order of this.#open) {
      if (order.symbol !== symbol || left === 0n) continue;
      const limit = order.price ?? price;
      if (order.side === "buy" ? limit < price : limit > price) continue;
      const open = order.quantity - order.filled;
      const some = open < left ? open : left;
      this.#fill(order, limit, some);
      left -= some;
    }
  }

  #end(order: OwnOrder, status: "filled" | "cancelled" | "rejected"): void {
    order.status = status;
    this.#open.delete(order);
  }

  #fill(order: OwnOrder, price: bigint, quantity: bigint): void {
    const { symbol, side, clientId, venueId } = order;
    order.filled += quantity;
    if (order.filled === order.quantity) this.#end(order, "filled");
    const fee = this.books.fill(symbol, side, price, quantity);
    const fill = {
      ...{ symbol, tradeId: `T${this.#fills.length + 1}`, clientId, venueId, side },
      ...{ price: text(price), quantity: text(quantity), fee: text(fee) },
      time: this.now(),
    };
    this.#fills.push(fill);
    this.#tell({ type: "fill", fill });
  }

  // ---- what sessions ask -----------------------------------------------------------------------

  /** @internal */
  now(): number {
    return (this.#options.clock ?? (() => Date.now() * 1000))();
  }

  /** @internal */
  useNonce(nonce: number): void {
    if (this.#nonces.has(nonce)) this.violations.push(`nonce ${nonce} came twice`);
    if (nonce <= this.lastNonce) this.violations.push(`nonce ${nonce} after ${this.lastNonce}`);
    this.#nonces.add(nonce);
  }

  /** @internal A request to place an order, and all that can become of it. */
  receive(order: Order): SubmitResult {
    if (this.#trouble("request lost")) throw invalid("the connection was lost");
    if (this.#trouble("request late")) {
      const act = () => void this.#accept(order);
      this.#delayed.push({ due: this.#steps + 1 + this.#below(8), act });
      throw invalid("no answer in time");
    }
    const result = this.#accept(order);
    if (this.#trouble("answer lost")) throw invalid("the connection was lost");
    return result;
  }

  #accept(order: Order): SubmitResult {
    const { clientId, symbol, side } = order;
    if (this.#orders.has(clientId)) {
      this.violations.push(`order ${clientId} came twice`);
      return refused("duplicate client id");
    }
    const { windowMillis = 5000 } = this.#options;
    if (this.now() - order.created > windowMillis * 1000) {
      return refused("too late");
    }
    const own: OwnOrder = {
      ...{ clientId, venueId: `V${this.#orders.size + 1}`, symbol, side },
      price: order.price === null ? undefined : units(order.price),
      ...{ quantity: units(order.quantity), filled: 0n, status: "open" },
    };
    this.#orders.set(clientId, own);
    this.#open.add(own);
    if (this.#trouble("order rejected")) {
      this.#end(own, "rejected");
      return refused("not today");
    }
    this.#tell({ type: "accepted", clientId, venueId: own.venueId });
    const depth = this.#depths.get(symbol);
    if (depth !== undefined) this.#takeDepth(own, depth);
    else if (own.price === undefined) this.#fill(own, this.books.price(symbol), own.quantity);
    // A market order does not rest.
    if (own.price === undefined && own.status === "open") this.#cancel(own);
    return { status: "accepted", venueId: own.venueId };
  }

  /** @internal A request to change an order, and all that can become of it. */
  amend(order: Order): SubmitResult {
    if (this.#trouble("request lost")) throw invalid("the connection was lost");
    if (this.#trouble("request late")) {
      const act = () => void this.#amend(order);
      this.#delayed.push({ due: this.#steps + 1 + this.#below(8), act });
      throw invalid("no answer in time");
    }
    const result = this.#amend(order);
    if (this.#trouble("answer lost")) throw invalid("the connection was lost");
    return result;
  }

  /** It loses its place among those of its price, and takes what it now reaches. */
  #amend({ clientId, price, quantity, changed }: Order): SubmitResult {
    const own = this.#orders.get(clientId);
    const { windowMillis = 5000 } = this.#options;
    if (this.now() - changed > windowMillis * 1000) return refused("too late");
    const wanted = units(quantity);
    if (own?.status !== "open") return refused("the order is not open");
    if (wanted <= own.filled) return refused("too much is filled");
    if (this.#trouble("amendment rejected")) return refused("not today");
    own.quantity = wanted;
    own.price = price === null ? undefined : units(price);
    this.#open.delete(own);
    this.#open.add(own);
    const depth = this.#depths.get(own.symbol);
    if (depth !== undefined) this.#takeDepth(own, depth);
    return { status: "accepted", venueId: own.venueId };
  }

  /** @internal */
  cancel(clientId: string | undefined): void {
    if (this.#trouble("request lost")) throw invalid("the connection was lost");
    const order = this.#orders.get(clientId ?? "");
    if (order === undefined || order.status !== "open") return;
    this.#cancel(order);
  }

  #cancel(order: OwnOrder): void {
    this.#end(order, "cancelled");
    this.#tell({ type: "cancelled", clientId: order.clientId, venueId: order.venueId });
  }

  /** @internal */
  ask(clientId: string): BrokerOrder | undefined {
    const order = this.#orders.get(clientId);
    return order && shown(order);
  }

  /** @internal */
  listOpen(): BrokerOrder[] {
    return [...this.#open].map(shown);
  }

  /** @internal */
  fillsSince(time: number): FillInput[] {
    return this.#fills.filter((fill) => fill.time >= time);
  }

  // ---- chance ----------------------------------------------------------------------------------

  /** A message sets out: it arrives at once, late, twice, or, once the line is cut, never. */
  #tell(message: PaperMessage): void {
    const session = this.#session;
    const deliver = () => session?.hear(message);
    if (this.#trouble("message twice")) {
      this.#delayed.push({ due: this.#steps + 1 + this.#below(4), act: deliver });
    }
    const late = this.#trouble("message late") ? 1 + this.#below(6) : 0;
    this.#delayed.push({ due: this.#steps + late, act: deliver });
    if (this.#trouble("disconnect") && this.#chance(0.1)) session?.disconnect();
  }

  #trouble(kind: string): boolean {
    if (!this.#chance(this.#options.trouble ?? 0.2)) return false;
    this.troubles.set(kind, (this.troubles.get(kind) ?? 0) + 1);
    return true;
  }

  #chance(probability: number): boolean {
    return this.#below(1_000_000) < probability * 1_000_000;
  }

  /** A whole number from 0 to `end` - 1, by mulberry32. */
  #below(end: number): number {
    this.#random = (this.#random + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#random ^ (this.#random >>> 15), 1 | this.#random);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * end);
  }
}

function refused(reason: string): SubmitResult {
  return { status: "rejected", reason };
}

function shown({ price, quantity, filled, ...order }: OwnOrder): BrokerOrder {
  const limit = price === undefined ? {} : { price: text(price) };
  return { ...order, ...limit, quantity: text(quantity), filled: text(filled) };
}
