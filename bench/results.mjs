// Where results are kept, and how they are held against their targets.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

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

/** Figures with their targets, as the rows of a table. */
export function verdictTable(verdicts) {
  const rows = verdicts.map((one) => [one.name, one.measured, one.target, one.verdict]);
  return [["figure", "measured", "target", ""], ...rows];
}

/**
 * If the module at `url` is the program that runs: prints a result, `RESULT.json`, as Markdown, or puts
 * it between the markers that the document has for `name`.
 */
export function printOrInsert(url, name, asMarkdown) {
  if (url !== pathToFileURL(process.argv[1]).href) return;
  const [resultFile, document] = process.argv.slice(2);
  const markdown = asMarkdown(JSON.parse(readFileSync(resultFile, "utf8")));
  if (document === undefined) {
    console.log(markdown);
    return;
  }
  const text = replaceBlock(readFileSync(document, "utf8"), name, markdown);
  if (text === undefined) throw new Error(`${document} has no markers of "${name}"`);
  writeFileSync(document, text);
}

/** The text with `markdown` between the markers of `name`; undefined if it has none. */
export function replaceBlock(text, name, markdown) {
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) return undefined;
  return `${text.slice(0, from + begin.length)}\n\n${markdown}\n\n${text.slice(to)}`;
}
