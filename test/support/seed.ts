/**
 * Seeds of random tests. What depends on its seed alone is the same in every run of `npm test`, so
 * that a change is judged by what it changed. `HOLDFAST_SEED=random`, as in
 * `npm run test:properties` and the nightly run, looks further; a number replays what a run has
 * printed.
 */

/** The seed of a run, or `fixed`. */
export function seedOfRun(fixed: number): number {
  const { HOLDFAST_SEED: text } = process.env;
  if (text === undefined || text === "") return fixed;
  if (text === "random") return Math.floor(Math.random() * 2 ** 31);
  const seed = Number(text);
  if (!Number.isSafeInteger(seed)) throw new Error(`HOLDFAST_SEED=${text} is not a number`);
  return seed;
}
