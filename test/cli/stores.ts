/** Stores for the tests of the command: whole ones, and the ways in which they are damaged. */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import {
  decimal,
  defineTable,
  enumeration,
  int64,
  nullable,
  open,
  string,
} from "../../src/index.js";

export const main = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const commandServer = fileURLToPath(new URL("./command-server.mjs", import.meta.url));
const writerChild = fileURLToPath(new URL("./writer-child.mjs", import.meta.url));

export interface Run {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The process that commands run in, one after another; started for the first one. */
let server: ChildProcess | undefined;
let last: Promise<unknown> = Promise.resolve();

/** Runs the command to its end. */
export function holdfast(...args: string[]): Promise<Run> {
  const run = last.then(() => ask(args));
  last = run.catch(() => {});
  return run;
}

/** The lines of a command that succeeds with --json. */
export async function jsonLines(...args: string[]): Promise<Record<string, unknown>[]> {
  const { code, stdout, stderr } = await holdfast(...args, "--json");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

function ask(args: readonly string[]): Promise<Run> {
  server ??= startServer();
  const asked = server;
  return new Promise((resolve, reject) => {
    const ended = (code: number | null, signal: string | null): void => {
      server = undefined;
      reject(new Error(`holdfast ${args.join(" ")} ended its process: ${code ?? signal}`));
    };
    asked.once("exit", ended);
    asked.once("message", (run) => {
      asked.off("exit", ended);
      resolve(run as Run);
    });
    asked.send({ args });
  });
}

function startServer(): ChildProcess {
  const child = fork(commandServer, [main], { stdio: ["ignore", "inherit", "inherit", "ipc"] });
  // It ends with the channel; until then it does not keep a test's process alive.
  child.unref();
  child.channel?.unref();
  return child;
}

export const positions = defineTable({
  name: "positions",
  version: 1,
  tier: "critical",
  key: string(),
  fields: {
    symbol: string(),
    quantity: decimal(8),
    side: enumeration(["long", "short"]),
    note: nullable(string()),
  },
});

export const balances = defineTable({
  name: "balances",
  version: 1,
  tier: "important",
  key: [string(), int64()],
  fields: { amount: int64() },
});

/** No runs: the whole store is in its log. */
export const LOG_ONLY = { finalSnapshotMillis: 0, recoveryBudgetMillis: 60_000 } as const;

/** Transactions of the store that `makeStore` makes: declaring the two tables is the first one. */
export const TRANSACTIONS = 61;

/** A closed store of four sealed segments, an active and a spare one. */
export async function makeStore(directory: string): Promise<void> {
  await writeMore(directory, TRANSACTIONS - 1);
}

/** Opens the store, writes so many transactions of two rows, and closes it. */
export async function writeMore(directory: string, transactions: number): Promise<void> {
  const store = await open(directory, {
    tables: [positions, balances],
    environment: "test",
    writerId: "tester",
    segmentBytes: 64 * 1024,
    ...LOG_ONLY,
  });
  for (let i = 0; i < transactions; i++) {
    await store.transact((tx) => {
      const row = { symbol: "BTC", quantity: `${i}.25`, side: "long", note: null } as const;
      tx.put(positions, `P${i % 20}`, row);
      tx.put(balances, ["main", BigInt(i)], { amount: BigInt(i) * 1_000_000_000_000n });
    });
  }
  await store.close();
}

/** Makes one store and gives copies of it; all are removed at the end. */
export class Stores {
  #root = "";
  #count = 0;

  async begin(): Promise<void> {
    this.#root = await mkdtemp(join(tmpdir(), "holdfast-cli-"));
    await makeStore(join(this.#root, "original"));
  }

  async end(): Promise<void> {
    await rm(this.#root, { recursive: true, force: true });
  }

  /** A name in a directory of its own, where nothing is yet. */
  path(): string {
    return join(this.#root, `store-${++this.#count}`);
  }

  async copy(): Promise<string> {
    const path = this.path();
    await cp(join(this.#root, "original"), path, { recursive: true });
    return path;
  }
}

export function segmentPath(directory: string, id: number): string {
  return join(directory, `${String(id).padStart(16, "0")}.log`);
}

/** Turns one bit around. */
export function flipBit(path: string, offset: number): void {
  const bytes = readFileSync(path);
  bytes[offset] = (bytes[offset] as number) ^ 0x10;
  writeFileSync(path, bytes);
}

export function overwrite(path: string, offset: number, content: Uint8Array): void {
  const bytes = readFileSync(path);
  bytes.set(content, offset);
  writeFileSync(path, bytes);
}

/** Names and contents of a directory as one hash. */
export function hashOf(directory: string): string {
  const hash = createHash("sha256");
  for (const name of readdirSync(directory).sort()) {
    hash.update(`${name}\n`).update(readFileSync(join(directory, name)));
  }
  return hash.digest("hex");
}

/** A writer that has nothing to do still seals its log and prepares a segment. */
export async function untilQuiet(directory: string): Promise<void> {
  for (let before = ""; ; ) {
    const now = hashOf(directory);
    if (now === before) return;
    before = now;
    await sleep(300);
  }
}

/** Another process that has the store; it is killed at the end. */
export async function withWriter(
  directory: string,
  what: "hold" | "write",
  use: (child: ChildProcess) => Promise<void>,
): Promise<void> {
  const child = spawn(process.execPath, [writerChild, directory, what], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  try {
    await new Promise<void>((resolve, reject) => {
      child.stdout?.once("data", () => resolve());
      child.once("exit", (code) => reject(new Error(`the writer ended with ${code}`)));
    });
    await use(child);
  } finally {
    child.kill("SIGKILL");
    await ended;
  }
}

export interface LogEntry {
  readonly sequence: number;
  readonly time: string;
  readonly writer: string;
  readonly file: string;
  readonly offset: number;
  readonly operations: readonly {
    readonly operation: string;
    readonly table: string;
    readonly key?: unknown;
    readonly row?: unknown;
  }[];
}

export interface GapLine {
  readonly gap: {
    readonly file: string;
    readonly offset: number;
    readonly resumesAt?: { readonly file: string; readonly offset: number };
    readonly sequence: number;
    readonly lastSequence?: number;
  };
}

/** The lines of `log --json`: every one must be an object. */
export function parseLog(stdout: string): (LogEntry | GapLine)[] {
  const lines = stdout.split("\n");
  if (lines.pop() !== "") throw new Error("the output does not end with a line end");
  return lines.map((line) => JSON.parse(line) as LogEntry | GapLine);
}

export function entriesOf(lines: readonly (LogEntry | GapLine)[]): LogEntry[] {
  return lines.filter((line): line is LogEntry => "sequence" in line);
}

export function gapsOf(lines: readonly (LogEntry | GapLine)[]): GapLine["gap"][] {
  return lines.filter((line): line is GapLine => "gap" in line).map(({ gap }) => gap);
}

/** Where the frame of a transaction is. */
export async function placeOf(directory: string, sequence: number): Promise<LogEntry> {
  const one = String(sequence);
  const { stdout } = await holdfast("log", directory, "--from", one, "--to", one, "--json");
  return entriesOf(parseLog(stdout))[0] as LogEntry;
}
