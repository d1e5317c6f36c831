/** Options for a range of transactions. */
import { type Command, InvalidArgumentError } from "commander";
import { HoldfastError } from "../base/errors.js";
import type { HistoryRange, Moment } from "../index.js";
import { pointOf } from "./history-text.js";

export interface RangeFlags {
  readonly from?: Moment;
  readonly to?: Moment;
  readonly limit?: number;
  readonly json?: boolean;
}

export function withRange(command: Command): Command {
  return command
    .option("--from <moment>", "begin with this sequence or time", momentOf)
    .option("--to <moment>", "end with this sequence or time", momentOf)
    .option("--limit <count>", "print at most so many", countOf)
    .option("--json", "one JSON object a line");
}

export function boundsOf({ from, to, limit }: RangeFlags): HistoryRange {
  return {
    ...(from !== undefined && { gte: from }),
    ...(to !== undefined && { lte: to }),
    ...(limit !== undefined && { limit }),
  };
}

export function momentOf(text: string): Moment {
  try {
    const point = pointOf(text);
    if (typeof point !== "string") return point;
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
  }
  throw new InvalidArgumentError("It must be a sequence or a time.");
}

export function countOf(text: string): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("It must be a whole number.");
}
