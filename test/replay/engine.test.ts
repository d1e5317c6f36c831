import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clientIdOf } from "../../src/replay/desk.js";
import { stateDigest, tableLines } from "../../src/replay/digest.js";
import { ZERO } from "../../src/replay/exact.js";
import { LAST_TRADES } from "../../src/replay/market.js";
import {
  keptDiffs,
  lastTrades,
  plans,
  progress,
  quotes,
  REPLAY_TABLES,
  strategies,
} from "../../src/replay/tables.js";
import {
  amendments,
  balances,
  drawdowns,
  fills,
  nonceBlocks,
  orders,
  positions,
  rebuild,
  workingOrders,
} from "../../src/trading/index.js";
import {
  BITSTAMP,
  COINBASE,
  COINM,
  replayInMemory,
  SimulatedReplay,
  SPOT_DIGEST,
  SPOT_TAPE,
  USDM,
} from "./helpers.js";

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

/** The whole of a tape, replayed once for all tests that only look at it. */
const wholes = new Map<string, ReturnType<typeof replayInMemory>>();
const whole = (file: string) => {
  const replayed = wholes.get(file) ?? replayInMemory(file);
  wholes.set(file, replayed);
  return replayed;
};

describe.each(TAPES)("the %s tape", (_name, file, count) => {
  test("makes one transaction of every event, and waits for those in which it acts", async () => {
    const { store, figures } = await whole(file);
    expect(figures).toMatchObject({ startedAtEvent: 0, endedAtEvent: count, complete: true });
    // Of the tables, and of the opening.
    expect(store.lastSequence).toBe(count + 2);
    expect(figures.durableLatency.count).toBeGreaterThan(10);
    expect(figures.durableLatency.count).toBeLessThan(count);
  });

  test("position and balances are a fold over the fills and the capital", async () => {
    const { store, tape } = await whole(file);
    const { symbol } = tape.info;
    const rebuilt = rebuild(store);
    expect(store.table(fills).count()).toBeGreaterThan(0);
    expect(store.table(positions).get(symbol)).toEqual(rebuilt.positions.get(symbol));
    for (const [[venue, currency], { total }] of store.table(balances).entries()) {
      expect(total).toEqual(rebuilt.balances.get(`${venue} ${currency}`));
    }
  });

  test("orders agree with their fills, and numbers and nonces have no gaps", async () => {
    const { store, tape } = await whole(file);
    const filled = new Map<string, typeof ZERO>();
    for (const { clientId, quantity } of store.table(fills).values()) {
      filled.set(clientId!, (filled.get(clientId!) ?? ZERO).add(quantity));
    }
    let number = 0;
    for (const [clientId, order] of store.table(orders).entries()) {
      expect(clientId).toBe(clientIdOf(++number));
      expect(order.filled.equals(filled.get(clientId) ?? ZERO)).toBe(true);
      expect(order.status === "filled").toBe(order.filled.equals(order.quantity));
    }
    const { placed, taken, amended, cancelled } = store.table(strategies).get(tape.info.symbol)!;
    expect(number).toBe(placed + taken);
    expect(store.table(nonceBlocks).get("tape")!.reserved).toBe(number + amended + cancelled);
    const open = [...store.table(quotes).keys()].map(clientIdOf);
    expect([...store.table(workingOrders).keys()]).toEqual(open.map((id) => ["tape", id]));
    expect(store.table(amendments).count()).toBe(0);
  });

  test("interrupted anywhere, it ends in the same state", async () => {
    const events = Math.min(count, 2_500);
    const stops = [54, 55];
    for (let stop = 1; stop < events; stop += stop < 70 ? 23 : 807) stops.push(stop);
    stops.sort((a, b) => a - b);
    let replay = await SimulatedReplay.open(file);
    for (const [index, limit] of [...stops, events].entries()) {
      expect((await replay.run({ limit })).endedAtEvent).toBe(limit);
      // Nothing is known to the next one but what stands in the tables.
      const machine = replay.kill(index % 2 === 0 ? "power" : "kill");
      replay = await SimulatedReplay.open(file, machine);
    }
    const expected =
      events === count ? await whole(file) : await replayInMemory(file, { limit: events });
    expect(stateDigest(replay.store)).toBe(stateDigest(expected.store));
  });
});

test("digests of the shipped tape are the same on every machine", async () => {
  const { store } = await whole(SPOT_TAPE);
  expect(stateDigest(store)).toBe(SPOT_DIGEST);
});

test("the spot account adds up: cash and coins are what fills and fees made of them", async () => {
  const { store, engine } = await whole(SPOT_TAPE);
  const { capital } = store.table(plans).get("BTCUSDT")!;
  const position = store.table(positions).get("BTCUSDT")!;
  const cash = capital.add(position.realised).sub(position.fees).sub(position.cost);
  expect(store.table(balances).get(["tape", "USDT"])?.total).toEqual(cash);
  expect(store.table(balances).get(["tape", "BTC"])?.total).toEqual(position.quantity);
  const { nav } = engine.trading.portfolio();
  const { unrealised } = engine.trading.position("BTCUSDT");
  expect(nav).toEqual(cash.add(position.cost).add(unrealised!));
});

test("the last trades stand in a ring, the newest in the place of the oldest", async () => {
  const { store } = await whole(SPOT_TAPE);
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
  const { store, engine } = await replayInMemory(file);
  const { halted, haltReason, largestDrawdown } = engine.trading.portfolio();
  expect(halted).toBe("drawdown");
  expect(haltReason).toMatch(/limit 0.01/);
  expect(engine.trading.workingOrders()).toEqual([]);
  // What was held has been sold, as orders that only reduce may be.
  expect(engine.trading.position("UNKNOWN").quantity.isZero()).toBe(true);
  expect(largestDrawdown.toNumber()).toBeGreaterThan(0.01);
  expect(store.table(drawdowns).count()).toBeGreaterThan(0);
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
  expect(acknowledged[0]).toEqual([2, 0]);
  expect(acknowledged.at(-1)).toEqual([502, 500]);
  for (const [index, [sequence, event]] of acknowledged.entries()) {
    expect(sequence).toBe(event + 2);
    expect(event).toBeGreaterThanOrEqual(acknowledged[index - 1]?.[1] ?? 0);
  }
});

describe("bad input", () => {
  const head = () => gunzipSync(readFileSync(USDM)).toString().split("\n").slice(0, 400);

  async function replayLines(lines: readonly string[]) {
    const file = join(dir, "bad.jsonl");
    writeFileSync(file, lines.join("\n"));
    const replay = await SimulatedReplay.open(file);
    const error = await replay.run().catch((e: unknown) => e);
    return { file, replay, error };
  }

  test("a gap in the depth diffs is named, and what came before it is kept", async () => {
    const lines = head();
    const gap = lines.findIndex((line, index) => index > 100 && line.includes("depthUpdate"));
    const after = lines.findIndex((line, index) => index > gap && line.includes("depthUpdate"));
    const { file, replay, error } = await replayLines(lines.toSpliced(gap, 1));
    expect(error).toMatchObject({ code: "BAD_TAPE" });
    // One line is missing before it: the line number is that of the zero-based index.
    expect((error as Error).message).toMatch(`${file}:${after}: a gap in the depth diffs`);
    expect(replay.store.table(progress).get("tape")?.event).toBe(after - 1);
  });

  test("a broken line ends the run; mended, it goes on from there to the same state", async () => {
    const lines = head();
    const broken = lines.with(299, lines[299]!.slice(0, 60));
    const { file, replay, error } = await replayLines(broken);
    expect(error).toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringContaining(`${file}:300: `),
    });
    writeFileSync(file, lines.join("\n"));
    const mended = await SimulatedReplay.open(file, replay.kill());
    await mended.run();
    const expected = await replayInMemory(file);
    expect(stateDigest(mended.store)).toBe(stateDigest(expected.store));
  });

  test("another tape is refused for the same directory", async () => {
    const replay = await SimulatedReplay.open(USDM);
    await replay.run({ limit: 1_000 });
    const linesOf = ({ store }: SimulatedReplay) =>
      REPLAY_TABLES.map((table) => [...tableLines(store, table)]);
    const before = linesOf(replay);
    for (const other of [SPOT_TAPE, COINM, COINBASE]) {
      const run = SimulatedReplay.open(other, replay.kill()).then((opened) => opened.run());
      await expect(run).rejects.toMatchObject({ code: "BAD_TAPE", data: { file: other } });
    }
    const again = await SimulatedReplay.open(USDM, replay.kill());
    // The opening is in the table of sessions.
    const sessions = REPLAY_TABLES.findIndex(({ name }) => name === "trading.sessions");
    expect(linesOf(again).toSpliced(sessions, 1)).toEqual(before.toSpliced(sessions, 1));
  });
});
