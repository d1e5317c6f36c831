// Is a peer's promise kept as it is configured? Twice, once in a run: its system calls are counted
// while it acknowledges writes, and it is killed and looked at.
import { spawnSync } from "node:child_process";
import { accessSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { runChild } from "../children.mjs";
import { deviceFlushes } from "../machine.mjs";
import { openContext } from "./contender.mjs";
import { adapterUrl } from "./contenders.mjs";
import { countSyncCalls, judgeFlushes, judgeSyncs, markPath, TRACED } from "./sync-calls.mjs";

/** Writes that are looked at. */
const TRACED_PUTS = 20;
const WARM_UP = 5;

const hasStrace = () => spawnSync("strace", ["-V"]).status === 0;

function mark(name) {
  try {
    accessSync(markPath(name));
  } catch {
    // It is never there; the call is in the trace.
  }
}

/** In the traced process: writes between marks. */
async function traced({ adapter, directory, options, file }) {
  const { store, rows } = await openContext({ adapter, directory, options });
  const result = { puts: TRACED_PUTS };
  const block = async (name, write) => {
    for (let i = 0; i < WARM_UP; i++) await write(...rows.nextOrder());
    const before = deviceFlushes(directory);
    mark(`${name}-begin`);
    for (let i = 0; i < TRACED_PUTS; i++) await write(...rows.nextOrder());
    mark(`${name}-end`);
    result[name] = before === undefined ? undefined : deviceFlushes(directory) - before;
  };
  if (store.putSync !== undefined) {
    await block("sync", (key, row) => store.putSync("orders", key, row));
  }
  if (store.put !== undefined) await block("put", (key, row) => store.put("orders", key, row));
  writeFileSync(file, JSON.stringify(result));
  await store.close();
  process.exit(0);
}

/**
 * Counts what a contender's writes wait for, those that are synchronous and those that are awaited:
 * `{ kept, by }`. By its system calls where strace is, otherwise by the device's own count of flushes.
 */
export function verifyBySyncCalls(spec, directory, withStrace = hasStrace()) {
  const [trace, file] = [`${directory}.trace`, `${directory}.traced.json`];
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const params = {
    adapter: adapterUrl(spec.adapter ?? spec.name),
    directory,
    options: { tables: ["orders"], ...spec.open },
    file,
  };
  const program = fileURLToPath(import.meta.url);
  const node = [process.execPath, program, "traced", JSON.stringify(params)];
  const strace = ["strace", "-f", "-qq", "-e", TRACED, "-e", "signal=none", "-o", trace];
  const [command, ...args] = withStrace ? [...strace, ...node] : node;
  try {
    const { status, stderr } = spawnSync(command, args, {
      encoding: "utf8",
      env: { ...process.env, ...spec.environment },
      timeout: 60_000,
    });
    if (status !== 0) return { kept: undefined, by: `not verified: ${lastLine(stderr)}` };
    const result = JSON.parse(readFileSync(file, "utf8"));
    const text = withStrace ? readFileSync(trace, "utf8") : "";
    const verdicts = ["sync", "put"]
      .filter((name) => Object.hasOwn(result, name))
      .map((name) => {
        const counts = countSyncCalls(text, `${name}-begin`, `${name}-end`);
        const verdict = withStrace
          ? judgeSyncs(counts, result.puts, result[name])
          : judgeFlushes(result.puts, result[name]);
        return { ...verdict, by: `${name === "sync" ? "sync" : "awaited"}: ${verdict.by}` };
      });
    const kept = verdicts.some((one) => one.kept === undefined)
      ? undefined
      : verdicts.every((one) => one.kept);
    return { puts: result.puts, kept, by: verdicts.map(({ by }) => by).join("; ") };
  } finally {
    for (const path of [trace, file]) rmSync(path, { force: true });
    rmSync(directory, { recursive: true, force: true });
  }
}

const lastLine = (text) => text.trim().split("\n").at(-1) ?? "";

/** The last writes are so many awaited ones; the process kills itself in the turn of the last answer. */
const KILLED_PUTS = 200;
const stateKey = (i) => `state-${String(i).padStart(8, "0")}`;

/** In a child: a state of `rows` rows, single puts, and SIGKILL as soon as the last is acknowledged. */
export async function writeUntilKilled({ adapter, directory, options, rows: count }) {
  const { store, rows } = await openContext({ adapter, directory, options });
  for (let from = 0; from < count; from += 1000) {
    const length = Math.min(1000, count - from);
    const batch = Array.from({ length }, (_, i) => [
      "orders",
      stateKey(from + i),
      rows.order(from + i),
    ]);
    await store.transact(batch);
  }
  for (let i = 0; i < KILLED_PUTS; i++) await store.put("orders", `last-${i}`, rows.order(i));
  process.kill(process.pid, "SIGKILL");
}

/** In a child: opens, reads, writes; and what of the last writes is there. */
export async function openAfterKill({ adapter, directory, options, rows }) {
  // Loading the package is not opening a store.
  await (await import(adapter)).prepare();
  const start = performance.now();
  const { store, rows: maker } = await openContext({ adapter, directory, options });
  const opened = performance.now();
  const first = store.get("orders", rows > 0 ? stateKey(rows >> 1) : "last-0");
  const read = performance.now();
  await store.put("orders", "after", maker.order(1));
  const written = performance.now();
  let lost = 0;
  for (let i = 0; i < KILLED_PUTS; i++) {
    const row = store.get("orders", `last-${i}`);
    if (row === undefined || row.filled !== i) lost++;
  }
  await store.close();
  return {
    openMillis: opened - start,
    readMillis: read - start,
    writeMillis: written - start,
    lost: lost + (first === undefined ? 1 : 0),
    puts: KILLED_PUTS,
  };
}

/** Kills a contender right after an acknowledgement, and opens its store again. */
export async function killAndOpen(spec, directory, rows) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const params = {
    adapter: adapterUrl(spec.adapter ?? spec.name),
    directory,
    options: { tables: ["orders"], ...spec.open },
    rows,
  };
  try {
    const { signal } = await runChild(import.meta.url, "writeUntilKilled", params, {
      mayBeKilled: true,
      environment: spec.environment,
    });
    if (signal !== "SIGKILL") throw new Error("it was not killed");
    const options = { environment: spec.environment };
    return (await runChild(import.meta.url, "openAfterKill", params, options)).value;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Time to the first change of a key's history, in a process that has just opened the store. */
export async function timeHistory({ adapter, directory, options, changes }) {
  const { store, rows } = await openContext({ adapter, directory, options });
  for (let from = 0; from < changes; from += 500) {
    const batch = Array.from({ length: 500 }, () => ["orders", ...rows.nextOrder()]);
    await store.transact(batch);
  }
  await store.settle?.();
  await store.close();
  const again = await openContext({ adapter, directory, options });
  if (again.store.firstOfHistory === undefined) return { unsupported: true };
  const start = performance.now();
  const first = await again.store.firstOfHistory("orders", "order-7");
  const millis = performance.now() - start;
  await again.store.close();
  if (first === undefined) throw new Error("the key has no history");
  return { millis };
}

export async function historyOf(spec, directory, changes) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const open = { ...spec.open, ...(spec.name === "holdfast" && { options: { history: "all" } }) };
  const params = {
    adapter: adapterUrl(spec.adapter ?? spec.name),
    directory,
    options: { tables: ["orders"], ...open },
    changes,
  };
  const options = { environment: spec.environment };
  try {
    return (await runChild(import.meta.url, "timeHistory", params, options)).value;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === "traced") {
  await traced(JSON.parse(process.argv[3]));
}
