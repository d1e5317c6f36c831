import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { open } from "../../src/index.js";
import { items } from "../support/simulated-store.js";

const directory = mkdtempSync(join(tmpdir(), "holdfast-store-"));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test("no thread is started before its time, unless somebody waits for what it does", async () => {
  const store = await open(directory, {
    tables: [items],
    environment: "test",
    recoveryBudgetMillis: 1,
    bounds: { startDelayMillis: 3_600_000 },
    onWarning: () => {},
  });
  const text = "x".repeat(100);
  const puts = Array.from({ length: 2000 }, (_, i) =>
    store.table(items).put(i, { value: i, text }),
  );
  await Promise.all(puts);
  const { urgency, flushes, where } = store.stats().background;
  expect(where).toBe("thread");
  expect(urgency).toBeGreaterThan(1);
  expect(flushes).toMatchObject({ done: 0, running: false });
  await store.flush();
  expect(store.stats().background.flushes.done).toBeGreaterThan(0);
  await store.close();
});
