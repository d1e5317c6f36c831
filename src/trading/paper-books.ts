/** The books of the paper exchange: whole numbers of 1e-8, and nothing of what keeps ours. */
import type { Amount } from "./amounts.js";
import { amountOf } from "./amounts.js";
import type { BrokerBalance, BrokerPosition } from "./broker.js";

export interface PaperInstrument {
  readonly kind: "spot" | "linear" | "inverse";
  readonly base: string;
  readonly quote: string;
  /** The price it begins with. */
  readonly price: Amount;
  /** As that of our instruments. Default: 1. */
  readonly multiplier?: Amount | undefined;
}

const UNIT = 100_000_000n;
/** Of the value, in basis points. */
const FEE = 5n;

/** Units of 1e-8. */
export function units(amount: Amount): bigint {
  return BigInt(amountOf(amount).coefficient);
}

/** As a decimal text. */
export function text(value: bigint): string {
  const digits = (value < 0n ? -value : value).toString().padStart(9, "0");
  return `${value < 0n ? "-" : ""}${digits.slice(0, -8)}.${digits.slice(-8)}`;
}

/** The nearest whole number; halves to the even one. */
function nearest(numerator: bigint, denominator: bigint): bigint {
  if (denominator < 0n) return nearest(-numerator, -denominator);
  const twice = 2n * numerator + denominator;
  const quotient = twice / (2n * denominator);
  const floor = twice < 0n && twice % (2n * denominator) !== 0n ? quotient - 1n : quotient;
  const exactHalf = twice % (2n * denominator) === 0n;
  return exactHalf && floor % 2n !== 0n ? floor - 1n : floor;
}

interface Book {
  quantity: bigint;
  cost: bigint;
  price: bigint;
  /** All that was paid and received for it, without fees: what profit has to add up to. */
  cash: bigint;
}

export class PaperBooks {
  readonly #instruments: Readonly<Record<string, PaperInstrument>>;
  readonly #books = new Map<string, Book>();
  readonly #balances = new Map<string, bigint>();

  constructor(
    instruments: Readonly<Record<string, PaperInstrument>>,
    balances: Readonly<Record<string, Amount>>,
  ) {
    this.#instruments = instruments;
    for (const [symbol, { price }] of Object.entries(instruments)) {
      this.#books.set(symbol, { quantity: 0n, cost: 0n, price: units(price), cash: 0n });
    }
    for (const [currency, total] of Object.entries(balances)) this.credit(currency, total);
  }

  price(symbol: string): bigint {
    return this.#book(symbol).price;
  }

  setPrice(symbol: string, price: bigint): void {
    this.#book(symbol).price = price;
  }

  /** Pays in or out: also behind the back of whoever trades here, so that the books disagree. */
  credit(currency: string, amount: Amount): void {
    this.#add(currency, units(amount));
  }

  /** Changes a position behind the back of whoever trades here. */
  disturb(symbol: string, quantity: Amount): void {
    this.#book(symbol).quantity += units(quantity);
  }

  /** Books a fill, and gives its fee. */
  fill(symbol: string, side: "buy" | "sell", price: bigint, quantity: bigint): bigint {
    const instrument = this.#instrument(symbol);
    const { kind, base, quote } = instrument;
    const money = kind === "inverse" ? base : quote;
    const book = this.#book(symbol);
    const change = side === "buy" ? quantity : -quantity;
    const value = worthOf(instrument, change, price);
    const size = value < 0n ? -value : value;
    const fee = nearest(size * FEE, 10_000n);
    book.cash -= value;
    if (kind === "spot") {
      this.#add(base, sizeOf(instrument, change));
      this.#add(quote, -value);
    } else {
      this.#add(
        money,
        settle(book, change, value, () => {
          return worthOf(instrument, book.quantity + change, price);
        }),
      );
    }
    book.quantity += change;
    this.#add(money, -fee);
    return fee;
  }

  /** Profit of all fills of a symbol at the price of now, before fees: a decimal, as text. */
  profit(symbol: string): string {
    const { cash, quantity, price } = this.#book(symbol);
    return text(cash + worthOf(this.#instrument(symbol), quantity, price));
  }

  /** Net quantity that was bought, of spot too. */
  quantity(symbol: string): string {
    return text(this.#book(symbol).quantity);
  }

  positions(): BrokerPosition[] {
    return [...this.#books]
      .filter(([symbol, { quantity }]) => {
        return quantity !== 0n && this.#instrument(symbol).kind !== "spot";
      })
      .map(([symbol, { quantity }]) => ({ symbol, quantity: text(quantity) }));
  }

  balances(): BrokerBalance[] {
    return [...this.#balances].map(([currency, total]) => ({ currency, total: text(total) }));
  }

  #add(currency: string, change: bigint): void {
    this.#balances.set(currency, (this.#balances.get(currency) ?? 0n) + change);
  }

  #book(symbol: string): Book {
    return this.#books.get(symbol) as Book;
  }

  #instrument(symbol: string): PaperInstrument {
    return this.#instruments[symbol] as PaperInstrument;
  }
}

/** What a quantity is of the base currency, or of the quote currency for an inverse contract. */
function sizeOf({ multiplier }: PaperInstrument, quantity: bigint): bigint {
  return multiplier === undefined ? quantity : nearest(quantity * units(multiplier), UNIT);
}

/** Worth of a quantity at a price, in the currency of settlement. */
function worthOf(instrument: PaperInstrument, quantity: bigint, price: bigint): bigint {
  const size = sizeOf(instrument, quantity);
  return instrument.kind === "inverse" ? -nearest(size * UNIT, price) : nearest(size * price, UNIT);
}

/** Moves the cost of a contract's position; gives what the fill has realised. */
function settle(book: Book, change: bigint, value: bigint, open: () => bigint): bigint {
  const { quantity, cost } = book;
  const after = quantity + change;
  if (quantity === 0n || quantity > 0n === change > 0n) {
    book.cost += value;
    return 0n;
  }
  if (after !== 0n && after > 0n === quantity > 0n) {
    book.cost = cost - nearest(cost * -change, quantity);
  } else {
    book.cost = open();
  }
  return book.cost - cost - value;
}
