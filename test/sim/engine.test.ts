import { expect, test } from "vitest";
import { runSeed, SimulationFailure } from "./engine.js";

test("seeds", { timeout: 600_000 }, async () => {
  const only = process.env.HOLDFAST_SEED;
  if (only !== undefined) {
    console.log(await runSeed(Number(only), true));
    return;
  }
  const n = Number(process.env.HOLDFAST_SEEDS ?? 200);
  const start = Date.now();
  const totals: Record<string, number> = {};
  let ops = 0,
    failures = 0;
  const messages = new Map<string, string>();
  for (let seed = 1; seed <= n; seed++) {
    try {
      const r = await runSeed(seed);
      ops += r.operations;
      for (const [k, v] of Object.entries(r.counts)) totals[k] = (totals[k] ?? 0) + v;
    } catch (error) {
      failures++;
      const m = (error as Error).message.replace(/\d+/g, "#").slice(8, 110);
      if (!messages.has(m)) {
        messages.set(m, (error as Error).stack ?? "");
      }
    }
  }
  console.log(totals, ops, "failures", failures, "seeds/s", (n * 1000) / (Date.now() - start));
  for (const m of messages.values()) console.log(m.slice(0, 1200));
});
