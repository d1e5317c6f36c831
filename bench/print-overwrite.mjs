// The overwrite bench for people, on a terminal and as Markdown:
// `node bench/print-overwrite.mjs RESULT.json [DOCUMENT.md]`.
import { judge, printOrInsert, verdictTable } from "./results.mjs";
import { chart, markdownTable, megabytes, number, textTable } from "./text.mjs";

/**
 * The directory has found its size within the first half, and does not outgrow it in the second: what
 * grew without end would be twice as large then.
 */
const GROWTH_MAX = 1.1;

function targetsOf({ course, tolerance }) {
  const largest = (list) => list.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const half = Math.floor(course.length / 2);
  const growth = largest(course.slice(half)) / largest(course.slice(0, half));
  const show = (value) => number(value, 2);
  const name = "largest size, second half of the overwrites / first half";
  return [judge({ name, value: growth, bound: GROWTH_MAX, show }, tolerance)];
}

function describe(result) {
  return {
    summary:
      `${number(result.count)} overwrites of ${number(result.keys)} keys, in groups of ` +
      `${result.group}, in ${number(result.seconds, 1)} s: ${result.flushes} runs made, ` +
      `${result.merges} merges, ${result.runs} runs at the end. Size of the directory meanwhile:`,
    chart: chart(
      result.course.map(({ bytes }) => bytes),
      { label: megabytes },
    ),
    sizes: [
      ["directory", "bytes"],
      ["largest", megabytes(result.largestBytes)],
      ["when the last overwrite was durable", megabytes(result.course.at(-1).bytes)],
      ["when the background had nothing left to do", megabytes(result.idleBytes)],
      ["closed", megabytes(result.closedBytes)],
      ["records written meanwhile", megabytes(result.recordBytes)],
    ],
    verdicts: targetsOf(result),
  };
}

/** Prints a result; how many targets are missed by more than the tolerance. */
export function printOverwrite(result) {
  const { summary, chart: drawn, sizes, verdicts } = describe(result);
  console.log([summary, drawn, textTable(sizes), textTable(verdictTable(verdicts))].join("\n\n"));
  return verdicts.filter(({ missed }) => missed).length;
}

export function overwriteAsMarkdown(result) {
  const { summary, chart: drawn, sizes, verdicts } = describe(result);
  const fenced = ["```text", drawn, "```"].join("\n");
  return [summary, fenced, markdownTable(sizes), markdownTable(verdictTable(verdicts))].join(
    "\n\n",
  );
}

printOrInsert(import.meta.url, "overwrite", overwriteAsMarkdown);
