/** `holdfast salvage`: everything of a damaged store that can be proved, as a new store. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import {
  describeError,
  EXIT_COULD_NOT_LOOK,
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatBytes,
  write,
  writeLine,
} from "./output.js";
import { ProgressLine } from "./progress.js";
import { formatSalvage, type SalvageReport } from "./salvage-report.js";
import { salvageStore } from "./salvage-store.js";
import { formatVerification } from "./verify.js";
import { type Verification, verifyStore } from "./verify-store.js";

interface Flags {
  readonly environment?: string;
  readonly allowOlder?: boolean;
  /** False with --no-verify. */
  readonly verify: boolean;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerSalvage(program: Command): void {
  program
    .command("salvage")
    .summary("make a new store of what a damaged one has left")
    .description(
      "Makes a new store of everything in a damaged one that can be proved: its state after\n" +
        "the last transaction before which none is missing, without the rows whose newest\n" +
        "version is lost. Never an older row in place of a lost one. What stands behind a gap\n" +
        "of the log, and older rows of lost ones, are written beside it, one JSON object a\n" +
        "line; salvage-report.json lists exactly what could not be had. Changes nothing in\n" +
        "the damaged store, which nobody may have open. Exit codes: 0 all of it was had,\n" +
        "1 something was not, 2 nothing was made.",
    )
    .argument("<dir>", "directory of the damaged store")
    .argument("<to>", "directory of the new store: absent or empty")
    .option("--environment <name>", "environment of the new store (default: that of the old one)")
    .option("--allow-older", "use rows that may not be the newest of their keys")
    .option("--no-verify", "do not verify the new store")
    .option("--json", "one JSON object")
    .action(async (directory: string, to: string, flags: Flags) => {
      const progress = new ProgressLine();
      try {
        const report = await salvage(directory, to, flags, progress);
        const verification = flags.verify ? await verify(to, progress) : undefined;
        progress.clear();
        await print(report, verification, flags);
        const isSound = verification === undefined || verification.verdict === "sound";
        process.exitCode = report.complete && isSound ? EXIT_SOUND : EXIT_DAMAGED;
      } catch (error) {
        progress.clear();
        process.stderr.write(`${describeError(error)}\n`);
        process.exitCode = EXIT_COULD_NOT_LOOK;
      }
    });
}

function salvage(
  directory: string,
  to: string,
  { environment, allowOlder }: Flags,
  progress: ProgressLine,
): Promise<SalvageReport> {
  if (environment === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "an environment has a name");
  }
  return salvageStore({
    directory,
    to: resolve(to),
    writerId: process.env.HOLDFAST_WRITER_ID || hostname(),
    environment,
    allowOlder,
    onProgress: (text) => progress.show(text),
  });
}

function verify(to: string, progress: ProgressLine): Promise<Verification> {
  return verifyStore(to, ({ bytes }) => progress.show(() => `${formatBytes(bytes)} verified`));
}

async function print(
  report: SalvageReport,
  verification: Verification | undefined,
  { json }: Flags,
): Promise<void> {
  if (json === true) {
    await writeLine(JSON.stringify({ ...report, verification: verification ?? null }));
    return;
  }
  await write(formatSalvage(report));
  if (verification !== undefined) await write(`\n${formatVerification(verification)}`);
}
