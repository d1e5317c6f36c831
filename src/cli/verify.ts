/** `holdfast verify`: is everything in a store as it was written? */
import { relative } from "node:path";
import type { Command } from "commander";
import type { Finding } from "./findings.js";
import {
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatBytes,
  formatNumber,
  formatRange,
  write,
  writeLine,
} from "./output.js";
import { type Progress, type Verification, verifyStore } from "./verify-store.js";

/** Adds the command to a program. */
export function registerVerify(program: Command): void {
  program
    .command("verify")
    .summary("check every checksum, chain and reference of a store")
    .description(
      "Checks a store from its first byte to its last: every checksum (by two\n" +
        "implementations), the chain of frames, sequences and times, every key and row\n" +
        "against its schema, every file the manifest names. Goes on behind damage and names\n" +
        "every place. Reads only; needs neither the application nor the lock. Exit codes:\n" +
        "0 sound, 1 damaged, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .option("--json", "one JSON object")
    .action(async (directory: string, flags: { readonly json?: boolean }) => {
      const progress = new ProgressLine();
      const result = await verifyStore(directory, (now) => progress.show(now)).finally(() =>
        progress.clear(),
      );
      if (flags.json) await writeLine(JSON.stringify(result));
      else await write(formatVerification(result));
      process.exitCode = result.verdict === "sound" ? EXIT_SOUND : EXIT_DAMAGED;
    });
}

const PROGRESS_MILLIS = 200;

/** One line that is written over, for people who wait; nothing where nobody looks on. */
class ProgressLine {
  #shownAt = performance.now();
  #isShown = false;

  show({ segment, segments, bytes }: Progress): void {
    if (!process.stderr.isTTY || performance.now() - this.#shownAt < PROGRESS_MILLIS) return;
    this.#shownAt = performance.now();
    this.#isShown = true;
    const text = `segment ${segment} of ${segments}, ${formatBytes(bytes)} checked`;
    process.stderr.write(`\r\x1b[K${text}`);
  }

  clear(): void {
    if (this.#isShown) process.stderr.write("\r\x1b[K");
    this.#isShown = false;
  }
}

function formatVerification(result: Verification): string {
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
  return `${severity}: ${name} at ${offset}: ${kind}: ${message}${concerned}`;
}

function summary(result: Verification): string[] {
  const { findings, directory, segments, frames, transactions, operations, bytes } = result;
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
  if (result.inUse) {
    lines.push("the store is in use: what was written since the check began is not in it");
  }
  return lines;
}

function counted(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? "" : "s"}`;
}
