import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { contractOf } from "../../src/replay/account.js";
import { stateDigest, tableLines } from "../../src/replay/digest.js";
import { ZERO } from "../../src/replay/exact.js";
import { LAST_TRADES } from "../../src/replay/market.js";
import { runTape } from "../../src/replay/run.js";
import {
  balances,
  fills,
  instruments,
  keptDiffs,
  lastTrades,
  nonces,
  orders,
  positions,
  progress,
  REPLAY_TABLES,
  risk,
  strategies,
} from "../../src/replay/tables.js";
import { Tape } from "../../src/replay/tape.js";
import { foldFills, unrealisedOf } from "../../src/trading/index.js";
import { BITSTAMP, COINBASE, COINM, replayInMemory, SPOT_TAPE, USDM } from "./helpers.js";
import { MemoryStore } from "./memory-store.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "holdfast-engine-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

const TAPES = [
  ["spot", SPOT_TAPE, 41_249],
  ["USD-M", USDM, 2_500],
  ["COIN-M", COINM, 2_500],
  ["Coinbase", COINBASE, 500],
  ["Bitstamp", BITSTAMP, 500],
] as const;

describe.each(TAPES)("the %s tape", (_name, file, count) => {
  test("makes one transaction of every event, and critical ones of those in which it acts", async () => {
    const { store, figures } = await replayInMemory(file);
    expect(figures).toMatchObject({ startedAtEvent: 0, endedAtEvent: count, complete: true });
    expect(store.lastSequence).toBe(count);
    expect(store.criticalTransactions).toBe(figures.durableLatency.count);
    expect(store.criticalTransactions).toBeGreaterThan(10);
    expect(store.criticalTransactions).toBeLessThan(count);
  });

  test("position and P&L are a fold over the fills", async () => {
    const { store, tape } = await replayInMemory(file);
    const { symbol } = tape.info;
    const contract = contractOf(store.table(instruments).get(symbol)!);
    const all = [...store.table(fills).entries()].map(([, fill]) => fill);
    const fees = all.reduce((sum, { fee }) => sum.add(fee), ZERO);
    const { limit: _limit, ...position } = store.table(positions).get(symbol)!;
    expect(position).toEqual({ ...foldFills(all, contract), fees });
  });

  test("orders agree with their fills, nonces increase without gaps", async () => {
    const { store } = await replayInMemory(file);
    const filled = new Map<number, typeof ZERO>();
    let last = 0;
    for (const [id, fill] of store.table(fills).entries()) {
      expect(id).toBe(++last);
      filled.set(fill.order, (filled.get(fill.order) ?? ZERO).add(fill.quantity));
    }
    expect(store.table(nonces).get("fill")?.last).toBe(last);
    const requests = new Set<number>();
    for (const [id, order] of store.table(orders).entries()) {
      expect(order.filled.equals(filled.get(id) ?? ZERO)).toBe(true);
      expect(order.status === "filled").toBe(order.filled.equals(order.quantity));
      requests.add(order.request);
    }
    expect(requests.size).toBe(store.table(orders).count());
    expect(Math.max(...requests)).toBeLessThanOrEqual(store.table(nonces).get("request")!.last);
    expect(store.table(nonces).get("order")?.last).toBe(store.table(orders).count());
  });

  test("interrupted anywhere, it ends in the same state", async () => {
    const { store: whole } = await replayInMemory(file, { limit: 2_500 });
    const events = whole.table(progress).get("tape")!.event;
    // Every event of the beginning (the snapshot and the diffs before it), then every 97th.
    const stops = [];
    for (let stop = 1; stop < events; stop += stop < 70 ? 1 : 97) stops.push(stop);
    const store = new MemoryStore();
    for (const limit of [...stops, events]) {
      // A new tape and a new engine each time: nothing is known but what stands in the tables.
      const figures = await runTape(store, await Tape.open(file), { limit });
      expect(figures.endedAtEvent).toBe(limit);
    }
    expect(stateDigest(store)).toBe(stateDigest(whole));
  });
});

test("digests of the shipped tape are the same on every machine", async () => {
  const { store } = await replayInMemory(SPOT_TAPE);
  expect(stateDigest(store)).toBe(
    "57df1fb9edd8a8c5f73c5e2af8c772bb9cb45db4777cfc4f0a21d8f9c8e37ca7",
  );
});

test("the spot account adds up: cash and coins are what fills and fees made of them", async () => {
  const { store } = await replayInMemory(SPOT_TAPE);
  const instrument = store.table(instruments).get("BTCUSDT")!;
  const position = store.table(positions).get("BTCUSDT")!;
  const cash = instrument.capital.add(position.realised).sub(position.fees).sub(position.cost);
  expect(store.table(balances).get("USDT")?.total).toEqual(cash);
  const coins = instrument.maxPosition.add(instrument.maxPosition).add(position.quantity);
  expect(store.table(balances).get("BTC")?.total).toEqual(coins);
  const figures = store.table(risk).get("BTCUSDT")!;
  const open = unrealisedOf(position, figures.mark, contractOf(instrument));
  expect(figures.equity).toEqual(cash.add(position.cost).add(open));
  expect(figures.drawdown).toEqual(figures.peakEquity.sub(figures.equity));
});

test("the last trades stand in a ring, the newest in the place of the oldest", async () => {
  const { store } = await replayInMemory(SPOT_TAPE);
  const numbers = [...store.table(lastTrades).entries()].map(([, { number }]) => number);
  expect(numbers).toHaveLength(LAST_TRADES);
  expect(Math.min(...numbers)).toBe(9_757 - LAST_TRADES + 1);
  expect(Math.max(...numbers)).toBe(9_757);
});

test("diffs from before the snapshot are kept in the store until it comes", async () => {
  const kept = async (limit: number) =>
    (await replayInMemory(USDM, { limit })).store.table(keptDiffs).count();
  expect([await kept(54), await kept(55)]).toEqual([6, 0]);
});

test("a drawdown beyond the limit halts the strategy for good", async () => {
  // A slow fall, in which it buys, and then a crash.
  const price = (i: number) => (i < 300 ? 100 - i * 0.01 : 30).toFixed(2);
  const lines = Array.from({ length: 1_000 }, (_, i) => `${1_600_000_000 + i},${price(i)},500`);
  const file = join(dir, "falling.csv");
  writeFileSync(file, lines.join("\n"));
  const { store } = await replayInMemory(file);
  expect(store.table(strategies).get("UNKNOWN")?.halted).toBe(true);
  expect([...store.table(orders).entries()].filter(([, { status }]) => status === "open")).toEqual(
    [],
  );
  const { largestDrawdown } = store.table(risk).get("UNKNOWN")!;
  expect(largestDrawdown.compare(store.table(instruments).get("UNKNOWN")!.maxDrawdown)).toBe(1);
});

test("a signal stops it between two events", async () => {
  const stop = new AbortController();
  const onProgress = () => stop.abort();
  const { figures } = await replayInMemory(SPOT_TAPE, { signal: stop.signal, onProgress });
  expect(figures).toMatchObject({ endedAtEvent: 256, complete: false });
});

test("acknowledges what it found, then in order, and the end", async () => {
  const acknowledged: [number, number][] = [];
  await replayInMemory(COINBASE, { onAcknowledged: (...ack) => acknowledged.push(ack) });
  expect(acknowledged[0]).toEqual([0, 0]);
  expect(acknowledged.at(-1)).toEqual([500, 500]);
  for (const [index, [sequence, event]] of acknowledged.entries()) {
    expect(sequence).toBe(event);
    expect(event).toBeGreaterThanOrEqual(acknowledged[index - 1]?.[1] ?? 0);
  }
});

describe("bad input", () => {
  const head = () => gunzipSync(readFileSync(USDM)).toString().split("\n").slice(0, 400);

  async function replayLines(lines: readonly string[]) {
    const file = join(dir, "bad.jsonl");
    writeFileSync(file, lines.join("\n"));
    const store = new MemoryStore();
    const error = await runTape(store, await Tape.open(file)).catch((e: unknown) => e);
    return { file, store, error };
  }

  test("a gap in the depth diffs is named, and what came before it is kept", async () => {
    const lines = head();
    const gap = lines.findIndex((line, index) => index > 100 && line.includes("depthUpdate"));
    const after = lines.findIndex((line, index) => index > gap && line.includes("depthUpdate"));
    const { file, store, error } = await replayLines(lines.toSpliced(gap, 1));
    expect(error).toMatchObject({ code: "BAD_TAPE" });
    // One line is missing before it: the line number is that of the zero-based index.
    expect((error as Error).message).toMatch(`${file}:${after}: a gap in the depth diffs`);
    expect(store.table(progress).get("tape")?.event).toBe(after - 1);
  });

  test("a broken line ends the run; mended, it goes on from there to the same state", async () => {
    const lines = head();
    const broken = lines.with(299, lines[299]!.slice(0, 60));
    const { file, store, error } = await replayLines(broken);
    expect(error).toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringContaining(`${file}:300: `),
    });
    writeFileSync(file, lines.join("\n"));
    await runTape(store, await Tape.open(file));
    const whole = await replayInMemory(file);
    expect(stateDigest(store)).toBe(stateDigest(whole.store));
  });

  test("another tape is refused for the same directory", async () => {
    const { store } = await replayInMemory(USDM, { limit: 1_000 });
    const before = REPLAY_TABLES.map((table) => [...tableLines(store, table as never)]);
    for (const other of [SPOT_TAPE, COINM, COINBASE]) {
      const run = Tape.open(other).then((tape) => runTape(store, tape));
      await expect(run).rejects.toMatchObject({ code: "BAD_TAPE", data: { file: other } });
    }
    expect(REPLAY_TABLES.map((table) => [...tableLines(store, table as never)])).toEqual(before);
  });
});
