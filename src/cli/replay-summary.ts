/** The summary of a replay as a person reads it. */

import type { ReplayResult } from "../replay/replay.js";
import type { AccountSummary } from "../replay/summary.js";

type Line = readonly [label: string, text: string];

const LABEL_WIDTH = 14;

/** Lines of text, without a line end after the last. */
export function formatSummary(result: ReplayResult): string {
  const blocks = [tapeLines(result), accountLines(result.account), storeLines(result)];
  if (result.digest !== null) blocks.push([["digest", result.digest]]);
  return blocks
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.map(([label, text]) => `${label.padEnd(LABEL_WIDTH)}${text}`).join("\n"))
    .join("\n\n");
}

function tapeLines(result: ReplayResult): Line[] {
  const { events, resumedAtEvent, transactions, complete } = result;
  const end = complete ? "to its end" : "stopped before its end: run it again to go on";
  const from = resumedAtEvent === 0 ? "" : `, resumed after event ${whole(resumedAtEvent)}`;
  return [
    ["tape", `${result.symbol} (${result.format}), ${end}`],
    ["events", `${whole(events)} in all, ${whole(transactions)} in this run${from}`],
    [
      "speed",
      `${whole(result.transactionsPerSecond)} transactions a second over ${result.seconds} s`,
    ],
  ];
}

function accountLines(account: AccountSummary | null): Line[] {
  if (account === null) return [["account", "none: the tape has not shown a market yet"]];
  const money = (text: string) => `${amount(text)} ${account.settle}`;
  const average = account.averagePrice === null ? "" : ` at ${amount(account.averagePrice)}`;
  const mark = account.mark === null ? "" : `, marked at ${amount(account.mark)}`;
  const balances = Object.entries(account.balances);
  return [
    ["position", `${amount(account.position)}${average}${mark}`],
    [
      "P&L",
      `realised ${money(account.realised)}, open ${money(account.unrealised)}, ` +
        `fees ${money(account.fees)}`,
    ],
    ["equity", `${money(account.equity)}, largest drawdown ${percent(account.largestDrawdown)}`],
    ["balances", balances.map(([asset, total]) => `${amount(total)} ${asset}`).join(", ")],
    [
      "orders",
      `${whole(account.orders)} placed (${whole(account.openOrders)} open), ` +
        `${whole(account.amends)} amends, ${whole(account.cancels)} cancels, ` +
        `${whole(account.takes)} takes, ${whole(account.fills)} fills`,
    ],
    ["market", `${whole(account.bookLevels)} levels in the book, ${whole(account.trades)} trades`],
    ...(account.halted ? [["strategy", "halted: the largest drawdown was passed"] as const] : []),
  ];
}

function storeLines(result: ReplayResult): Line[] {
  const { count, p50, p99, p999, max } = result.latencyMicros;
  const { backend, method, reason } = result.disk;
  const waited = `${whole(count)} waited for: p50 ${p50}, p99 ${p99}, p99.9 ${p999}, max ${max} µs`;
  const factor = result.logicalBytes === 0 ? 0 : result.writtenBytes / result.logicalBytes;
  return [
    ["commits", count === 0 ? "none waited for" : waited],
    [
      "bytes",
      `${bytes(result.logicalBytes)} of records, ${bytes(result.writtenBytes)} written` +
        (factor === 0 ? "" : ` (${factor.toFixed(2)} times)`),
    ],
    ["recovery", recovery(result)],
    ["disk", `${backend}, ${method}${reason === undefined ? "" : ` (${reason})`}`],
  ];
}

function recovery(result: ReplayResult): string {
  if (result.recoveryMillis === 0) return `none: a new store, made in ${result.openMillis} ms`;
  const torn = result.tornBytes === 0 ? "" : `, ${bytes(result.tornBytes)} of a torn end set aside`;
  return `${result.recoveryMillis} ms, ${whole(result.transactionsRecovered)} transactions${torn}`;
}

/** A part as a percentage. */
function percent(part: string): string {
  return `${Number((Number(part) * 100).toFixed(4))} %`;
}

function whole(value: number): string {
  return value.toLocaleString("en-US");
}

function bytes(value: number): string {
  return value < 1_000_000 ? `${whole(value)} B` : `${(value / 1e6).toFixed(1)} MB`;
}

/** Decimal text without the zeros at its end, its whole part in groups. */
function amount(text: string): string {
  const plain = text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  return plain.replace(/\d+/, (digits) => digits.replace(/\B(?=(\d{3})+$)/g, ","));
}
