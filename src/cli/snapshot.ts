/** `holdfast snapshot`: keeps the state of a store under a name, lists what is kept, drops it. */
import type { Command } from "commander";
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Store } from "../index.js";
import { findSnapshot } from "../store/snapshots.js";
import { manifestOf, withStore as withStoreOf } from "./open-store.js";
import { formatBytes, formatNumber, formatTable, formatTime, write, writeLine } from "./output.js";
import { readStore } from "./read-store.js";
import { type SnapshotReport, snapshotsOf } from "./snapshot-report.js";

interface Flags {
  readonly list?: boolean;
  readonly drop?: string;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerSnapshot(program: Command): void {
  program
    .command("snapshot")
    .summary("keep the state of a store under a name")
    .description(
      "Keeps the state of a store, all of it, under a name; it takes no time to speak of, and\n" +
        "room only for what changes later. Writing one, and dropping one, needs the lock: a\n" +
        "program that has the store open calls `store.snapshot(name)` itself. --list needs no\n" +
        "lock. Exit codes: 0 done, 1 failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("[name]", "name of the snapshot to take")
    .option("--list", "list the snapshots there are")
    .option("--drop <name>", "forget a snapshot, and give back the room that only it needs")
    .option("--json", "one JSON object")
    .action(async (directory: string, name: string | undefined, flags: Flags) => {
      const asked = [name !== undefined, flags.list === true, flags.drop !== undefined];
      if (asked.filter(Boolean).length !== 1) {
        const message = "give the name of a snapshot to take, or --list, or --drop <name>";
        throw new HoldfastError("INVALID_ARGUMENT", message);
      }
      if (flags.list === true) await list(directory, flags);
      else if (flags.drop !== undefined) await drop(directory, flags.drop, flags);
      else await take(directory, name as string, flags);
    });
}

async function list(directory: string, { json }: Flags): Promise<void> {
  const store = await readStore(directory);
  const snapshots = snapshotsOf(manifestOf(store));
  if (json === true) {
    await writeLine(JSON.stringify({ directory: store.directory, snapshots }));
    return;
  }
  await write(snapshots.length === 0 ? "no snapshots\n" : formatSnapshots(snapshots));
}

/** The snapshots of a store, one line each. */
export function formatSnapshots(snapshots: readonly SnapshotReport[]): string {
  const columns = [
    { title: "snapshot" },
    { title: "sequence", right: true },
    { title: "taken" },
    { title: "runs", right: true },
    { title: "size", right: true },
    { title: "kept for it alone", right: true },
  ];
  const rows = snapshots.map((one) => [
    one.name,
    formatNumber(one.sequence),
    one.created.replace(/\.\d+Z$/, "Z"),
    String(one.runs),
    formatBytes(one.bytes),
    formatBytes(one.ownBytes),
  ]);
  return formatTable(columns, rows);
}

async function take(directory: string, name: string, { json }: Flags): Promise<void> {
  const made = await withStore(directory, (store) => store.snapshot(name));
  const { sequence, createdMicros } = made;
  const created = formatTime(createdMicros);
  if (json === true) await writeLine(JSON.stringify({ name, sequence, created }));
  else await writeLine(`snapshot "${name}" of everything through transaction ${sequence}`);
}

async function drop(directory: string, name: string, { json }: Flags): Promise<void> {
  const store = await readStore(directory);
  const manifest = manifestOf(store);
  findSnapshot(manifest, name);
  const freed = snapshotsOf(manifest).find((one) => one.name === name)?.ownBytes ?? 0;
  await withStore(directory, (opened) => opened.dropSnapshot(name));
  if (json === true) await writeLine(JSON.stringify({ dropped: name, bytes: freed }));
  else await writeLine(`dropped "${name}"; ${formatBytes(freed)} were kept for it alone`);
}

/** Opens the store without tables of this program's. */
async function withStore<T>(directory: string, use: (store: Store) => Promise<T>): Promise<T> {
  try {
    return await withStoreOf(directory, [], use);
  } catch (error) {
    throw isHoldfastError(error, "LOCKED") ? heldBy(error, directory) : error;
  }
}

function heldBy(error: HoldfastError, directory: string): HoldfastError {
  const { holder } = error.data;
  if (holder === undefined) return error;
  const message =
    `${directory} is open in process ${holder.pid} on ${holder.host} since ${holder.since}: only ` +
    "that process can take or drop a snapshot, with store.snapshot(name) and " +
    "store.dropSnapshot(name)";
  return new HoldfastError("LOCKED", message, error.data, error);
}
