/** Recorded transactions, given once more to code: what comes out is held against the record. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import {
  Decimal,
  decimal,
  defineTable,
  int64,
  integer,
  open,
  openHistory,
  type RecordedTransaction,
  type ReplayOptions,
  type Store,
  string,
} from "../../src/index.js";
import { realDisks } from "../support/disks.js";

const accounts = defineTable({
  name: "accounts",
  version: 1,
  key: string(),
  fields: { balance: decimal(2), moves: int64() },
});
const orders = defineTable({
  name: "orders",
  version: 1,
  key: integer(),
  fields: { account: string(), amount: decimal(2) },
});

let parent: string;
let store: Store;
const disk = [...realDisks().values()].at(-1) as Disk;
const OPTIONS = { disk, tables: [accounts, orders], history: "all", writerId: "desk" } as const;

/** What the program does with an order; a later version may do otherwise. */
async function execute(on: Store, id: number, account: string, amount: string): Promise<void> {
  await on.transact((tx) => {
    tx.put(orders, id, { account, amount });
    tx.update(accounts, account, (row) => ({
      balance: row === undefined ? amount : row.balance.add(Decimal.of(amount)),
      moves: (row?.moves ?? 0n) + 1n,
    }));
  });
}

/** The order of a recorded transaction. */
function orderOf({ changes }: RecordedTransaction) {
  const change = changes.find(({ table }) => table === "orders");
  if (change?.after === undefined) throw new Error("a transaction without an order");
  return {
    id: change.key as number,
    account: String(change.after.account),
    amount: String(change.after.amount),
  };
}

async function faithful(transaction: RecordedTransaction, fork: Store): Promise<void> {
  const { id, account, amount } = orderOf(transaction);
  await execute(fork, id, account, amount);
}

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "holdfast-replay-"));
  store = await open(join(parent, "store"), OPTIONS);
  for (let id = 1; id <= 10; id++) {
    await execute(store, id, id % 2 === 0 ? "ann" : "bob", `${id}.50`);
  }
});
afterEach(async () => {
  await store.close();
  await rm(parent, { recursive: true });
});

function replay(options: Partial<ReplayOptions> = {}) {
  return store.replay({ from: 4, into: join(parent, "fork"), handler: faithful, ...options });
}

// The first transaction declares the tables; order n is transaction n + 1.
describe("a replay", () => {
  test("by the same code finds the same; the fork is then a store like any", async () => {
    const seen: number[] = [];
    const report = await replay({ onProgress: ({ sequence }) => void seen.push(sequence) });
    expect(report).toMatchObject({ from: 4, to: 11, transactions: 8, same: true });
    expect(report).toMatchObject({ first: undefined, differences: [], differencesFound: 0 });
    expect(report.tables).toEqual([
      { table: "orders", compared: 8, differences: 0, differentAtEnd: 0 },
      { table: "accounts", compared: 2, differences: 0, differentAtEnd: 0 },
    ]);
    expect(seen).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
    const fork = await open(report.directory, { disk, tables: [accounts, orders] });
    expect(fork.table(orders).count()).toBe(10);
    for (const [key, row] of store.table(accounts).entries()) {
      expect(fork.table(accounts).get(key)).toEqual(row);
    }
    await fork.close();
    expect(store.lastSequence).toBe(11);
  });

  test("tells the first difference, and counts all, where the code is another", async () => {
    const report = await replay({
      limit: 2,
      handler: async (transaction, fork) => {
        const { id, account, amount } = orderOf(transaction);
        // A new fee, for large orders only.
        await execute(fork, id, account, id > 6 ? "1.00" : amount);
      },
    });
    // Orders 7 to 10, and the accounts that they move.
    expect(report).toMatchObject({ same: false, differencesFound: 8 });
    expect(report.differences).toHaveLength(2);
    expect(report.first).toMatchObject({ sequence: 8, kind: "changed", table: "orders", key: 7 });
    expect(
      report.first?.fields?.map(({ field, before, after }) => [field, `${before}`, `${after}`]),
    ).toEqual([["amount", "7.50", "1.00"]]);
    expect(report.tables).toEqual([
      { table: "orders", compared: 8, differences: 4, differentAtEnd: 4 },
      { table: "accounts", compared: 2, differences: 4, differentAtEnd: 2 },
    ]);
    const json = JSON.parse(JSON.stringify(report));
    expect(json.differences[1].recorded).toEqual({ balance: "18.00", moves: "4" });
  });

  test("finds rows that are missing, that nobody recorded, and handlers that throw", async () => {
    const report = await replay({
      from: 9,
      handler: async (transaction, fork) => {
        const { id } = orderOf(transaction);
        if (id === 9) throw Object.assign(new Error("no price"), { code: "NO_PRICE" });
        await faithful(transaction, fork);
        await fork.table(accounts).put("fees", { balance: "0.01", moves: 1n });
      },
    });
    const found = report.differences.map(({ sequence, kind, table, key }) => {
      return [sequence, kind, table, key];
    });
    expect(found).toEqual([
      [9, "unexpected", "accounts", "fees"],
      [10, "failed", undefined, undefined],
      [10, "missing", "orders", 9],
      [10, "changed", "accounts", "bob"],
      [11, "unexpected", "accounts", "fees"],
    ]);
    expect(report.differences[1]?.error).toEqual({ code: "NO_PRICE", message: "no price" });
  });

  test("compared at the end only: what came right in the meantime is no difference", async () => {
    let held: RecordedTransaction | undefined;
    const late: ReplayOptions["handler"] = async (transaction, fork) => {
      if (held !== undefined) await faithful(held, fork);
      held = transaction.sequence === 11 ? undefined : transaction;
      if (held === undefined) await faithful(transaction, fork);
    };
    const report = await replay({ compare: "end", handler: late });
    expect(report).toMatchObject({ same: true, transactions: 8 });
    held = undefined;
    const each = await replay({ into: join(parent, "each"), handler: late });
    expect(each.same).toBe(false);
    expect(each.tables.every(({ differentAtEnd }) => differentAtEnd === 0)).toBe(true);
  });

  test("from the very first transaction, and by times; changes tell before and after", async () => {
    const seen: unknown[] = [];
    const report = await replay({
      from: { time: 0 },
      to: 3,
      handler: async (transaction, fork) => {
        seen.push(transaction.changes.map(({ before, after }) => [before, after]).length);
        if (transaction.changes.length > 0) await faithful(transaction, fork);
      },
    });
    expect(report).toMatchObject({ from: 1, to: 3, same: true });
    expect(seen).toEqual([0, 2, 2]);
  });

  test("from beside the writer, through tables of a newer version", async () => {
    const newer = defineTable({
      name: "accounts",
      version: 2,
      previous: accounts,
      key: string(),
      fields: { balance: decimal(4), moves: int64() },
    });
    const history = await openHistory(join(parent, "store"), { disk, tables: [accounts, orders] });
    await store.flush();
    const report = await history.replay({
      from: 4,
      to: 9,
      into: join(parent, "fork"),
      tables: [newer, orders],
      handler: async (transaction, fork) => {
        const { id, account, amount } = orderOf(transaction);
        await fork.transact((tx) => {
          tx.put(orders, id, { account, amount });
          tx.update(newer, account, (row) => {
            if (row === undefined) return { balance: amount, moves: 1n };
            return { balance: row.balance.add(Decimal.of(amount)), moves: row.moves + 1n };
          });
        });
      },
    });
    expect(report.differences).toEqual([]);
    expect(report.tables).toHaveLength(2);
    history.close();
  });

  test("can be ended, and the fork stays as it is then", async () => {
    const stop = new AbortController();
    const reason = new Error("enough");
    const replaying = replay({
      signal: stop.signal,
      handler: async (transaction, fork) => {
        await faithful(transaction, fork);
        if (transaction.sequence === 6) stop.abort(reason);
      },
    });
    await expect(replaying).rejects.toBe(reason);
    const fork = await open(join(parent, "fork"), { disk, tables: [accounts, orders] });
    expect(fork.table(orders).count()).toBe(5);
    await fork.close();
  });

  test("refuses a place that is not empty, and what means nothing; nothing is touched", async () => {
    const bad: Partial<ReplayOptions>[] = [
      { into: join(parent, "store") },
      { into: join(parent, "store", "within") },
      { into: "" },
      { handler: 1 as never },
      { limit: -1 },
      { compare: "now" as never },
      { from: "x" as never },
      { other: 1 } as never,
    ];
    for (const options of bad) {
      await expect(replay(options)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
    }
    await rm(join(parent, "fork"), { recursive: true, force: true });
    await execute(store, 11, "ann", "1.00");
  });
});
