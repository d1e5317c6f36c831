/** `holdfast verify`: is everything in a store as it was written? */
import { stat } from "node:fs/promises";
import { dirname, relative } from "node:path";
import type { Command } from "commander";
import type { Finding, KeyPlace, Loss } from "./findings.js";
import {
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatBytes,
  formatNumber,
  formatRange,
  write,
  writeLine,
} from "./output.js";
import { ProgressLine } from "./progress.js";
import { momentOf } from "./range-flags.js";
import { verifyFile } from "./verify-file.js";
import { asksForHistory, type HistoryFlags, verifyHistory } from "./verify-history.js";
import { type Progress, type Verification, verifyStore } from "./verify-store.js";

interface Flags extends HistoryFlags {
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerVerify(program: Command): void {
  program
    .command("verify")
    .summary("check every checksum, chain and reference of a store")
    .description(
      "Checks a store from its first byte to its last: every checksum, the chain of frames,\n" +
        "sequences and times, every key and row against its schema, in the log, in runs, those\n" +
        "of snapshots too, and in archives; every file the manifest names. Goes on behind\n" +
        "damage and names every place, what is lost with it, and whether it can be rebuilt.\n" +
        "With --from, --to or --head only the history is looked at: the hash that stands for\n" +
        "those transactions is printed, and compared with one that was kept elsewhere.\n" +
        "Reads only; needs neither the application nor the lock. Exit codes: 0 sound,\n" +
        "1 damaged or not what it was, 2 could not look.",
    )
    .argument("<dir>", "directory of the store, or one manifest, segment, run or archive of it")
    .option("--from <moment>", "hash the history from this sequence or time on", momentOf)
    .option("--to <moment>", "hash the history up to this sequence or time", momentOf)
    .option("--base <hash>", "the hash of what is before it, to go on from there")
    .option("--head <hash>", "the hash that it has to have")
    .option("--json", "one JSON object")
    .action(async (directory: string, flags: Flags) => {
      if (asksForHistory(flags)) return verifyHistory(directory, flags, flags.json === true);
      if ((await stat(directory)).isFile()) return verifyOne(directory, flags.json === true);
      const progress = new ProgressLine();
      const show = (now: Progress) => progress.show(() => progressText(now));
      const result = await verifyStore(directory, show).finally(() => progress.clear());
      if (flags.json) await writeLine(JSON.stringify(result));
      else await write(formatVerification(result));
      process.exitCode = result.verdict === "sound" ? EXIT_SOUND : EXIT_DAMAGED;
    });
}

async function verifyOne(file: string, json: boolean): Promise<void> {
  const result = await verifyFile(file);
  if (json) await writeLine(JSON.stringify(result));
  else {
    const directory = dirname(result.file);
    const lines = result.findings.map((finding) => formatFinding(finding, directory));
    const { kind, verdict, byManifest, transactions, rows } = result;
    const what = kind === "run" ? counted(rows, "row") : counted(transactions, "transaction");
    const how = byManifest ? "" : ", by what it says itself: no manifest knows it";
    const held = kind === "manifest" ? "" : ` with ${what}`;
    lines.push(
      `${result.file}: ${verdict === "sound" ? "sound" : "DAMAGED"}: ${kind}${held}${how}`,
    );
    await write(lines.map((line) => `${line}\n`).join(""));
  }
  process.exitCode = result.verdict === "sound" ? EXIT_SOUND : EXIT_DAMAGED;
}

function progressText({ what, index, count, bytes }: Progress): string {
  return `${what} ${index} of ${count}, ${formatBytes(bytes)} checked`;
}

/** Also for whoever has just made a store. */
export function formatVerification(result: Verification): string {
  const lines = result.findings.map((finding) => formatFinding(finding, result.directory));
  return [...lines, ...summary(result)].map((line) => `${line}\n`).join("");
}

/** `damage: 0000000000000001.log at 8192: ...` */
function formatFinding(finding: Finding, directory: string): string {
  const { severity, kind, file, offset, sequences, message } = finding;
  const noun = sequences?.first === sequences?.last ? "transaction" : "transactions";
  const concerned =
    sequences === null
      ? ""
      : `; ${noun} ${formatRange(sequences.first, sequences.last ?? undefined)}`;
  const name = relative(directory, file);
  const lost = finding.loss === undefined ? "" : lossText(finding.loss);
  return `${severity}: ${name} at ${offset}: ${kind}: ${message}${concerned}${lost}`;
}

/** What is lost, of whose state, and whether it can be had again. */
function lossText({ from, to, state, snapshots, canBeRebuilt }: Loss): string {
  const parts: string[] = [];
  if (from !== null && to !== null) parts.push(rangeText(from, to));
  else if (canBeRebuilt !== null) parts.push("no row is lost");
  const names = snapshots.map((name) => `snapshot "${name}"`);
  const whose = [...(state ? ["the state of the store"] : []), ...names];
  parts.push(whose.length === 0 ? "no state needs it" : `needed by ${whose.join(", ")}`);
  if (canBeRebuilt !== null) {
    const where = "the log, or archives, from its first transaction on";
    parts.push(canBeRebuilt ? `can be rebuilt: ${where} are there` : `${where} are gone`);
  }
  return parts.map((part) => `; ${part}`).join("");
}

function rangeText(from: KeyPlace, to: KeyPlace): string {
  const [first, last] = [JSON.stringify(from.key), JSON.stringify(to.key)];
  if (from.table !== to.table) {
    return `rows from key ${first} of table "${from.table}" to key ${last} of table "${to.table}"`;
  }
  const keys = first === last ? `key ${first}` : `keys ${first} to ${last}`;
  return `rows of table "${from.table}": ${keys}`;
}

function summary(result: Verification): string[] {
  const { findings, directory, segments, frames, transactions, operations, bytes } = result;
  const { runFiles, rows, archives, archivedTransactions, snapshots, packs, chunks } = result;
  const count = findings.filter(({ severity }) => severity === "damage").length;
  const places = count === 1 ? "1 place is" : `${formatNumber(count)} places are`;
  const verdict = count === 0 ? "sound" : `DAMAGED: ${places} not as written`;
  const lines = [
    `${directory}: ${verdict}`,
    `checked ${counted(segments, "segment")}, ${counted(frames, "frame")}, ` +
      `${counted(transactions, "transaction")}, ${counted(operations, "operation")}, ` +
      `${formatBytes(bytes)} in ${(result.millis / 1000).toFixed(1)} s ` +
      `(CRC32C: ${result.checksums.join(" and ")})`,
  ];
  if (runFiles > 0) lines.push(`runs: ${counted(runFiles, "file")} with ${counted(rows, "row")}`);
  if (archives > 0) {
    const inThem = counted(archivedTransactions, "transaction");
    lines.push(`history: ${counted(archives, "archive")} with ${inThem}`);
  }
  if (packs > 0) lines.push(`blobs: ${counted(packs, "pack")} with ${counted(chunks, "chunk")}`);
  if (snapshots > 0) lines.push(`snapshots: ${snapshots}`);
  if (result.inUse) {
    lines.push("the store is in use: what was written since the check began is not in it");
  }
  return lines;
}

function counted(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}
