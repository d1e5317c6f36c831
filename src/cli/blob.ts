/** `holdfast blob`: files into the blobs of a store, and out of it. */
import { createReadStream } from "node:fs";
import { open as openFile, rename, rm } from "node:fs/promises";
import { resolve } from "node:path";
import { type Command, InvalidArgumentError } from "commander";
import { HoldfastError } from "../base/errors.js";
import type { BlobVersion } from "../blobs/versions.js";
import { chooseDisk } from "../disk/choose.js";
import { openHistory, type ReadBlobs } from "../index.js";
import { toOptions } from "../store/options.js";
import { openNewest } from "../store/read-only.js";
import { pointOf } from "./history-text.js";
import { withStore } from "./open-store.js";
import { formatBytes, formatTable, formatTime, write, writeLine } from "./output.js";

/** A suffix that says what a file is. */
const SAFETENSORS = ".safetensors";

const READ_BYTES = 1024 * 1024;

interface PutFlags {
  readonly tag?: readonly string[];
  readonly base?: number | false;
  readonly bytes?: boolean;
  readonly json?: boolean;
}

interface ReadFlags {
  readonly number?: number;
  readonly at?: string;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerBlob(program: Command): void {
  const blob = program
    .command("blob")
    .summary("put, get, list or drop blobs: models and other large files")
    .description(
      "Blobs are what is too large for a row: versions of a file, each durable, of which only\n" +
        "what differs is stored. list and get only read; put and drop need the lock.\n" +
        "Exit codes: 0 done, 1 failed, 2 could not look.",
    );
  blob
    .command("put")
    .summary("store a file as a new version of a blob")
    .argument("<dir>", "directory of the store")
    .argument("<name>", "name of the blob")
    .argument("<file>", `the file; *${SAFETENSORS} is checked, and kept tensor by tensor`)
    .option("--tag <name=value...>", "texts to find it by")
    .option("--base <version>", "the version it is much like, or none (default: newest)", baseOf)
    .option("--bytes", `take a *${SAFETENSORS} for any other file`)
    .option("--json", "one JSON object")
    .action(putFile);
  blob
    .command("get")
    .summary("write a version of a blob to a file")
    .argument("<dir>", "directory of the store")
    .argument("<name>", "name of the blob")
    .argument("[file]", "the file; default: standard output")
    .option("--number <version>", "which version (default: the newest)", versionOf)
    .option("--at <point>", "the blob as it was: a sequence, a time, or a snapshot")
    .action(getFile);
  blob
    .command("list")
    .summary("list the blobs of a store, or the versions of one")
    .argument("<dir>", "directory of the store")
    .argument("[name]", "name of the blob: all of its versions")
    .option("--at <point>", "the blobs as they were: a sequence, a time, or a snapshot")
    .option("--json", "one JSON object a line")
    .action(list);
  blob
    .command("drop")
    .summary("drop a version of a blob, or all of it")
    .argument("<dir>", "directory of the store")
    .argument("<name>", "name of the blob")
    .option("--number <version>", "which version (default: all of them)", versionOf)
    .option("--json", "one JSON object")
    .action(drop);
}

async function putFile(
  directory: string,
  name: string,
  file: string,
  { tag = [], base, bytes, json }: PutFlags,
): Promise<void> {
  const tags = Object.fromEntries(tag.map(tagOf));
  const isTensors = file.endsWith(SAFETENSORS) && bytes !== true;
  const put = (blobs: {
    put: (name: string, data: AsyncIterable<Uint8Array>, options: object) => Promise<BlobVersion>;
  }) =>
    blobs.put(name, createReadStream(file, { highWaterMark: READ_BYTES }), {
      tags,
      ...(isTensors && { format: "safetensors" }),
      ...(base !== undefined && { base }),
    });
  const made = await withStore(directory, [], ({ blobs }) => put(blobs), { blobs: true });
  if (json === true) return writeLine(JSON.stringify(shown(made)));
  const { version, length, storedBytes } = made;
  await writeLine(
    `${name} version ${version}: ${formatBytes(length)}, of which ${formatBytes(storedBytes)} ` +
      "were to be stored",
  );
}

async function getFile(
  directory: string,
  name: string,
  file: string | undefined,
  { number, at }: ReadFlags,
): Promise<void> {
  await withBlobs(directory, at, async (blobs) => {
    const pieces = blobs.stream(name, number === undefined ? {} : { version: number });
    if (pieces === undefined) throw notThere(directory, name, number);
    if (file === undefined) {
      for await (const piece of pieces) await writeBytes(piece);
    } else await writeFile(file, pieces);
  });
}

/** The file is there when all of it is on the disk, and not before. */
async function writeFile(file: string, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const part = `${file}.part`;
  const handle = await openFile(part, "wx");
  try {
    for await (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
  } catch (error) {
    await handle.close();
    await rm(part, { force: true });
    throw error;
  }
  await handle.close();
  await rename(part, file);
}

async function writeBytes(bytes: Uint8Array): Promise<void> {
  await new Promise<void>((done, fail) => {
    process.stdout.write(bytes, (error) => (error == null ? done() : fail(error)));
  });
}

async function list(
  directory: string,
  name: string | undefined,
  { at, json }: ReadFlags,
): Promise<void> {
  await withBlobs(directory, at, async (blobs) => {
    const found = name === undefined ? blobs.list() : blobs.versions(name);
    if (name !== undefined && found.length === 0) throw notThere(directory, name, undefined);
    if (json === true) {
      for (const one of found) await writeLine(JSON.stringify(shown(one)));
      return;
    }
    if (found.length === 0) return writeLine("there are no blobs");
    await write(tableOf(found));
  });
}

function tableOf(found: readonly BlobVersion[]): string {
  const columns = [
    { title: "blob" },
    { title: "version", right: true },
    { title: "size", right: true },
    { title: "stored", right: true },
    { title: "put" },
    { title: "pins", right: true },
    { title: "tags" },
  ];
  const rows = found.map((one) => [
    one.name,
    String(one.version),
    formatBytes(one.length),
    formatBytes(one.storedBytes),
    formatTime(one.createdMicros),
    String(one.pins),
    Object.entries(one.tags)
      .map(([tag, value]) => `${tag}=${value}`)
      .join(" "),
  ]);
  return formatTable(columns, rows);
}

async function drop(directory: string, name: string, { number, json }: ReadFlags): Promise<void> {
  const which = number === undefined ? {} : { version: number };
  const dropped = await withStore(
    directory,
    [],
    async ({ blobs }) => {
      const count = await blobs.drop(name, which);
      if (count === 0) throw notThere(directory, name, number);
      return count;
    },
    { blobs: true },
  );
  if (json === true) return writeLine(JSON.stringify({ name, dropped }));
  await writeLine(`${name}: ${dropped === 1 ? "1 version" : `${dropped} versions`} dropped`);
}

/** The blobs of a store of whatever environment, as they are or were; it is only looked at. */
async function withBlobs(
  directory: string,
  at: string | undefined,
  use: (blobs: ReadBlobs) => Promise<void>,
): Promise<void> {
  const options = { blobs: true, allowEnvironmentChange: true, onWarning: () => {} } as const;
  const state =
    at === undefined
      ? await openNewest(
          chooseDisk("auto", () => {}),
          resolve(directory),
          toOptions(options),
          false,
        )
      : await (await openHistory(directory, options)).at(pointOf(at));
  try {
    await use(state.blobs);
  } finally {
    await state.close();
  }
}

function notThere(directory: string, name: string, version: number | undefined): HoldfastError {
  const which = version === undefined ? "" : `, version ${version}`;
  const message = `${directory} has no blob ${JSON.stringify(name)}${which}`;
  return new HoldfastError("INVALID_ARGUMENT", message, { blob: name });
}

function shown({ createdMicros, ...version }: BlobVersion) {
  return { ...version, created: formatTime(createdMicros) };
}

function tagOf(text: string): [string, string] {
  const at = text.indexOf("=");
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)];
  throw new HoldfastError("INVALID_ARGUMENT", `a tag is name=value, got ${JSON.stringify(text)}`);
}

function versionOf(text: string): number {
  const version = Number(text);
  if (Number.isSafeInteger(version) && version > 0) return version;
  throw new InvalidArgumentError("It must be the number of a version.");
}

function baseOf(text: string): number | false {
  return text === "none" ? false : versionOf(text);
}
