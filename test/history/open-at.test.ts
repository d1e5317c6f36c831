/** `open` with `at`: by name, by sequence and by time, beside the writer and changing nothing. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { defineTable, integer, open } from "../../src/index.js";

const rows = defineTable({
  name: "rows",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});

test("a state of the past is opened by its sequence, its time, or the name of a snapshot", async () => {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-open-at-"));
  try {
    const tables = [rows];
    const store = await open(directory, { tables, history: "all", sealDelayMicros: 1000 });
    for (let i = 1; i <= 5; i++) await store.table(rows).put(i, { value: i });
    await store.snapshot("here");
    let timeMicros = 0;
    for await (const fourth of store.transactions({ gte: 4, lte: 4 }))
      timeMicros = fourth.timeMicros;
    // So that all of it is told to be durable to those who look on.
    await store.flush();
    const named = await open(directory, { tables, at: "here" });
    expect(named.snapshot).toMatchObject({ name: "here", sequence: 6 });
    const numbered = await open(directory, { tables, at: 4 });
    expect([...numbered.table(rows).keys()]).toEqual([1, 2, 3]);
    const timed = await open(directory, { tables, at: { time: timeMicros } });
    expect(timed.sequence).toBeGreaterThanOrEqual(4);
    const empty = await open(directory, { tables, at: 0 });
    expect(empty.table(rows).count()).toBe(0);
    for (const state of [named, numbered, timed, empty]) await state.close();
    await expect(open(directory, { tables, at: 1_000 })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(open(directory, { tables, at: -1 })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
    });
    await expect(open(directory, { tables, at: 4, environment: "other" })).rejects.toMatchObject({
      code: "WRONG_ENVIRONMENT",
    });
    await store.table(rows).put(6, { value: 6 });
    await store.close();
  } finally {
    await rm(directory, { recursive: true });
  }
});
