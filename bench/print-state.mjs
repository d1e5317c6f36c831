// The state bench for people: as tables on a terminal, and as Markdown for docs/benchmarks.md.
// `node bench/print-state.mjs RESULT.json [DOCUMENT.md]` prints a result as Markdown, or puts it between
// the markers of the document.
import { judge, printOrInsert, verdictTable } from "./results.mjs";
import { describeRun, SECTIONS } from "./state/sections.mjs";
import { markdownTable, textTable } from "./text.mjs";

/** What there is to tell, with the verdict on each figure that has a target. */
function describe(result) {
  const { parts, load, settings } = result;
  const sections = Object.keys(SECTIONS)
    .filter((name) => parts[name] !== undefined)
    .map((name) => SECTIONS[name](parts[name], load));
  return [describeRun(result), ...sections].map((section) => ({
    ...section,
    verdicts: section.targets.map((target) => judge(target, settings.tolerance)),
  }));
}

function asText({ title, notes, tables, verdicts }) {
  const all = verdicts.length === 0 ? tables : [...tables, verdictTable(verdicts)];
  return [`== ${title}`, ...notes, ...all.map(textTable)].join("\n\n");
}

function asMarkdown({ title, notes, tables, verdicts }) {
  const all = verdicts.length === 0 ? tables : [...tables, verdictTable(verdicts)];
  return [`### ${title}`, ...notes, ...all.map(markdownTable)].join("\n\n");
}

/** Prints a result; how many targets are missed by more than the tolerance. */
export function printState(result) {
  const sections = describe(result);
  console.log(`${sections.map(asText).join("\n\n")}\n`);
  const verdicts = sections.flatMap((section) => section.verdicts);
  const missed = verdicts.filter((one) => one.missed).length;
  const near = verdicts.filter((one) => one.verdict !== "met" && !one.missed).length;
  const { tolerance } = result.settings;
  console.log(
    `${verdicts.length} targets: ${verdicts.length - missed - near} met, ${near} not met within ` +
      `${tolerance} %, ${missed} not met by more`,
  );
  return missed;
}

export const stateAsMarkdown = (result) => describe(result).map(asMarkdown).join("\n\n");

printOrInsert(import.meta.url, "state", stateAsMarkdown);
