/** `holdfast verify --head`: is the history what it was when its hash was kept? */
import type { Moment } from "../index.js";
import { openPastOf } from "./history-text.js";
import { EXIT_DAMAGED, EXIT_SOUND, formatRange, writeLine } from "./output.js";

export interface HistoryFlags {
  readonly from?: Moment;
  readonly to?: Moment;
  readonly base?: string;
  readonly head?: string;
}

export function asksForHistory({ from, to, base, head }: HistoryFlags): boolean {
  return [from, to, base, head].some((flag) => flag !== undefined);
}

export async function verifyHistory(
  directory: string,
  { from, to, base, head: wanted }: HistoryFlags,
  json: boolean,
): Promise<void> {
  const history = await openPastOf(directory);
  const range = {
    ...(from !== undefined && { gte: from }),
    ...(to !== undefined && { lte: to }),
    ...(base !== undefined && { base }),
  };
  const found = await history.historyHead(range);
  const isSame = wanted === undefined ? undefined : wanted === found.head;
  if (json) await writeLine(JSON.stringify({ ...found, ...(isSame !== undefined && { isSame }) }));
  else {
    await writeLine(`transactions ${formatRange(found.from, found.to)}: ${found.head}`);
    if (isSame === true) await writeLine("the history is what it was");
    if (isSame === false) await writeLine(`NOT what it was: ${wanted}`);
  }
  process.exitCode = isSame === false ? EXIT_DAMAGED : EXIT_SOUND;
}
