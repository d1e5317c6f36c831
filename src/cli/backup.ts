/** `holdfast backup`: makes backups of a store, lists them, and verifies them by restoring them. */
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { HoldfastError } from "../base/errors.js";
import {
  type BackupInfo,
  type BackupProgress,
  backupStore,
  listBackups,
  verifyBackup,
} from "../index.js";
import {
  EXIT_DAMAGED,
  EXIT_SOUND,
  formatBytes,
  formatNumber,
  formatPairs,
  formatTable,
  formatTime,
  write,
  writeLine,
} from "./output.js";
import { ProgressLine } from "./progress.js";

interface Flags {
  readonly list?: boolean;
  readonly verify?: boolean;
  readonly unverified?: boolean;
  readonly keepForDays: number;
  readonly bytesPerSecond?: number;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerBackup(program: Command): void {
  program
    .command("backup")
    .summary("make backups of a store, list them, verify them")
    .description(
      "Makes a backup of what a store holds, with its history, in a directory for the backups\n" +
        "of that store. Only files that the backup before does not have are copied. It is\n" +
        "restored within that directory and compared with the store before it counts. Works\n" +
        "beside whoever writes the store, and changes nothing in it. `holdfast restore` makes a\n" +
        "store of a backup. Exit codes: 0 done, 1 failed or damaged, 2 could not look.",
    )
    .argument("<dir>", "directory of the store; with --list and --verify, that of the backups")
    .argument("[to]", "directory for its backups; with --verify, the name of one of them")
    .option("--list", "list the backups there are")
    .option("--verify", "read a backup through, restore it and compare (default: the newest one)")
    .option("--unverified", "do not restore and compare what was made")
    .option("--keep-for-days <n>", "remove older backups afterwards", days, 30)
    .option("--bytes-per-second <n>", "read and write no more than that (default: no limit)", rate)
    .option("--json", "one JSON object")
    .action(async (directory: string, second: string | undefined, flags: Flags) => {
      if (flags.list === true && flags.verify === true) {
        throw new HoldfastError("INVALID_ARGUMENT", "give --list or --verify, not both");
      }
      const progress = new ProgressLine();
      try {
        if (flags.list === true) await list(directory, flags);
        else if (flags.verify === true) await verify(directory, second, flags, progress);
        else await make(directory, second, flags, progress);
      } finally {
        progress.clear();
      }
    });
}

function days(text: string): number {
  if (/^[1-9][0-9]{0,4}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("a whole number of days is asked for");
}

function rate(text: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(text)) return Number(text);
  throw new InvalidArgumentError("a whole number of bytes is asked for");
}

function optionsFor({ bytesPerSecond }: Flags, progress: ProgressLine) {
  const onProgress = ({ bytesRead, bytesWritten }: BackupProgress) =>
    progress.show(() => `${formatBytes(bytesRead)} read, ${formatBytes(bytesWritten)} written`);
  return { onProgress, ...(bytesPerSecond !== undefined && { bytesPerSecond }) };
}

async function make(
  directory: string,
  to: string | undefined,
  flags: Flags,
  progress: ProgressLine,
): Promise<void> {
  if (to === undefined) {
    throw new HoldfastError("INVALID_ARGUMENT", "give the directory for the backups");
  }
  const { keepForDays, unverified = false } = flags;
  const options = { ...optionsFor(flags, progress), keepForDays, verify: !unverified };
  const made = await backupStore(directory, to, options);
  progress.clear();
  const { copiedFiles, copiedBytes, removed, notRemoved } = made;
  if (notRemoved !== undefined) process.exitCode = EXIT_DAMAGED;
  if (flags.json === true) {
    await writeLine(JSON.stringify(jsonOf(made)));
    return;
  }
  await write(
    formatPairs([
      ...pairsOf(made),
      ["copied", `${formatBytes(copiedBytes)} in ${formatNumber(copiedFiles)} files`],
      ...(removed.length === 0 ? [] : [["removed", removed.join(", ")] as const]),
      ...(notRemoved === undefined ? [] : [["not removed", notRemoved] as const]),
    ]),
  );
}

async function verify(
  place: string,
  name: string | undefined,
  flags: Flags,
  progress: ProgressLine,
): Promise<void> {
  const options = { ...optionsFor(flags, progress), ...(name !== undefined && { name }) };
  const verified = await verifyBackup(place, options);
  progress.clear();
  if (flags.json === true) await writeLine(JSON.stringify(jsonOf(verified)));
  else await write(formatPairs(pairsOf(verified)));
}

async function list(place: string, { json }: Flags): Promise<void> {
  const backups = await listBackups(place);
  process.exitCode = backups.some(({ damage }) => damage !== undefined) ? EXIT_DAMAGED : EXIT_SOUND;
  if (json === true) {
    await writeLine(JSON.stringify({ directory: resolve(place), backups: backups.map(jsonOf) }));
    return;
  }
  await write(backups.length === 0 ? "no backups\n" : formatBackups(backups));
}

function formatBackups(backups: readonly BackupInfo[]): string {
  const columns = [
    { title: "backup" },
    { title: "sequence", right: true },
    { title: "made" },
    { title: "verified" },
    { title: "files", right: true },
    { title: "size", right: true },
  ];
  const rows = backups.map((backup) => {
    const { name, damage, sequence, createdMicros, verifiedMicros, files, bytes } = backup;
    if (damage !== undefined) return [name, "", `damaged: ${damage}`];
    return [
      name,
      formatNumber(sequence),
      seconds(createdMicros),
      verifiedMicros === undefined ? "never" : seconds(verifiedMicros),
      formatNumber(files),
      formatBytes(bytes),
    ];
  });
  return formatTable(columns, rows);
}

function seconds(micros: number): string {
  return formatTime(micros).replace(/\.\d+Z$/, "Z");
}

/** A backup for people. */
export function pairsOf(backup: BackupInfo): (readonly [string, string])[] {
  const { directory, sequence, createdMicros, verifiedMicros, files, bytes } = backup;
  const verified =
    verifiedMicros === undefined
      ? "never"
      : `${formatTime(verifiedMicros)}: restored, and it holds the same`;
  return [
    ["backup", directory],
    ["made", `${formatTime(createdMicros)}, through transaction ${formatNumber(sequence)}`],
    ["verified", verified],
    ["size", `${formatBytes(bytes)} in ${formatNumber(files)} files`],
  ];
}

function jsonOf({ createdMicros, verifiedMicros, ...others }: BackupInfo): object {
  const verified = verifiedMicros === undefined ? null : formatTime(verifiedMicros);
  return { ...others, created: formatTime(createdMicros), verified };
}
