/** Rules of a book: how updates follow one another, what is refused, and what is taken back. */
import { describe, expect, test } from "vitest";
import { bookChanges, bookStates } from "../../src/books/tables.js";
import {
  type BookDialect,
  type BookUpdate,
  Decimal,
  defineBook,
  defineTable,
  integer,
  type LevelInput,
  type OpenOptions,
  type Transaction,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";

const definition = (dialect: BookDialect) =>
  defineBook({ name: "b", priceScale: 2, quantityScale: 3, dialect });

const bids: readonly LevelInput[] = [
  ["100.00", "1"],
  ["99.5", "2.5"],
];
const asks: readonly LevelInput[] = [
  ["101", "3"],
  ["102.25", "0.001"],
];

const update = (
  firstId: number,
  lastId: number,
  previousId?: number,
  levels: Partial<BookUpdate> = {},
): BookUpdate => ({ firstId, lastId, previousId, bids: [], asks: [], ...levels });

async function opened(dialect: BookDialect = "usd-m", options: OpenOptions = {}) {
  const machine = new SimulatedMachine({ seed: 1 });
  const book = definition(dialect);
  const store = await openOn(machine, { books: [book], ...options });
  return { machine, store, definition: book, book: store.book(book) };
}

describe("how updates follow one another", () => {
  test.each([
    // Behind the snapshot of id 100, by Binance's rules.
    ["usd-m", update(90, 99, 89), undefined],
    ["usd-m", update(95, 100, 94), 0],
    ["usd-m", update(100, 105, 94), 0],
    ["usd-m", update(101, 105, 100), 0],
    ["usd-m", update(101, 105, 99), "BOOK_GAP"],
    ["coin-m", update(95, 105, 94), 0],
    ["coin-m", update(102, 105, 101), "BOOK_GAP"],
    ["spot", update(95, 100), undefined],
    ["spot", update(95, 101), 0],
    ["spot", update(101, 105), 0],
    ["spot", update(102, 105), "BOOK_GAP"],
  ] as const)("%s: the first one, %o", async (dialect, first, expected) => {
    const { machine, book, store } = await opened(dialect);
    await machine.run(book.snapshot({ lastId: 100, bids, asks }));
    const done = machine.run(book.update(first));
    if (expected === "BOOK_GAP") await expect(done).rejects.toMatchObject({ code: expected });
    else expect(await done).toBe(expected);
    expect(book.lastId).toBe(expected === 0 ? first.lastId : 100);
    await machine.run(store.close());
  });

  test.each([
    ["usd-m", update(111, 120, 110), 0],
    ["usd-m", update(115, 120, 110), 0],
    ["usd-m", update(111, 120, 109), "BOOK_GAP"],
    ["usd-m", update(101, 110, 100), undefined],
    ["spot", update(111, 120), 0],
    ["spot", update(110, 120), "BOOK_GAP"],
    ["spot", update(112, 120), "BOOK_GAP"],
    ["spot", update(105, 110), undefined],
  ] as const)("%s: later ones, %o", async (dialect, later, expected) => {
    const { machine, book, store } = await opened(dialect);
    const first = update(101, 110, 100);
    await machine.run(book.snapshot({ lastId: 100, bids, asks }, [first]));
    const done = machine.run(book.update(later));
    if (expected === "BOOK_GAP") await expect(done).rejects.toMatchObject({ code: expected });
    else expect(await done).toBe(expected);
    await machine.run(store.close());
  });

  test("before a snapshot there is no book; an older snapshot is none; after clear any is", async () => {
    const { machine, book, store } = await opened();
    expect([book.lastId, book.count("bids"), book.best("asks")]).toEqual([undefined, 0, undefined]);
    await expect(machine.run(book.update(update(1, 2, 0)))).rejects.toMatchObject({
      code: "BOOK_GAP",
    });
    expect(await machine.run(book.snapshot({ lastId: 100, bids, asks }))).toBe(true);
    expect(await machine.run(book.snapshot({ lastId: 100, bids: [], asks: [] }))).toBe(false);
    expect(book.count("bids")).toBe(2);
    await machine.run(book.clear());
    expect([book.lastId, book.count("bids")]).toEqual([undefined, 0]);
    await machine.run(store.close());
    const again = await openOn(machine, { books: [definition("usd-m")] });
    await machine.run(again.close());
    expect(again.lastSequence).toBe(store.lastSequence);
  });
});

test("what is read: best, top, quantity and depth at a price, and typed arrays", async () => {
  const { machine, book, store } = await opened();
  await machine.run(book.snapshot({ lastId: 100, bids, asks }));
  const scaled = { prices: Float64Array.of(9_900), quantities: Float64Array.of(7) };
  expect(await machine.run(book.update(update(101, 101, 100, { bids: scaled })))).toBe(1);
  const text = ({ bids, asks }: ReturnType<typeof book.top>) =>
    [...bids, ...asks].map(({ price, quantity }) => `${price} ${quantity}`);
  expect(text(book.top(2))).toEqual([
    "100.00 1.000",
    "99.50 2.500",
    "101.00 3.000",
    "102.25 0.001",
  ]);
  expect(String(book.best("bids")?.price)).toBe("100.00");
  expect(String(book.quantityAt("bids", Decimal.of("99.00")))).toBe("0.007");
  expect(String(book.quantityAt("asks", "100"))).toBe("0.000");
  expect(String(book.depthAt("bids", "99.2"))).toBe("3.500");
  expect(String(book.depthAt("asks", "102.25"))).toBe("3.001");
  expect(book.levels()).toEqual({
    bids: {
      prices: Float64Array.of(10_000, 9_950, 9_900),
      quantities: Float64Array.of(1_000, 2_500, 7),
    },
    asks: { prices: Float64Array.of(10_100, 10_225), quantities: Float64Array.of(3_000, 1) },
  });
  expect(() => book.top(-1)).toThrow(/from 0 on/);
  expect(() => book.quantityAt("bids", "1.001")).toThrow(/at most 2 digits/);
  expect(() => book.count("bid" as never)).toThrow(/"bids" or "asks"/);
  await machine.run(store.close());
});

test.each([
  [{ bids: [["1.001", "1"]] }, /bids\[0\].*at most 2 and 3 digits/],
  [
    {
      asks: [
        ["101", "1"],
        ["1", "0.0001"],
      ],
    },
    /asks\[1\]/,
  ],
  [{ bids: [["-1", "1"]] }, /bids\[0\]/],
  [{ bids: [["0", "1"]] }, /bids\[0\]/],
  [{ bids: [["1.", "1"]] }, /bids\[0\]/],
  [{ bids: [["1", 1]] }, /bids\[0\]/],
  [{ bids: [["1"]] }, /bids\[0\]/],
  [{ bids: [["99999999999999", "1"]] }, /bids\[0\]/],
  [{ bids: undefined }, /bids are a list/],
  [{ bids: { prices: Float64Array.of(1.5), quantities: Float64Array.of(1) } }, /bids\[0\]/],
  [{ bids: { prices: Float64Array.of(1), quantities: Float64Array.of() } }, /as many of each/],
  [{ lastId: 1.5 }, /lastId is an update id/],
  [{ previousId: undefined }, /previousId is an update id/],
])("refused, and nothing has changed: %j", async (change, message) => {
  const { machine, book, store } = await opened();
  await machine.run(book.snapshot({ lastId: 100, bids, asks }));
  const bad = { ...update(101, 102, 100), ...change } as unknown as BookUpdate;
  const done = machine.run(book.update(bad));
  await expect(done).rejects.toMatchObject({ code: "INVALID_ROW" });
  await expect(done).rejects.toThrow(message);
  expect([book.lastId, book.count("bids"), book.count("asks")]).toEqual([100, 2, 2]);
  await machine.run(store.close());
});

test("a crossed book is refused whole, also by a snapshot", async () => {
  const { machine, book, store, definition: bookOf } = await opened();
  await machine.run(book.snapshot({ lastId: 100, bids, asks }));
  const levels = book.levels();
  const crossing = update(101, 101, 100, {
    bids: [
      ["99", "5"],
      ["100", "0"],
      ["101", "1"],
    ],
    asks: [["102.25", "0"]],
  });
  await expect(machine.run(book.update(crossing))).rejects.toMatchObject({ code: "BOOK_CROSSED" });
  expect(book.levels()).toEqual(levels);
  const snapshot = { lastId: 200, bids: [["5", "1"]], asks: [["5", "1"]] } as const;
  await expect(machine.run(book.snapshot(snapshot))).rejects.toMatchObject({
    code: "BOOK_CROSSED",
  });
  expect([book.lastId, book.levels()]).toEqual([100, levels]);
  // Nor does anything of it stay in a transaction that goes on.
  await machine.run(
    store.transact((tx) => {
      expect(() => tx.book(bookOf).update(crossing)).toThrow(/crossed/);
      expect(() => tx.book(bookOf).snapshot(snapshot)).toThrow(/crossed/);
      expect([tx.book(bookOf).lastId, tx.book(bookOf).levels()]).toEqual([100, levels]);
      tx.book(bookOf).update(update(101, 101, 100, { asks: [["102.25", "0"]] }));
    }),
  );
  expect(book.levels().bids).toEqual(levels.bids);
  expect(book.count("asks")).toBe(1);
  await machine.run(store.close());
});

test("within a transaction, with rows of tables; taken back with it; checks only read", async () => {
  const orders = defineTable({ name: "o", version: 1, key: integer(), fields: { n: integer() } });
  const check = {
    name: "reads",
    tables: [orders],
    holds: (tx: Pick<Transaction, "book">) => {
      try {
        if (writes) tx.book(book).update(update(102, 102, 101, { bids: [["97", "1"]] }));
      } catch (error) {
        if (!catches) throw error;
      }
      return true;
    },
  };
  let writes = false;
  let catches = false;
  const book = definition("usd-m");
  const machine = new SimulatedMachine({ seed: 1 });
  const options = { books: [book], tables: [orders], checks: [check as never] };
  const store = await openOn(machine, options);
  await machine.run(store.book(book).snapshot({ lastId: 100, bids, asks }));
  const before = store.lastSequence;
  await machine.run(
    store.transact((tx) => {
      tx.put(orders, 1, { n: 1 });
      tx.book(book).update(update(101, 101, 100, { bids: [["100", "9"]] }));
      expect(String(tx.book(book).best("bids")?.quantity)).toBe("9.000");
      expect(() => tx.book(book).update(update(105, 106, 104))).toThrow(/missing/);
    }),
  );
  expect(store.lastSequence).toBe(before + 1);
  const failing = store.transact((tx) => {
    tx.book(book).update(update(102, 102, 101, { bids: [["100", "0"]] }));
    tx.book(book).update(update(103, 103, 102, { bids: [["98", "1"]] }));
    throw new Error("no");
  });
  await expect(machine.run(failing)).rejects.toThrow("no");
  expect(String(store.book(book).best("bids")?.quantity)).toBe("9.000");
  expect(store.book(book).lastId).toBe(101);
  writes = true;
  catches = true;
  await machine.run(store.table(orders).put(2, { n: 2 }));
  catches = false;
  expect(store.book(book).count("bids")).toBe(2);
  await expect(machine.run(store.table(orders).put(2, { n: 2 }))).rejects.toThrow(/must not write/);
  expect(store.book(book).count("bids")).toBe(2);
  await machine.run(store.close());
});

test("only what changes is logged, and images are written now and then", async () => {
  const roomy = { frameBytesMax: 128 * 1024, segmentBytes: 1024 * 1024 };
  const { machine, book, store } = await opened("usd-m", roomy);
  await machine.run(book.snapshot({ lastId: 0, bids, asks }));
  const logged = () => store.stats().log.logicalBytes;
  const before = logged();
  const count = 4_200;
  for (let i = 0; i < count; i++) {
    const price = (50 + (i % 2_000) / 100).toFixed(2);
    const level = [price, `${1 + i}`] as const;
    // The second one is as it was.
    void book.update(update(i + 1, i + 1, i, { bids: [level, ["99.5", "2.5"]] }));
    if (i % 1_000 === 999) await machine.run(store.durable());
  }
  await machine.run(store.durable());
  expect((logged() - before) / count).toBeLessThan(80);
  const found = book.levels();
  machine.crash("power");
  const same = definition("usd-m");
  const again = await openOn(machine, { books: [same], tables: [], ...roomy });
  expect(again.book(same).levels()).toEqual(found);
  // What is replayed is bounded, and the slots are used again.
  expect(again.table(bookStates).get("b")).toMatchObject({ generation: 2 });
  expect(again.table(bookChanges).count()).toBeLessThanOrEqual(4096);
  await machine.run(again.close());
});

test("scales and dialect stay what they were; the tier may become another", async () => {
  const { machine, book, store } = await opened();
  await machine.run(book.snapshot({ lastId: 100, bids, asks }));
  await machine.run(store.close());
  const other = defineBook({ name: "b", priceScale: 3, quantityScale: 3, dialect: "usd-m" });
  await expect(openOn(machine, { books: [other] })).rejects.toMatchObject({
    code: "SCHEMA_MISMATCH",
  });
  const same = defineBook({
    ...{ name: "b", priceScale: 2, quantityScale: 3, dialect: "usd-m", tier: "critical" },
  } as const);
  const again = await openOn(machine, { books: [same] });
  const done = again.book(same).update(update(101, 101, 100, { bids: [["1", "1"]] }));
  await machine.run(done);
  expect(again.durableSequence).toBe(again.lastSequence);
  expect(() => again.book(other)).toThrow(/not among the books/);
  await machine.run(again.close());
});

test("a store goes back, and its books with it", async () => {
  const { machine, book, store } = await opened("usd-m", { history: "all" });
  await machine.run(book.snapshot({ lastId: 100, bids, asks }));
  await machine.run(store.durable());
  const then = store.lastSequence;
  const levels = book.levels();
  await machine.run(book.update(update(101, 101, 100, { bids: [["100", "0"]] })));
  await machine.run(book.snapshot({ lastId: 300, bids: [["1", "1"]], asks: [["2", "1"]] }));
  await machine.run(store.durable());
  await machine.run(store.rollback(then, { reason: "test" }));
  expect([book.lastId, book.levels()]).toEqual([100, levels]);
  await machine.run(book.update(update(101, 101, 100)));
  await machine.run(store.close());
});

test.each([
  [{ name: "1" }, /a name has letters/],
  [{ priceScale: 19 }, /priceScale is an integer/],
  [{ quantityScale: undefined }, /quantityScale is an integer/],
  [{ dialect: "kraken" }, /dialect is/],
  [{ tier: "cached" }, /tier is/],
  [{ levels: 5 }, /unknown option "levels"/],
])("no definition: %j", (change, message) => {
  const options = { name: "b", priceScale: 2, quantityScale: 3, dialect: "spot", ...change };
  expect(() => defineBook(options as never)).toThrow(message);
});
