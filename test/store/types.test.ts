/** What TypeScript infers. Checked by the compiler; the test runner only runs it. */
import { expectTypeOf, test } from "vitest";
import {
  type Annotation,
  boolean,
  bytes,
  Decimal,
  decimal,
  defineTable,
  enumeration,
  float64,
  type InputOf,
  int64,
  integer,
  type KeyOf,
  list,
  map,
  nullable,
  open,
  type RowOf,
  record,
  type Store,
  string,
  type Table,
  type Transaction,
  timestamp,
  withDefault,
} from "../../src/index.js";

const wide = defineTable({
  name: "wide",
  version: 1,
  key: [string(), int64(), integer(), timestamp()],
  fields: {
    text: string(),
    flag: boolean(),
    whole: integer(),
    long: int64(),
    real: float64(),
    price: decimal(8),
    time: timestamp(),
    raw: bytes(),
    side: enumeration(["buy", "sell"]),
    levels: list(decimal(2)),
    tags: map(nullable(integer())),
    inner: record({ price: decimal(1), note: withDefault(string(), "") }),
    count: withDefault(integer(), 0),
    fee: withDefault(decimal(2), "0"),
  },
});

type Wide = {
  readonly text: string;
  readonly flag: boolean;
  readonly whole: number;
  readonly long: bigint;
  readonly real: number;
  readonly price: Decimal;
  readonly time: number;
  readonly raw: Uint8Array;
  readonly side: "buy" | "sell";
  readonly levels: readonly Decimal[];
  readonly tags: Readonly<Record<string, number | null>>;
  readonly inner: { readonly price: Decimal; readonly note: string };
  readonly count: number;
  readonly fee: Decimal;
};

type WideInput = {
  readonly text: string;
  readonly flag: boolean;
  readonly whole: number;
  readonly long: bigint;
  readonly real: number;
  readonly price: Decimal | string;
  readonly time: number;
  readonly raw: Uint8Array;
  readonly side: "buy" | "sell";
  readonly levels: readonly (Decimal | string)[];
  readonly tags: Readonly<Record<string, number | null>>;
  readonly inner: { readonly price: Decimal | string; readonly note?: string | undefined };
  readonly count?: number | undefined;
  readonly fee?: Decimal | string | undefined;
};

type WideKey = readonly [string, bigint, number, number];

const byName = defineTable({
  name: "byName",
  version: 1,
  key: string(),
  fields: { amount: integer() },
  checks: {
    typed: (row, key) => {
      expectTypeOf(row).toEqualTypeOf<{ readonly amount: number }>();
      expectTypeOf(key).toEqualTypeOf<string>();
      return true;
    },
  },
});

test("rows, inputs and keys are inferred from the schema", () => {
  expectTypeOf<RowOf<typeof wide>>().toEqualTypeOf<Wide>();
  expectTypeOf<InputOf<typeof wide>>().toEqualTypeOf<WideInput>();
  expectTypeOf<KeyOf<typeof wide>>().toEqualTypeOf<WideKey>();
  expectTypeOf<KeyOf<typeof byName>>().toEqualTypeOf<string>();
});

test("tables and transactions are typed by their definition", () => {
  const used = (store: Store, table: Table<WideKey, Wide, WideInput>, tx: Transaction): void => {
    expectTypeOf(store.table(wide)).toEqualTypeOf<Table<WideKey, Wide, WideInput>>();
    expectTypeOf(table.get).returns.toEqualTypeOf<Wide | undefined>();
    expectTypeOf(table.put).parameter(0).toEqualTypeOf<WideKey>();
    expectTypeOf(table.put).parameter(1).toEqualTypeOf<WideInput>();
    expectTypeOf(table.put).parameter(2).toEqualTypeOf<Annotation | undefined>();
    expectTypeOf(table.update).returns.toEqualTypeOf<Promise<Wide | undefined>>();
    expectTypeOf(table.entries()).toEqualTypeOf<IterableIterator<readonly [WideKey, Wide]>>();
    expectTypeOf(table.keys()).toEqualTypeOf<IterableIterator<WideKey>>();
    expectTypeOf(table.values()).toEqualTypeOf<IterableIterator<Wide>>();
    expectTypeOf(tx.get(byName, "a")).toEqualTypeOf<{ readonly amount: number } | undefined>();
    expectTypeOf(tx.keys(wide)).toEqualTypeOf<IterableIterator<WideKey>>();
    expectTypeOf(store.transact(() => 1)).toEqualTypeOf<Promise<number>>();
    expectTypeOf(store.transactSync(() => "x")).toEqualTypeOf<string>();
  };
  expectTypeOf(used).toBeFunction();
});

test("what is wrong does not compile", () => {
  const refused = (store: Store, tx: Transaction): void => {
    const table = store.table(byName);
    // @ts-expect-error a key of another type
    void table.get(1);
    // @ts-expect-error a field of another type
    void table.put("a", { amount: "1" });
    // @ts-expect-error a field is missing
    void table.put("a", {});
    // @ts-expect-error a field too many
    void table.put("a", { amount: 1, more: 2 });
    // @ts-expect-error a tuple that is too short
    store.table(wide).get(["a", 1n, 2]);
    // @ts-expect-error a bound of another type
    table.keys({ gte: 1 });
    // @ts-expect-error a key of another type
    tx.delete(byName, 1n);
    // @ts-expect-error rows are read only
    (table.get("a") as RowOf<typeof byName>).amount = 2;
    // @ts-expect-error an option that does not exist
    void open("x", { enviroment: "prod" });
    // @ts-expect-error a decimal is no number
    defineTable({ name: "d", version: 1, key: decimal(2), fields: { a: integer() } });
    // @ts-expect-error a default of another type
    withDefault(integer(), "0");
  };
  expectTypeOf(refused).toBeFunction();
  expectTypeOf(Decimal).not.toBeAny();
});
