/**
 * Recorded Binance websocket streams: `<receive time, ns> <message>` a line, where a message is a
 * combined-stream object (`trade`, `bookTicker`, `depth` diffs) or one REST depth snapshot.
 *
 * The recorder's clock may run behind the exchange's (by 1.27 s on the tapes this was built on), so
 * events are taken in the order of their lines and exchange times are not used.
 */
import { atPlace, TapeProblem } from "./bad-tape.js";
import type { ContractKind, Level, TapeEvent, TapeInfo, TapeParser } from "./events.js";
import { parseAmount, parsePrice } from "./exact.js";

/** A receive time: 19 digits of nanoseconds, more than a double holds; 16 of them are micros. */
const TIME_DIGITS = 19;
const MICROS_DIGITS = 16;

type Json = { readonly [name: string]: unknown };

/** True if a line looks like one of this format. */
export function isBinanceLine(text: string): boolean {
  return /^\d{19} \{/.test(text);
}

/**
 * What the first lines of a tape say: the symbol from the first stream message, the kind of
 * contract from the first message whose shape tells the dialects apart.
 *
 * COIN-M names the pair beside the symbol (`ps`, or `pair` in a snapshot); USD-M depth diffs carry
 * `pu`, or an event time `E` in a snapshot; spot has neither.
 */
export function binanceInfo(lines: readonly string[]): TapeInfo {
  let symbol: string | undefined;
  let contract: ContractKind | undefined;
  for (const text of lines) {
    const message = tryParse(text.slice(TIME_DIGITS + 1));
    if (message === undefined) continue;
    const data = isObject(message.data) ? message.data : undefined;
    if (data !== undefined && typeof data.s === "string") symbol ??= data.s;
    contract ??= data === undefined ? snapshotContract(message) : depthContract(data);
  }
  return {
    format: "binance",
    symbol: symbol ?? "UNKNOWN",
    contract: contract ?? "spot",
    hasBook: true,
  };
}

function snapshotContract(message: Json): ContractKind | undefined {
  if (!("lastUpdateId" in message)) return undefined;
  if ("pair" in message) return "inverse";
  return "E" in message ? "linear" : "spot";
}

function depthContract(data: Json): ContractKind | undefined {
  if (data.e !== "depthUpdate") return undefined;
  if ("ps" in data) return "inverse";
  return "pu" in data ? "linear" : "spot";
}

/** Parser of one tape of this format. */
export class BinanceParser implements TapeParser {
  readonly info: TapeInfo;
  readonly #file: string;

  constructor(file: string, info: TapeInfo) {
    this.#file = file;
    this.info = info;
  }

  parse(text: string, line: number): TapeEvent | undefined {
    if (text.length === 0) return undefined;
    try {
      return parseMessage(text, this.info.symbol);
    } catch (error) {
      throw atPlace({ file: this.#file, line }, error);
    }
  }
}

function parseMessage(text: string, symbol: string): TapeEvent {
  const timeMicros = receiveMicros(text);
  const message: unknown = JSON.parse(text.slice(TIME_DIGITS + 1));
  if (!isObject(message)) throw new TapeProblem("the message is not an object");
  if ("lastUpdateId" in message) {
    return {
      kind: "snapshot",
      timeMicros,
      lastId: id(message, "lastUpdateId"),
      bids: levels(message, "bids"),
      asks: levels(message, "asks"),
    };
  }
  const { stream, data } = message;
  if (typeof stream !== "string" || !isObject(data)) {
    throw new TapeProblem("the message is neither a stream message nor a depth snapshot");
  }
  if (typeof data.s === "string" && data.s !== symbol && symbol !== "UNKNOWN") {
    throw new TapeProblem(`a message of ${data.s} on a tape of ${symbol}: one symbol a tape`);
  }
  return streamEvent(stream.slice(stream.indexOf("@") + 1), data, timeMicros);
}

function streamEvent(channel: string, data: Json, timeMicros: number): TapeEvent {
  if (channel === "trade") return tradeEvent(data, timeMicros);
  if (channel === "bookTicker") {
    const bid: Level = [parsePrice(text(data, "b")), parseAmount(text(data, "B"))];
    const ask: Level = [parsePrice(text(data, "a")), parseAmount(text(data, "A"))];
    return { kind: "quote", timeMicros, updateId: id(data, "u"), bid, ask };
  }
  // Partial-book streams ("depth5") are no diffs: they are without "U" and fall through.
  if (channel.startsWith("depth") && data.e === "depthUpdate") {
    return {
      kind: "depth",
      timeMicros,
      firstId: id(data, "U"),
      lastId: id(data, "u"),
      previousId: "pu" in data ? id(data, "pu") : undefined,
      bids: levels(data, "b"),
      asks: levels(data, "a"),
    };
  }
  return { kind: "other", timeMicros };
}

function tradeEvent(data: Json, timeMicros: number): TapeEvent {
  // Futures tapes also carry liquidation-fund entries, marked by "X", that are no market trades.
  if ("X" in data && data.X !== "MARKET") return { kind: "other", timeMicros };
  const buyerIsMaker = data.m;
  if (typeof buyerIsMaker !== "boolean") throw new TapeProblem('field "m" is not a boolean');
  const price = parsePrice(text(data, "p"));
  const quantity = parseAmount(text(data, "q"));
  if (price.isZero() || quantity.isZero()) return { kind: "other", timeMicros };
  return { kind: "trade", timeMicros, price, quantity, aggressor: buyerIsMaker ? "sell" : "buy" };
}

function receiveMicros(text: string): number {
  if (!isBinanceLine(text))
    throw new TapeProblem("a line must be: 19 digits of nanoseconds, space, {");
  return Number(text.slice(0, MICROS_DIGITS));
}

function id(data: Json, name: string): number {
  const value = data[name];
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new TapeProblem(`field "${name}" is not an update id: ${JSON.stringify(value)}`);
  }
  return value;
}

function text(data: Json, name: string): string {
  const value = data[name];
  if (typeof value !== "string") {
    throw new TapeProblem(`field "${name}" is not a decimal string: ${JSON.stringify(value)}`);
  }
  return value;
}

function levels(data: Json, name: string): readonly Level[] {
  const value = data[name];
  if (!Array.isArray(value)) throw new TapeProblem(`field "${name}" is not a list of levels`);
  return value.map((level: unknown) => {
    if (!Array.isArray(level) || typeof level[0] !== "string" || typeof level[1] !== "string") {
      throw new TapeProblem(`field "${name}" holds something else than [price, quantity]`);
    }
    return [parsePrice(level[0]), parseAmount(level[1])] as const;
  });
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function tryParse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
