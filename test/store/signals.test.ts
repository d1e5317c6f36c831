/** Stores that are told by the system to end close themselves first. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { defineTable, integer, open } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";

const CHILD = fileURLToPath(new URL("signals-child.mjs", import.meta.url));
const rows = defineTable({ name: "rows", version: 1, key: integer(), fields: { n: integer() } });

let directory: string;
beforeAll(ensureBuilt);
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "holdfast-signals-"));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

async function end(mode: string, signal: NodeJS.Signals) {
  const stdio = ["ignore", "pipe", "inherit"] as const;
  const child = spawn(process.execPath, [CHILD, directory, mode], { stdio: [...stdio] });
  await once(child.stdout, "data");
  child.kill(signal);
  const [code, by] = (await once(child, "exit")) as [number | null, NodeJS.Signals | null];
  return { code, by };
}

/** Closed, with a last run and a checkpoint: there is nothing to read back. */
async function isClosed(name: string): Promise<void> {
  const path = join(directory, name);
  const store = await open(path, { tables: [rows], environment: "test", finalSnapshotMillis: 0 });
  expect(store.recovery).toMatchObject({ transactionsReplayed: 0, tail: "end" });
  expect(store.table(rows).count()).toBe(20);
  expect(store.snapshots().map((one) => one.name)).toEqual(["checkpoint-21"]);
  await store.close();
}

test.each(["SIGTERM", "SIGINT"] as const)("%s: closed, and ended by it", async (signal) => {
  expect(await end("alone", signal)).toEqual({ code: null, by: signal });
  await isClosed("a");
  await isClosed("b");
});

test("a program that listens as well has the say how it ends", async () => {
  expect(await end("own", "SIGTERM")).toEqual({ code: 7, by: null });
  await isClosed("a");
});

test("stores that were closed listen no longer", async () => {
  expect(await end("closed", "SIGTERM")).toEqual({ code: null, by: "SIGTERM" });
});
