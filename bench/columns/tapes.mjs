// Recorded files as columns: which fields they have, and what type each is kept as.
//
// Of a tape of an exchange, every message of a stream is a row, and every field that changes from
// message to message is a column, as README.md beside the tapes lists them: a trade is the time of
// receipt, E and T where the stream has them, t, p, q, m; a quote (bookTicker) is the time of receipt,
// E and T where there, u, b, B, a, A. Times are timestamps: microseconds in 64 bits, so that
// milliseconds are multiples of 1000. Prices and quantities are decimals scaled to an integer, by as
// many digits as the tape writes.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

const int64 = (name, values) => ({ name, type: "int64", values: BigInt64Array.from(values) });
const float64 = (name, values) => ({ name, type: "float64", values: Float64Array.from(values) });
const boolean = (name, values) => ({ name, type: "boolean", values: Uint8Array.from(values) });
const string = (name, values) => ({ name, type: "string", values });

const contentOf = (path) => gunzipSync(readFileSync(path));

/** Rows of a text file; `separator` between fields, quotes taken away. */
function rowsOf(path, separator, hasHeader) {
  const lines = contentOf(path).toString("utf8").split("\n");
  return lines
    .filter((line, i) => line !== "" && !(hasHeader && i === 0))
    .map((line) => line.trim().replaceAll('"', "").split(separator));
}

/** Digits after the point are all there, in every row of one field. */
const scaled = (text) => BigInt(text.replace(".", ""));

function streams(path) {
  const trades = [];
  const quotes = [];
  for (const line of contentOf(path).toString("utf8").split("\n")) {
    const space = line.indexOf(" ");
    if (space < 0) continue;
    const { stream, data } = JSON.parse(line.slice(space + 1));
    const received = BigInt(line.slice(0, space)) / 1000n;
    if (stream?.endsWith("@trade")) trades.push({ received, ...data });
    if (stream?.endsWith("@bookTicker")) quotes.push({ received, ...data });
  }
  return { trades, quotes };
}

const micros = (millis) => BigInt(millis) * 1000n;

function timesOf(rows) {
  const columns = [
    int64(
      "received",
      rows.map(({ received }) => received),
    ),
  ];
  for (const field of ["E", "T"]) {
    if (field in rows[0])
      columns.push(
        int64(
          field,
          rows.map((row) => micros(row[field])),
        ),
      );
  }
  return columns;
}

const fieldsOf = (rows, fields, convert) =>
  fields.map((field) =>
    int64(
      field,
      rows.map((row) => convert(row[field])),
    ),
  );

function bookTape(path, name) {
  const { trades, quotes } = streams(path);
  return [
    {
      name: `${name} trades`,
      book: true,
      columns: [
        ...timesOf(trades),
        ...fieldsOf(trades, ["t"], BigInt),
        ...fieldsOf(trades, ["p", "q"], scaled),
        boolean(
          "m",
          trades.map(({ m }) => (m ? 1 : 0)),
        ),
      ],
    },
    {
      name: `${name} quotes`,
      book: true,
      columns: [
        ...timesOf(quotes),
        ...fieldsOf(quotes, ["u"], BigInt),
        ...fieldsOf(quotes, ["b", "B", "a", "A"], scaled),
      ],
    },
  ];
}

const isoMicros = (text) => {
  const [, second, fraction] = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  return BigInt(Date.parse(`${second}Z`)) * 1000n + BigInt((fraction ?? "").padEnd(6, "0"));
};
const plainMicros = (text) => micros(Date.parse(`${text.replace(" ", "T")}Z`));
const at = (rows, i, convert) => rows.map((row) => convert(row[i]));

/** Fields in their order: a name, its type, and how a text becomes a value. */
function table(name, rows, fields) {
  const columns = fields.map(([field, make, convert], i) => make(field, at(rows, i, convert)));
  return [{ name, columns }];
}

const csv = (path, fields, { separator = ",", header = true } = {}) => {
  const name = path.replace(/.*\//, "").replace(/\..*/, "");
  return table(name, rowsOf(path, separator, header), fields);
};

const floats = (...names) => names.map((name) => [name, float64, Number]);
const text = (name) => [name, string, String];

function barTime(line) {
  const [, y, mo, d, h, mi, s] = /^(....)(..)(..) (..)(..)(..)$/.exec(line);
  return plainMicros(`${y}-${mo}-${d} ${h}:${mi}:${s}`);
}

const METRIC = [["timestamp", int64, plainMicros], ...floats("value")];

/** Reads the files of that folder: of each one or two sets of columns. */
const READERS = {
  "binance_usdm_btcusdt_20240808.jsonl.gz": (path) => bookTape(path, "USD-M BTCUSDT"),
  "binance_cm_btcusd_perp_20240808.jsonl.gz": (path) => bookTape(path, "COIN-M BTCUSD_PERP"),
  "binance_spot_btcusdt_20240808.jsonl.gz": (path) => bookTape(path, "spot BTCUSDT"),
  "coinbase_btcusd_trades_20230905.csv.gz": (path) =>
    csv(path, [
      text("symbol"),
      text("side"),
      ...floats("price", "amount"),
      ["timestamp", int64, isoMicros],
    ]),
  "bitstamp_btcusd_trades_2011_2012.csv.gz": (path) =>
    csv(path, [["ts", int64, (s) => BigInt(s) * 1_000_000n], ...floats("price", "amount")], {
      header: false,
    }),
  "yahoo_nasdaq9_ticks_20230905.csv.gz": (path) =>
    csv(path, [
      ["timestamp", int64, isoMicros],
      text("id"),
      text("exchange"),
      ["quoteType", int64, BigInt],
      ...floats("price"),
      ["marketHours", int64, BigInt],
      ...floats("changePercent", "dayVolume", "change"),
      ["priceHint", int64, BigInt],
    ]),
  "fxcm_eurusd_quotes_20140507.csv.gz": (path) =>
    csv(path, [["ms", int64, micros], ...floats("bid", "ask")], { header: false }),
  "dukascopy_eurusd_quotes_20190204.json.gz": (path) =>
    table("dukascopy_eurusd_quotes_20190204", JSON.parse(contentOf(path)), [
      ["ts", int64, micros],
      ...floats("ask", "bid", "askVolume", "bidVolume"),
    ]),
  "spy_minute_201103.csv.gz": (path) =>
    csv(
      path,
      [
        ["time", int64, barTime],
        ...floats("open", "high", "low", "close"),
        ["volume", int64, BigInt],
      ],
      { separator: ";", header: false },
    ),
  "coinbase_btcusd_second_20161007.csv.gz": (path) =>
    csv(path, [["ms", int64, micros], ...floats("open", "high", "low", "close", "volume")], {
      header: false,
    }),
  "nasdaq9_daily_2017_2023.csv.gz": (path) =>
    csv(path, [
      text("Ticker"),
      ...floats("Open", "High", "Low", "Close", "AdjClose"),
      ["Volume", int64, BigInt],
      ["Timestamp", int64, isoMicros],
    ]),
  "nab_machine_temperature.csv.gz": (path) => csv(path, METRIC),
  "nab_cpu_utilization_asg.csv.gz": (path) => csv(path, METRIC),
  "nab_ec2_network_in_5abac7.csv.gz": (path) => csv(path, METRIC),
  "nab_twitter_volume_aapl.csv.gz": (path) =>
    csv(path, [
      ["timestamp", int64, plainMicros],
      ["value", int64, BigInt],
    ]),
  "alp_city_temperature_f.f64le.gz": (path) => rawFloats(path, "City-Temp (ALP)"),
  "alp_bitcoin_transactions_f.f64le.gz": (path) => rawFloats(path, "Blockchain-tr (ALP)"),
};

function rawFloats(path, name) {
  const content = contentOf(path);
  const copy = content.buffer.slice(content.byteOffset, content.byteOffset + content.length);
  return [{ name, columns: [{ name: "value", type: "float64", values: new Float64Array(copy) }] }];
}

const FOLDERS = [".", "book", "trades", "quotes", "ohlcv", "metrics"];

/** What is there of the files that are known, in that folder and those below it. */
export function readTapes(directory) {
  return Object.entries(READERS).flatMap(([file, read]) => {
    const paths = FOLDERS.map((folder) => join(directory, folder, file));
    const path = paths.find((one) => existsSync(one));
    return path === undefined ? [] : read(path);
  });
}
