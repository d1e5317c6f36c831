/** Fills that come late: in their order, and at a cost that does not grow with the history. */
import { expect, test } from "vitest";
import { Decimal, type Store } from "../../src/index.js";
import { fillsToFold } from "../../src/trading/fold.js";
import { POINT_FILLS } from "../../src/trading/fold-points.js";
import {
  type FillInput,
  type FillRow,
  fills,
  foldFills,
  foldPoints,
  type InstrumentRow,
  instruments,
  positions,
  rebuild,
} from "../../src/trading/index.js";
import { Random } from "../sim/random.js";
import { seedOfRun } from "../support/seed.js";
import { COIN, type Desk, openDesk, PERP, VENUE } from "./helpers.js";

const HISTORY = 5 * POINT_FILLS;

/** Fills of a position that is never flat, in their order; several share a time. */
function history(random: Random, symbol: string, count: number): FillInput[] {
  let held = 0;
  return Array.from({ length: count }, (_, i) => {
    const sells = held > 3 && random.chance(0.45);
    const quantity = sells ? 1 + random.below(held - 1) : 1 + random.below(5);
    held += sells ? -quantity : quantity;
    return {
      ...{ symbol, tradeId: `${i + 1}`, side: sells ? "sell" : "buy", quantity },
      price: Decimal.fromCoefficient(9000 + random.below(2000), 2),
      time: 1_000_000 * (1 + Math.floor(i / 3)),
    } satisfies FillInput;
  });
}

/** As a network has it: most in order, some late, some by far. */
function delayed(random: Random, all: readonly FillInput[]): FillInput[] {
  const arrivals = all.map((fill, i) => {
    const late = random.chance(0.1) ? random.below(random.pick([3, 20, HISTORY])) : 0;
    return { fill, at: i + late };
  });
  return arrivals.sort((a, b) => a.at - b.at).map(({ fill }) => fill);
}

async function book({ trading, run }: Desk, list: readonly FillInput[]): Promise<void> {
  await run(async () => {
    for (let i = 0; i < list.length; i += 16) {
      await trading.transact((t) => {
        for (const fill of list.slice(i, i + 16)) {
          const { symbol, side, quantity, tradeId } = fill;
          const clientId = `${symbol} ${tradeId}`;
          t.placeOrder({ symbol, side, quantity, clientId });
          t.applyFill({ ...fill, clientId });
        }
      });
    }
  });
}

async function begin(): Promise<Desk> {
  const desk = await openDesk(undefined, {}, { frameBytesMax: 262_144, segmentBytes: 4_194_304 });
  await desk.run(
    desk.trading.transact((t) => {
      const pair = { venue: VENUE, base: "BTC", quote: "USD" };
      t.setInstrument(PERP, { ...pair, kind: "linear" });
      t.setInstrument(COIN, { ...pair, kind: "inverse", multiplier: 100 });
    }),
  );
  return desk;
}

/** The fills of a symbol in the order that makes the position, put together the plain way. */
function inOrder(store: Store, symbol: string): [string, FillRow][] {
  return [...store.table(fills).entries()]
    .filter(([[of]]) => of === symbol)
    .map(([[, tradeId], fill]): [string, FillRow] => [tradeId, fill])
    .sort(([a, x], [b, y]) => x.time - y.time || Number(a) - Number(b));
}

function check({ store }: Desk, symbol: string): void {
  const instrument = store.table(instruments).get(symbol) as InstrumentRow;
  const ordered = inOrder(store, symbol);
  // The slow way: every position from its very first fill.
  const after = (count: number) =>
    foldFills(
      ordered.slice(0, count).map(([, fill]) => fill),
      instrument,
    );
  expect(store.table(positions).get(symbol)).toEqual(rebuild(store).positions.get(symbol));
  let realised = Decimal.of(0, 8);
  for (const [index, [, fill]] of ordered.entries()) {
    const now = after(index + 1).realised;
    expect(`${fill.realised}`).toBe(`${now.sub(realised)}`);
    realised = now;
  }
  const points = [...store.table(foldPoints).entries()].filter(([[of]]) => of === symbol);
  for (const [[, , tradeId], { quantity, cost }] of points) {
    const place = ordered.findIndex(([id]) => id === tradeId) + 1;
    const { quantity: slowQuantity, cost: slowCost } = after(place);
    expect([`${quantity}`, `${cost}`]).toEqual([`${slowQuantity}`, `${slowCost}`]);
  }
  // From one to the next there are not many fills, however they came.
  const places = points.map(([[, , id]]) => ordered.findIndex(([of]) => of === id) + 1);
  const ends = [0, ...places.sort((a, b) => a - b), ordered.length];
  const gaps = ends.slice(1).map((end, i) => end - (ends[i] as number));
  expect(Math.max(...gaps)).toBeLessThanOrEqual(4 * POINT_FILLS);
}

test.each([PERP, COIN])("late fills of %s end where the slow computation does", async (symbol) => {
  const seed = seedOfRun(1);
  const random = new Random(seed);
  const desk = await begin();
  await book(desk, delayed(random, history(random, symbol, HISTORY)));
  check(desk, symbol);
});

test("a late fill is folded with those since the last point, and not with all of the history", async () => {
  const random = new Random(seedOfRun(2));
  const desk = await begin();
  const all = history(random, PERP, HISTORY);
  const late = all.splice(HISTORY - 20, 1);
  await book(desk, all);
  const { trading, store, run } = desk;
  const quantity = store.table(positions).get(PERP)?.quantity as Decimal;
  const time = late[0]?.time as number;
  const folded = await run(trading.step((step) => fillsToFold(step, PERP, quantity, time)));
  expect(folded.since.size).toBeLessThanOrEqual(POINT_FILLS + 20);
  expect(folded.from.quantity.sign()).toBe(1);
  await book(desk, late);
  check(desk, PERP);
});

test("a store without points gets them by the first late fill", async () => {
  const random = new Random(seedOfRun(3));
  const desk = await begin();
  const all = history(random, PERP, HISTORY);
  const [first, second] = all.splice(1, 2);
  await book(desk, all);
  const { trading, store, run } = desk;
  await run(
    trading.transact((t) => {
      for (const key of [...t.tx.keys(foldPoints)]) t.tx.delete(foldPoints, key);
    }),
  );
  await book(desk, [first as FillInput]);
  expect(store.table(foldPoints).count()).toBeGreaterThanOrEqual(2);
  await book(desk, [second as FillInput]);
  check(desk, PERP);
});
