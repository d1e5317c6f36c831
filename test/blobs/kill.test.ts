/** A process that puts, drops and collects is killed: what was acknowledged is there, and whole. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { defineTable, integer, string } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { openAt, place, same } from "./content.js";
import { contentOf } from "./kill-content.mjs";

const runs = defineTable({
  name: "runs",
  version: 1,
  key: string(),
  fields: { step: integer(), version: integer() },
});
const CHILD = fileURLToPath(new URL("kill-child.mjs", import.meta.url));

/** Lives until some steps were acknowledged, and a little longer; gives the last one. */
async function live(directory: string, steps: number, millis: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, directory], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let last = 0;
  let count = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    if (++count === steps) setTimeout(() => child.kill("SIGKILL"), millis);
  }
  if (child.signalCode === null && child.exitCode === null) await once(child, "exit");
  expect(child.signalCode).toBe("SIGKILL");
  return last;
}

test("killed at any moment", async () => {
  ensureBuilt();
  const directory = place();
  const lives = process.env.HOLDFAST_SWEEP === "all" ? 100 : 3;
  for (let i = 0; i < lives; i++) {
    const last = await live(directory, 1 + (i % 6), (i * 37) % 60);
    const store = await openAt(directory, { tables: [runs] });
    const row = store.table(runs).get("live");
    expect(row?.step).toBeGreaterThanOrEqual(last);
    const { step = 0, version = 0 } = row ?? {};
    expect(same(await store.blobs.get("m", { version }), contentOf(step))).toBe(true);
    expect(store.blobs.versions("m").map((one) => one.version)).toEqual([version]);
    await store.blobs.collect();
    const { packs } = store.blobs.stats();
    expect(readdirSync(directory).filter((name) => name.endsWith(".pack"))).toHaveLength(packs);
    await store.close();
  }
  expect(await verifyStore(directory)).toMatchObject({ verdict: "sound" });
});
