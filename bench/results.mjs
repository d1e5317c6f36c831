// Where results are kept, and how they are held against their targets.
import { mkdirSync, writeFileSync } from "node:fs";

/** Writes the result under bench/results, and where the caller wants it besides. */
export function writeResult(name, result, extraFile) {
  mkdirSync("bench/results", { recursive: true });
  const stamp = result.machine.date.replace(/[:.]/g, "-");
  const file = `bench/results/${name}-${stamp}.json`;
  const text = JSON.stringify(result, null, 2);
  writeFileSync(file, text);
  if (extraFile !== undefined) writeFileSync(extraFile, text);
  console.error(`written to ${[file, extraFile].filter(Boolean).join(" and ")}`);
}

/**
 * A figure with its target: at most `bound`, or under it. `unit` is how it is shown. `verdict` is
 * "met", "not met", or "within tolerance" where it is missed by no more than `tolerance` percent of
 * the bound.
 */
export function judge({ name, value, bound, under = false, show }, tolerance) {
  const met = under ? value < bound : value <= bound;
  const near = value <= bound * (1 + tolerance / 100);
  return {
    name,
    measured: show(value),
    target: `${under ? "under" : "at most"} ${show(bound)}`,
    verdict: met ? "met" : near ? "NOT MET, within tolerance" : "NOT MET",
    missed: !met && !near,
  };
}
