/** Tables of the tests: one of each tier, one of each kind of key. */
import {
  bytes,
  defineTable,
  int64,
  integer,
  list,
  map,
  nullable,
  record,
  string,
  withDefault,
} from "../../src/index.js";

export const orders = defineTable({
  name: "orders",
  version: 1,
  key: integer(),
  fields: { amount: integer(), note: withDefault(string(), "") },
});

export const accounts = defineTable({
  name: "accounts",
  version: 1,
  key: string(),
  fields: { balance: integer() },
});

export const events = defineTable({
  name: "events",
  version: 1,
  tier: "important",
  key: int64(),
  fields: { text: string() },
});

export const quotes = defineTable({
  name: "quotes",
  version: 1,
  tier: "cached",
  key: [string(), integer()],
  fields: { price: integer() },
});

/** Rows with everything that could be shared with a caller by mistake. */
export const nested = defineTable({
  name: "nested",
  version: 1,
  key: string(),
  fields: {
    raw: bytes(),
    numbers: list(integer()),
    blobs: list(bytes()),
    tags: map(string()),
    inner: record({ values: list(string()), blob: nullable(bytes()) }),
  },
});

export const tables = [orders, accounts, events, quotes, nested] as const;
