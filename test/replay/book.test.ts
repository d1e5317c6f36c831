import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { Decimal } from "../../src/codec/decimal.js";
import { Book } from "../../src/replay/book.js";
import type { DepthEvent, Level, SnapshotEvent } from "../../src/replay/events.js";
import { fromUnits } from "../../src/replay/exact.js";
import { bookLevels } from "../../src/replay/tables.js";
import { Tape } from "../../src/replay/tape.js";
import { COINM, d, replayInMemory, SPOT_TAPE, USDM } from "./helpers.js";

const level = (price: number, quantity: number): Level => [d(price), d(quantity)];

function snapshot(lastId: number, bids: Level[], asks: Level[]): SnapshotEvent {
  return { kind: "snapshot", timeMicros: 0, lastId, bids, asks };
}

function diff(
  firstId: number,
  lastId: number,
  bids: Level[] = [],
  previousId?: number,
): DepthEvent {
  return { kind: "depth", timeMicros: 0, firstId, lastId, previousId, bids, asks: [] };
}

/** A book at update id 100: bids 10 and 9, asks 11 and 12. */
function smallBook(kept: DepthEvent[] = []): Book {
  const book = new Book();
  book.snapshot(snapshot(100, [level(10, 1), level(9, 2)], [level(11, 3), level(12, 4)]), kept);
  return book;
}

const bids = (book: Book) =>
  book.bids.prices().map((price) => [price / 1e8, book.quantity("bid", price).toNumber()]);

describe("Book", () => {
  test("keeps levels sorted, the best first", () => {
    const book = smallBook();
    book.depth(diff(101, 101, [level(9.5, 7), level(10.5, 1), level(8, 1)]));
    expect(bids(book)).toEqual([
      [10.5, 1],
      [10, 1],
      [9.5, 7],
      [9, 2],
      [8, 1],
    ]);
    expect(book.bids.best()).toEqual({ price: 10.5e8, quantity: d(1) });
    expect(book.asks.best()).toEqual({ price: 11e8, quantity: d(3) });
    expect(book.isCrossed()).toBe(false);
  });

  test("quantity 0 deletes a level, also one that is not there", () => {
    const book = smallBook();
    book.depth(diff(101, 101, [level(10, 0), level(5, 0)]));
    expect(bids(book)).toEqual([[9, 2]]);
  });

  test("tells its listener of changes only", () => {
    const heard: unknown[] = [];
    const book = new Book((side, price, quantity) =>
      heard.push([side, price / 1e8, quantity.toNumber()]),
    );
    book.snapshot(snapshot(1, [level(10, 1), level(9, 1)], []), []);
    heard.length = 0;
    book.depth(diff(2, 2, [level(10, 1), level(9, 2), level(8, 0)]));
    book.snapshot(snapshot(3, [level(9, 2)], []), []);
    expect(heard).toEqual([
      ["bid", 9, 2],
      ["bid", 10, 0],
    ]);
  });

  test("applies the kept diffs that reach beyond the snapshot, and drops the others", () => {
    const kept = [
      diff(90, 95, [level(9, 50)]),
      diff(96, 99, [level(9, 60)]),
      diff(100, 104, [level(9, 70)]),
      diff(105, 106, [level(10, 80)]),
    ];
    const book = smallBook(kept);
    expect(bids(book)).toEqual([
      [10, 80],
      [9, 70],
    ]);
    expect(book.state).toEqual({ lastId: 106, synced: true, fresh: false });
  });

  test("drops diffs older than the snapshot that come after it", () => {
    const book = smallBook();
    book.depth(diff(50, 60, [level(9, 50)]));
    expect(book.state).toEqual({ lastId: 100, synced: true, fresh: true });
    expect(bids(book)).toEqual([
      [10, 1],
      [9, 2],
    ]);
  });

  test("finds a gap between snapshot and diffs", () => {
    expect(() => smallBook().depth(diff(102, 103))).toThrow(
      /gap .* book is at 100, the diff at 102/,
    );
    expect(() => smallBook([diff(102, 103)])).toThrow(/gap/);
    expect(() => new Book().depth(diff(1, 2))).toThrow(/before a snapshot/);
  });

  test("finds a gap in the chain of either dialect", () => {
    const spot = smallBook();
    spot.depth(diff(99, 110));
    spot.depth(diff(111, 112));
    expect(() => spot.depth(diff(114, 115))).toThrow(/gap .* book is at 112, the diff at 114/);
    const futures = smallBook();
    futures.depth(diff(99, 110, [], 98));
    futures.depth(diff(113, 115, [], 110));
    expect(() => futures.depth(diff(116, 117, [], 114))).toThrow(/gap/);
  });

  test("ignores a snapshot older than itself, follows a newer one", () => {
    const book = smallBook();
    book.depth(diff(101, 110, [level(9, 5)]));
    book.snapshot(snapshot(105, [level(1, 1)], []), []);
    expect(book.state.lastId).toBe(110);
    book.snapshot(snapshot(200, [level(1, 1)], []), []);
    expect(bids(book)).toEqual([[1, 1]]);
    book.depth(diff(150, 250, [level(2, 2)], 149));
    expect(bids(book)).toEqual([
      [2, 2],
      [1, 1],
    ]);
  });
});

/** The book of a tape by the plainest means: no streaming, no codec, no order, one map a side. */
function rebuilt(file: string): Map<string, string> {
  const messages = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line.slice(20)));
  const start = messages.find((message) => "lastUpdateId" in message);
  const book = new Map<string, string>();
  const apply = (side: string, levels: string[][]) => {
    for (const [price, quantity] of levels) {
      const key = `${side} ${Decimal.of(price!, 8)}`;
      if (Number(quantity) === 0) book.delete(key);
      else book.set(key, Decimal.of(quantity!, 8).toString());
    }
  };
  apply("bid", start.bids);
  apply("ask", start.asks);
  for (const { data } of messages) {
    if (data?.e !== "depthUpdate" || data.u < start.lastUpdateId) continue;
    apply("bid", data.b);
    apply("ask", data.a);
  }
  return book;
}

describe.each([
  ["spot", SPOT_TAPE],
  ["USD-M", USDM],
  ["COIN-M", COINM],
])("the book of the %s tape", (_name, file) => {
  test("table, memory and an independent rebuild are the same", async () => {
    const { store, engine } = await replayInMemory(file);
    const table = new Map<string, string>();
    for (const [[side, price], { quantity }] of store.table(bookLevels).entries()) {
      table.set(`${side} ${fromUnits(price)}`, quantity.toString());
      expect(engine.book.quantity(side as "bid" | "ask", price).equals(quantity)).toBe(true);
    }
    expect(engine.book.bids.size + engine.book.asks.size).toBe(table.size);
    expect(table).toEqual(rebuilt(file));
  });

  test("is never crossed", async () => {
    let checks = 0;
    const tape = await Tape.open(file);
    const book = new Book();
    const kept: DepthEvent[] = [];
    for await (const { event } of tape.events()) {
      if (event.kind === "snapshot") book.snapshot(event, kept);
      else if (event.kind !== "depth") continue;
      else if (book.state.synced) book.depth(event);
      else kept.push(event);
      if (book.isCrossed()) throw new Error(`crossed at update ${book.state.lastId}`);
      checks++;
    }
    expect(checks).toBeGreaterThan(150);
  });
});
