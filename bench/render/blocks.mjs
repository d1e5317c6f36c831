// What stands between the markers of a document: Markdown of the results, by the marker's name.
import { growthTables } from "../growth/table.mjs";
import { peersAsMarkdown, shortTable } from "../peers/print.mjs";
import { overwriteAsMarkdown } from "../print-overwrite.mjs";
import { stateAsMarkdown } from "../print-state.mjs";
import { promiseTable } from "../promises/table.mjs";
import { markdownTable, number } from "../text.mjs";

function machineLine({ machine, quick }) {
  return (
    `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node.js ${machine.node}; load at ` +
    `the start ${number(machine.loadAtStart, 2)}; ${machine.date}.` +
    (quick === true ? " A quick run: it shows that all works, and nothing else." : "")
  );
}

/** A picture, if there is one. `folder`: of the plots, seen from the document. */
const picture = (plots, folder, file, text) =>
  plots[file] === undefined ? [] : [`![${text}](${folder}/${file})`];

function peersBlock(result, plots, folder) {
  return [
    machineLine(result),
    peersAsMarkdown(result),
    ...picture(plots, folder, "latency-power.svg", "Latency of one put that survives power loss"),
    ...picture(plots, folder, "throughput-power.svg", "Puts a second by concurrent writers"),
    ...picture(plots, folder, "amplification.svg", "Bytes on the device for each byte of rows"),
    ...picture(plots, folder, "latency-kill.svg", "Latency of one put that survives kill -9"),
    ...picture(plots, folder, "throughput-kill.svg", "Puts a second that survive kill -9"),
  ].join("\n\n");
}

function peersShort(result, plots, folder) {
  return [
    `\`npm run bench -- peers\`, all with the same promise, verified by their system calls and by SIGKILL: ${machineLine(result)}`,
    markdownTable(shortTable(result.promises.power)),
    ...picture(plots, folder, "throughput-power.svg", "Puts a second by concurrent writers"),
  ].join("\n\n");
}

function promisesBlock(result, plots, folder) {
  const { table, missed } = promiseTable(result);
  return [
    `${machineLine(result)} ${table.length - 1} figures, ${missed} missed by more than their tolerance.`,
    markdownTable(table),
    ...picture(plots, folder, "recovery.svg", "Recovery against the size of the state"),
  ].join("\n\n");
}

function growthBlock(result, plots, folder) {
  const drivers = Object.entries(growthTables(result)).flatMap(([driver, table]) => [
    markdownTable(table),
    ...picture(plots, folder, `growth-${driver}.svg`, `What grows with ${table[0][0]}`),
  ]);
  return [machineLine(result), ...drivers].join("\n\n");
}

/** `{ marker: markdown }` for the results that are there. */
export function blocksOf({ peers, promises, growth, state, overwrite }, plots, folder) {
  return {
    ...(peers !== undefined && { peers: peersBlock(peers, plots, folder) }),
    ...(peers?.promises.power !== undefined && {
      "peers-short": peersShort(peers, plots, folder),
    }),
    ...(promises !== undefined && { promises: promisesBlock(promises, plots, folder) }),
    ...(growth !== undefined && { growth: growthBlock(growth, plots, folder) }),
    ...(state !== undefined && { state: stateAsMarkdown(state) }),
    ...(overwrite !== undefined && { overwrite: overwriteAsMarkdown(overwrite) }),
  };
}
