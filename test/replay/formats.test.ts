import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TapeEvent } from "../../src/replay/events.js";
import { Tape } from "../../src/replay/tape.js";
import { parseTimeMicros } from "../../src/replay/trades-csv.js";
import { BITSTAMP, COINBASE, COINM, d, SPOT_TAPE, USDM } from "./helpers.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "holdfast-formats-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

async function open(content: string): Promise<Tape> {
  const path = join(dir, "tape");
  writeFileSync(path, content);
  return Tape.open(path);
}

async function events(tape: Tape): Promise<TapeEvent[]> {
  const all: TapeEvent[] = [];
  for await (const { event } of tape.events()) all.push(event);
  return all;
}

async function kinds(file: string): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for await (const { event } of (await Tape.open(file)).events()) {
    counts[event.kind] = (counts[event.kind] ?? 0) + 1;
  }
  return counts;
}

describe("recorded tapes", () => {
  test.each([
    [
      "spot",
      SPOT_TAPE,
      "BTCUSDT",
      "spot",
      { depth: 3_451, quote: 28_040, trade: 9_757, snapshot: 1 },
    ],
    ["USD-M", USDM, "BTCUSDT", "linear", { depth: 191, quote: 1_907, trade: 401, snapshot: 1 }],
    [
      "COIN-M",
      COINM,
      "BTCUSD_PERP",
      "inverse",
      { depth: 1_453, quote: 988, trade: 58, snapshot: 1 },
    ],
    ["Coinbase", COINBASE, "BTC-USD", "spot", { trade: 500 }],
    ["Bitstamp", BITSTAMP, "UNKNOWN", "spot", { trade: 500 }],
  ])("%s", async (_name, file, symbol, contract, counts) => {
    expect((await Tape.open(file)).info).toMatchObject({ symbol, contract });
    expect(await kinds(file)).toEqual(counts);
  });
});

const QUOTE =
  '1723161254087891268 {"stream":"btcusdt@bookTicker","data":{"u":5,"s":"BTCUSDT","b":"61837.63000000","B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}';
const TRADE =
  '1723161254087896568 {"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","t":1,"p":"61837.63","q":"0.02","m":true}}';
const DEPTH =
  '1723161253937085768 {"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","s":"BTCUSDT","U":1,"u":3,"b":[["61737.63000000","0.00000000"]],"a":[]}}';

describe("Binance", () => {
  test("reads each kind of message exactly, times to the microsecond", async () => {
    expect(await events(await open([QUOTE, TRADE, DEPTH].join("\n")))).toEqual([
      {
        kind: "quote",
        timeMicros: 1723161254087891,
        updateId: 5,
        bid: [d("61837.63"), d("3.78826")],
        ask: [d("61837.64"), d("1.54698")],
      },
      {
        kind: "trade",
        timeMicros: 1723161254087896,
        price: d("61837.63"),
        quantity: d("0.02"),
        aggressor: "sell",
      },
      {
        kind: "depth",
        timeMicros: 1723161253937085,
        firstId: 1,
        lastId: 3,
        previousId: undefined,
        bids: [[d("61737.63"), d(0)]],
        asks: [],
      },
    ]);
  });

  test("passes over other streams, entries that are no market trades, and empty lines", async () => {
    const mark = QUOTE.replace("bookTicker", "markPrice");
    const fund = TRADE.replace('"m":true', '"m":true,"X":"INSURANCE_FUND"');
    const empty = TRADE.replace('"q":"0.02"', '"q":"0"');
    const all = await events(await open([QUOTE, mark, "", fund, empty].join("\n")));
    expect(all.map(({ kind }) => kind)).toEqual(["quote", "other", "other", "other"]);
  });

  test.each([
    ["a line cut short", QUOTE.slice(0, 90), /JSON/],
    ["no time", QUOTE.slice(20), /19 digits/],
    ["a time of 18 digits", QUOTE.slice(1), /19 digits/],
    ["no message", "1723161254087891268 ", /19 digits/],
    ["a list", "1723161254087891268 []", /19 digits/],
    ["neither stream nor snapshot", '1723161254087891268 {"a":1}', /neither/],
    ["a price that is a number", QUOTE.replace('"61837.63000000"', "61837.63"), /"b" is not a dec/],
    ["a price that is no number", QUOTE.replace("61837.63000000", "61837,63"), /not a decimal/],
    ["a price below zero", QUOTE.replace("61837.63000000", "-1"), /below zero/],
    ["a price of more digits than fit", QUOTE.replace("61837.63000000", "1.123456789"), /digits/],
    ["a price too large", QUOTE.replace("61837.63000000", "123456789012"), /too large/],
    ["no update id", QUOTE.replace('"u":5,', ""), /"u" is not an update id/],
    ["an update id that is not exact", QUOTE.replace('"u":5', '"u":9007199254740993'), /update id/],
    ["levels that are no list", DEPTH.replace('"a":[]', '"a":{}'), /"a" is not a list/],
    ["a level of one", DEPTH.replace(',"0.00000000"', ""), /\[price, quantity\]/],
    ["no maker flag", TRADE.replace('"m":true', '"m":1'), /"m" is not a boolean/],
    ["another symbol", TRADE.replace('"s":"BTCUSDT"', '"s":"ETHUSDT"'), /one symbol a tape/],
  ])("refuses %s, naming file and line", async (_name, line, message) => {
    const tape = await open(`${TRADE}\n${QUOTE}\n${line}\n`);
    const error = await events(tape).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "BAD_TAPE", data: { file: tape.file } });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(`${tape.file}:3: `);
  });
});

describe("trades as CSV", () => {
  test("the Coinbase form: quotes, carriage returns, exponents", async () => {
    const tape = await open(
      '"symbol","side","price","amount","timestamp"\r\n' +
        '"BTC-USD","sell",25741.03,3.844E-5,"2023-09-05T16:00:02.722748Z"\r\n',
    );
    expect(await events(tape)).toEqual([
      {
        kind: "trade",
        timeMicros: 1693929602722748,
        price: d("25741.03"),
        quantity: d("0.00003844"),
        aggressor: "sell",
      },
    ]);
  });

  test("the Bitstamp form: no header, twelve digits after the point", async () => {
    expect(await events(await open("1315922016,5.800000000000,1.000000000000\n"))).toEqual([
      {
        kind: "trade",
        timeMicros: 1315922016000000,
        price: d("5.8"),
        quantity: d(1),
        aggressor: "unknown",
      },
    ]);
  });

  test("other names, order, separator and maker flag", async () => {
    const tape = await open(
      "id;is_buyer_maker;Qty;Trade Time;Price\n7;false;2;1723161254087;10,5\n".replace(",", "."),
    );
    expect(await events(tape)).toEqual([
      {
        kind: "trade",
        timeMicros: 1723161254087000,
        price: d("10.5"),
        quantity: d(2),
        aggressor: "buy",
      },
    ]);
  });

  test.each([
    ["", /the tape is empty/],
    ["timestamp,price\n", /no column for the amount in "timestamp,price"/],
    ["hello\n", /no column for the time/],
    ["{}\n", /no column for the time/],
    ["1,2,3,4\n", /no column/],
  ])("refuses a tape that is none: %j", async (content, message) => {
    await expect(open(content)).rejects.toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringMatching(message),
    });
  });

  test.each([
    ["too few fields", "BTC,1693929602,1", /no amount: the line has 3 fields/],
    ["an open quote", 'BTC,1693929602,"1,2', /quoted field/],
    ["no number", "BTC,1693929602,x,2", /not a decimal/],
    ["an empty price", "BTC,1693929602,,2", /not a decimal/],
    ["a time without zone", "BTC,2023-09-05T16:00:02,1,2", /not a time with a zone/],
    ["a time of the day", "BTC,3600000,1,2", /nor a Unix time/],
    ["another symbol", "ETH,1693929602,1,2", /one symbol a tape/],
  ])("refuses %s, naming file and line", async (_name, line, message) => {
    const tape = await open(`symbol,time,price,amount\nBTC,1693929602,1,2\n${line}\n`);
    const error = await events(tape).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "BAD_TAPE" });
    expect((error as Error).message).toMatch(message);
    expect((error as Error).message).toContain(`${tape.file}:3: `);
  });
});

test.each([
  ["2023-09-05T16:00:01.281719Z", 1693929601281719],
  ["2023-09-05 16:00:01+00:00", 1693929601000000],
  ["2023-09-05T18:00:01.5+02:00", 1693929601500000],
  ["2023-09-05T16:00:01.123456789Z", 1693929601123456],
  ["1693929601", 1693929601000000],
  ["1693929601.25", 1693929601250000],
  ["1693929601281", 1693929601281000],
  ["1693929601281719", 1693929601281719],
  ["1693929601281719999", 1693929601281719],
])("parseTimeMicros(%j) is %d", (text, micros) => {
  expect(parseTimeMicros(text)).toBe(micros);
});
