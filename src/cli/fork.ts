/** `holdfast fork`: a new store that begins with what another one holds, and shares its files. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import { type ForkInfo, forkStore, pointOf } from "../store/fork.js";
import { EXIT_DAMAGED, EXIT_SOUND, formatBytes, formatPairs, write, writeLine } from "./output.js";
import { ProgressLine } from "./progress.js";
import { formatVerification } from "./verify.js";
import { type Verification, verifyStore } from "./verify-store.js";

interface Flags {
  readonly at?: string;
  readonly environment?: string;
  readonly verify?: boolean;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerFork(program: Command): void {
  program
    .command("fork")
    .summary("make a new store that begins with what a store holds")
    .description(
      "Makes a new, independent store of what a store holds now, or held when a snapshot was\n" +
        "taken. The files that never change are shared, by hard links where the file system has\n" +
        "them; the log behind them is copied. Works beside whoever writes the store, and\n" +
        "changes nothing in it, now or later. Exit codes: 0 done, 1 failed or damaged, 2 could\n" +
        "not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("<to>", "directory of the new store: absent or empty")
    .option("--at <name>", "as a named snapshot has it (default: as it is now)")
    .option("--environment <name>", "environment of the new store (default: that of the old one)")
    .option("--verify", "read and check all of the new store, the shared files too")
    .option("--json", "one JSON object")
    .action(async (directory: string, to: string, flags: Flags) => {
      const forked = await fork(directory, to, flags);
      const verification = flags.verify === true ? await verify(to) : undefined;
      await print(forked, verification, flags);
      process.exitCode = verification?.verdict === "damaged" ? EXIT_DAMAGED : EXIT_SOUND;
    });
}

function fork(directory: string, to: string, { at, environment }: Flags): Promise<ForkInfo> {
  if (environment === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "an environment has a name");
  }
  const disk = chooseDisk("auto", () => {});
  const place = {
    disk,
    directory: resolve(directory),
    to: resolve(to),
    writerId: process.env.HOLDFAST_WRITER_ID || hostname(),
    environment,
  };
  return forkStore(place, () => pointOf(disk, place.directory, at));
}

function verify(to: string): Promise<Verification> {
  const progress = new ProgressLine();
  const show = ({ bytes }: { readonly bytes: number }) =>
    progress.show(() => `${formatBytes(bytes)} verified`);
  return verifyStore(to, show).finally(() => progress.clear());
}

async function print(
  forked: ForkInfo,
  verification: Verification | undefined,
  { json }: Flags,
): Promise<void> {
  if (json === true) {
    await writeLine(JSON.stringify({ ...forked, verification: verification ?? null }));
    return;
  }
  const { directory, storeId, parentId, environment, sequence, files, copied } = forked;
  const how = copied === 0 ? "linked" : `${copied} of them copied, the others linked`;
  await write(
    formatPairs([
      ["store", directory],
      ["store id", storeId],
      ["forked from", `${parentId}, through transaction ${sequence}`],
      ["environment", environment],
      ["shared", `${formatBytes(forked.bytes)} in ${files} files, ${how}`],
      ["log", `${formatBytes(forked.logBytes)} copied`],
    ]),
  );
  if (verification !== undefined) await write(`\n${formatVerification(verification)}`);
}
