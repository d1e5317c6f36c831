/** `holdfast restore`: a new store that holds what a snapshot holds. */
import { hostname } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { HoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import { type Restored, restoreSnapshot } from "../store/restore.js";
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
    .summary("make a new store of a snapshot")
    .description(
      "Makes a new store that holds what a snapshot of a store holds, with all rows in one\n" +
        "run and an id of its own; its next transaction is the one behind the snapshot's last.\n" +
        "Works beside whoever writes the store, and changes nothing in it. Everything that is\n" +
        "read is checked, and what was made is verified at the end. Exit codes: 0 done,\n" +
        "1 failed or damaged, 2 could not look.",
    )
    .argument("<dir>", "directory of the store that has the snapshot")
    .argument("<name>", "name of the snapshot")
    .argument("<to>", "directory of the new store: absent or empty")
    .option("--environment <name>", "environment of the new store (default: that of the old one)")
    .option("--no-verify", "do not verify the new store")
    .option("--json", "one JSON object")
    .action(async (directory: string, name: string, to: string, flags: Flags) => {
      const progress = new ProgressLine();
      const restored = await restore(directory, name, to, flags, progress).finally(() =>
        progress.clear(),
      );
      const verification = flags.verify
        ? await verify(to, progress).finally(() => progress.clear())
        : undefined;
      await print(resolve(to), restored, verification, flags);
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
