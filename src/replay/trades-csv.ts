/**
 * Trades as CSV. With a header line, columns are found by their names; without one, a line is
 * `time,price,amount`. Separator comma, semicolon or tab; fields may be quoted.
 *
 * Times: ISO 8601 with a zone, or Unix time whose unit (s, ms, us, ns) is told by its digits.
 * Amounts may be in exponent form (`3.844E-5`); all are read exactly.
 */
import { atPlace, badTape, TapeProblem } from "./bad-tape.js";
import type { Aggressor, TapeEvent, TapeInfo, TapeParser } from "./events.js";
import { parseAmount, parsePrice } from "./exact.js";

type Column = "time" | "price" | "amount" | "side" | "buyerIsMaker" | "symbol";

/** Names by which exchanges and vendors call a column; compared without case, "_", "-" and " ". */
const COLUMN_NAMES: Record<Column, readonly string[]> = {
  time: ["timestamp", "time", "ts", "date", "datetime", "tradetime", "exectime", "executedat"],
  price: ["price", "px", "p", "rate", "tradeprice", "lastprice"],
  amount: ["amount", "quantity", "qty", "size", "volume", "q", "vol", "tradesize"],
  side: ["side", "takerside", "aggressor", "direction", "type"],
  buyerIsMaker: ["isbuyermaker", "buyerismaker", "m"],
  symbol: ["symbol", "pair", "instrument", "market", "product", "productid", "ticker"],
};

/** Where each column stands in a line; undefined where the tape has none. */
type Layout = Readonly<Record<"time" | "price" | "amount", number>> &
  Readonly<Partial<Record<Column, number>>>;

const HEADERLESS: Layout = { time: 0, price: 1, amount: 2 };

const BUY = new Set(["buy", "b", "bid", "taker_buy"]);
const SELL = new Set(["sell", "s", "ask", "taker_sell"]);

/** Parser of one tape of trades. `lines` are the first lines of the tape, at least one. */
export class TradesCsvParser implements TapeParser {
  readonly info: TapeInfo;
  readonly #file: string;
  readonly #separator: string;
  readonly #layout: Layout;
  readonly #headerLines: number;

  /** @throws HoldfastError `BAD_TAPE` if the first line is neither a header nor a trade. */
  constructor(file: string, lines: readonly string[]) {
    this.#file = file;
    const first = lines[0] ?? "";
    this.#separator = [",", ";", "\t"].find((separator) => first.includes(separator)) ?? ",";
    const fields = splitFields(first, this.#separator) ?? [];
    const headerless = fields.length === 3 && fields.every((field) => isNumber(field));
    this.#layout = headerless ? HEADERLESS : findColumns(file, fields);
    this.#headerLines = headerless ? 0 : 1;
    const row = splitFields(lines[this.#headerLines] ?? "", this.#separator) ?? [];
    const symbol = this.#layout.symbol === undefined ? undefined : row[this.#layout.symbol];
    this.info = {
      format: "trades-csv",
      symbol: symbol || "UNKNOWN",
      contract: "spot",
      hasBook: false,
    };
  }

  parse(text: string, line: number): TapeEvent | undefined {
    if (line <= this.#headerLines || text.length === 0) return undefined;
    try {
      return this.#trade(text);
    } catch (error) {
      throw atPlace({ file: this.#file, line }, error);
    }
  }

  #trade(text: string): TapeEvent {
    const fields = splitFields(text, this.#separator);
    if (fields === undefined) throw new TapeProblem("a quoted field is not closed");
    const field = (column: Column): string | undefined => {
      const at = this.#layout[column];
      if (at === undefined) return undefined;
      const value = fields[at];
      if (value === undefined)
        throw new TapeProblem(`no ${column}: the line has ${fields.length} fields`);
      return value;
    };
    const symbol = field("symbol");
    if (symbol !== undefined && symbol !== this.info.symbol) {
      throw new TapeProblem(
        `a trade of ${symbol} on a tape of ${this.info.symbol}: one symbol a tape`,
      );
    }
    const timeMicros = parseTimeMicros(field("time") ?? "");
    const price = parsePrice(field("price") ?? "");
    const quantity = parseAmount(field("amount") ?? "");
    if (price.isZero() || quantity.isZero()) return { kind: "other", timeMicros };
    const aggressor = parseAggressor(field("side"), field("buyerIsMaker"));
    return { kind: "trade", timeMicros, price, quantity, aggressor };
  }
}

function findColumns(file: string, names: readonly string[]): Layout {
  const plain = names.map((name) => name.toLowerCase().replace(/[\s_-]/g, ""));
  const find = (column: Column): number | undefined => {
    for (const name of COLUMN_NAMES[column]) {
      const at = plain.indexOf(name);
      if (at >= 0) return at;
    }
    return undefined;
  };
  const need = (column: Column): number => {
    const at = find(column);
    if (at !== undefined) return at;
    throw badTape(
      { file, line: 1 },
      `not a tape of trades: no column for the ${column} in "${names.join(",").slice(0, 200)}"`,
    );
  };
  const layout: { -readonly [K in keyof Layout]: Layout[K] } = {
    time: need("time"),
    price: need("price"),
    amount: need("amount"),
  };
  for (const column of ["side", "buyerIsMaker", "symbol"] as const) {
    const at = find(column);
    if (at !== undefined) layout[column] = at;
  }
  return layout;
}

/** Fields of a CSV line, quotes resolved; undefined if a quote is never closed. */
function splitFields(text: string, separator: string): string[] | undefined {
  if (!text.includes('"')) return text.split(separator).map((field) => field.trim());
  const fields: string[] = [];
  let field = "";
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text.charAt(i);
    if (quoted) {
      if (char !== '"') field += char;
      else if (text.charAt(i + 1) === '"') field += text.charAt(i++);
      else quoted = false;
    } else if (char === '"') quoted = true;
    else if (char === separator) {
      fields.push(field.trim());
      field = "";
    } else field += char;
  }
  if (quoted) return undefined;
  fields.push(field.trim());
  return fields;
}

function parseAggressor(side: string | undefined, buyerIsMaker: string | undefined): Aggressor {
  if (side !== undefined) {
    const plain = side.toLowerCase();
    if (BUY.has(plain)) return "buy";
    if (SELL.has(plain)) return "sell";
    return "unknown";
  }
  if (buyerIsMaker === undefined) return "unknown";
  const plain = buyerIsMaker.toLowerCase();
  if (plain === "true") return "sell";
  if (plain === "false") return "buy";
  return "unknown";
}

const ISO = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:?\d\d| ?UTC)$/;

/** Digits of a Unix time between 2001 and 2286, and what makes it microseconds. */
const UNIX_DIGITS: Readonly<Record<number, number>> = { 10: 6, 13: 3, 16: 0, 19: -3 };

/**
 * Microseconds since 1970 of a time as text; digits below the microsecond are cut off.
 *
 * @throws TapeProblem for anything else, and for a time without a zone.
 */
export function parseTimeMicros(text: string): number {
  const iso = ISO.exec(text);
  if (iso !== null) {
    const [, date, time, fraction, zone] = iso;
    const offset = zone === "Z" || zone?.endsWith("UTC") ? "Z" : zone;
    const millis = Date.parse(`${date}T${time}${offset}`);
    if (!Number.isNaN(millis)) return millis * 1000 + fractionMicros(fraction);
  }
  const unix = /^(\d+)(?:\.(\d+))?$/.exec(text);
  const digits = unix?.[1]?.length ?? 0;
  const shift = UNIX_DIGITS[digits];
  if (unix !== null && shift !== undefined) {
    const whole = unix[1] ?? "";
    if (shift < 0) return Number(whole.slice(0, shift));
    const fraction = (unix[2] ?? "").padEnd(shift, "0").slice(0, shift);
    return Number(whole + fraction);
  }
  throw new TapeProblem(`not a time with a zone, nor a Unix time: "${text.slice(0, 60)}"`);
}

function fractionMicros(fraction: string | undefined): number {
  return fraction === undefined ? 0 : Number(fraction.padEnd(6, "0").slice(0, 6));
}

function isNumber(text: string): boolean {
  return /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text);
}
