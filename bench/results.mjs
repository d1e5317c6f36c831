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
  const text = readFileSync(document, "utf8");
  const [begin, end] = [`<!-- ${name}: begin -->`, `<!-- ${name}: end -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from)
    throw new Error(`${document} has no "${begin}" with "${end}" after it`);
  const before = text.slice(0, from + begin.length);
  writeFileSync(document, `${before}\n\n${markdown}\n\n${text.slice(to)}`);
}
