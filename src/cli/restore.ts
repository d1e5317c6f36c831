/** `holdfast restore`: a new store that holds what a snapshot holds. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import { type RestoredBackup, restoreBackup } from "../index.js";
import { listOrUndefined } from "../recovery/files.js";
import { BACKUPS_RECORD_NAME } from "../store/backup-record.js";
import { type Restored, restoreSnapshot } from "../store/restore.js";
import { pairsOf } from "./backup.js";
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
import { readStore } from "./read-store.js";
import { formatVerification } from "./verify.js";
import { type Verification, verifyStore } from "./verify-store.js";

interface Flags {
  readonly environment?: string;
  /** False with --no-verify. */
  readonly verify: boolean;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerRestore(program: Command): void {
  program
    .command("restore")
    .summary("make a new store of a snapshot, or of a backup")
    .description(
      "Makes a new store that holds what a snapshot of a store holds, with all rows in one\n" +
        "run and an id of its own; its next transaction is the one behind the snapshot's last.\n" +
        "Works beside whoever writes the store, and changes nothing in it. Everything that is\n" +
        "read is checked, and what was made is verified at the end. Of a directory of backups,\n" +
        "it makes the store that was backed up, with its history. Exit codes: 0 done, 1 failed\n" +
        "or damaged, 2 could not look.",
    )
    .argument("<dir>", "directory of the store that has the snapshot, or of the backups")
    .argument("<name>", 'name of the snapshot, or of the backup; "newest" is the newest backup')
    .argument("<to>", "directory of the new store: absent or empty")
    .option("--environment <name>", "environment of the new store (default: that of the old one)")
    .option("--no-verify", "do not verify the new store")
    .option("--json", "one JSON object")
    .action(async (directory: string, name: string, to: string, flags: Flags) => {
      const progress = new ProgressLine();
      const making = (await hasBackups(directory))
        ? restoreOf(directory, name, to, flags, progress)
        : restore(directory, name, to, flags, progress);
      const restored = await making.finally(() => progress.clear());
      const verification = flags.verify
        ? await verify(to, progress).finally(() => progress.clear())
        : undefined;
      if ("backup" in restored) await printBackup(restored, verification, flags);
      else await print(resolve(to), restored, verification, flags);
      const isDamaged = verification?.verdict === "damaged";
      process.exitCode = isDamaged ? EXIT_DAMAGED : EXIT_SOUND;
    });
}

async function restore(
  directory: string,
  name: string,
  to: string,
  { environment }: Flags,
  progress: ProgressLine,
): Promise<Restored> {
  if (environment === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "an environment has a name");
  }
  const store = await readStore(directory);
  const { manifest } = store;
  if (manifest === undefined) {
    const message = `neither manifest of ${store.directory} can be read`;
    throw new HoldfastError("CORRUPT_MANIFEST", message, { file: store.directory });
  }
  return restoreSnapshot({
    disk: chooseDisk("auto", () => {}),
    directory: store.directory,
    manifest,
    name,
    to: resolve(to),
    writerId: process.env.HOLDFAST_WRITER_ID || hostname(),
    environment,
    onProgress: ({ rows, rowsMax }) =>
      progress.show(() => `restored ${formatNumber(rows)} of ${formatNumber(rowsMax)} rows`),
  });
}

async function hasBackups(directory: string): Promise<boolean> {
  const names = await listOrUndefined(
    chooseDisk("auto", () => {}),
    resolve(directory),
  );
  return names?.includes(BACKUPS_RECORD_NAME) === true;
}

function restoreOf(
  directory: string,
  name: string,
  to: string,
  { environment }: Flags,
  progress: ProgressLine,
): Promise<RestoredBackup> {
  return restoreBackup(directory, to, {
    ...(name !== "newest" && { name }),
    ...(environment !== undefined && { environment }),
    onProgress: ({ bytesWritten }) => progress.show(() => `restored ${formatBytes(bytesWritten)}`),
  });
}

async function printBackup(
  { backup, ...made }: RestoredBackup,
  verification: Verification | undefined,
  { json }: Flags,
): Promise<void> {
  const { directory, storeId, environment } = made;
  if (json === true) {
    const { name, sequence, createdMicros } = backup;
    const of = { name, sequence, created: formatTime(createdMicros) };
    const result = { directory, storeId, environment, backup: of, verification };
    await writeLine(JSON.stringify({ ...result, verification: verification ?? null }));
    return;
  }
  await write(
    formatPairs([
      ["store", directory],
      ["store id", storeId],
      ["environment", environment],
      ...pairsOf(backup),
    ]),
  );
  if (verification !== undefined) await write(`\n${formatVerification(verification)}`);
}

function verify(to: string, progress: ProgressLine): Promise<Verification> {
  return verifyStore(to, ({ bytes }) => progress.show(() => `${formatBytes(bytes)} verified`));
}

async function print(
  to: string,
  restored: Restored,
  verification: Verification | undefined,
  { json }: Flags,
): Promise<void> {
  const { snapshot, storeId, environment, rows, files, bytes, tables } = restored;
  const { name, sequence, createdMicros } = snapshot;
  const created = formatTime(createdMicros);
  if (json === true) {
    const result = {
      directory: to,
      storeId,
      environment,
      snapshot: { name, sequence, created },
      rows,
      files,
      bytes,
      tables,
      verification: verification ?? null,
    };
    await writeLine(JSON.stringify(result));
    return;
  }
  await write(
    formatPairs([
      ["store", to],
      ["store id", storeId],
      ["environment", environment],
      ["snapshot", `"${name}" of ${created}, through transaction ${sequence}`],
      ["rows", `${formatNumber(rows)} in ${files === 1 ? "1 file" : `${files} files`}`],
      ["size", formatBytes(bytes)],
    ]),
  );
  const columns = [{ title: "table" }, { title: "rows", right: true }];
  if (tables.length > 0) {
    const lines = tables.map((table) => [table.name, formatNumber(table.rows)]);
    await write(`\n${formatTable(columns, lines)}`);
  }
  if (verification !== undefined) await write(`\n${formatVerification(verification)}`);
}
