// Each part of the state bench as a section: what it is about, notes, tables, and figures that have a
// target. `bench/print-state.mjs` renders them.
import { megabytes, number } from "../text.mjs";
import { load, snapshot } from "./sections-delays.mjs";
import { memory, reads } from "./sections-reads.mjs";
import { recovery } from "./sections-recovery.mjs";
import { writes } from "./sections-writes.mjs";

/** Of each part, in order; given what it measured and the description of the load. */
export const SECTIONS = { snapshot, load, recovery, reads, memory, writes };

/** What was measured, and on what. */
export function describeRun({ machine, built, load }) {
  return {
    title: "The state",
    notes: [
      `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, Node.js ${machine.node}; ` +
        `load at the start ${number(machine.loadAtStart, 2)}; ${machine.date}.`,
      `${number(built.rows)} rows of ${built.rowBytes} bytes in four tables, put in ` +
        `${number(built.insertSeconds, 1)} s (${number(built.rows / built.insertSeconds)} rows/s), ` +
        `${number(built.seconds, 1)} s with all merges: ${built.runs} runs of ${megabytes(built.runBytes)}, ` +
        `${number((100 * built.runBytes) / (built.rows * built.rowBytes))} % of the rows' bytes.`,
      `The load: transactions of one put each, ${number(100 * load.hotPart)} % of them on ` +
        `${number(load.hotRows)} hot rows, spread over all keys, the rest on any row.`,
    ],
    tables: [],
    targets: [],
  };
}
