// Parts of a bench run in processes of their own: what one leaves in memory does not count for the
// next. Whatever becomes of the bench, its children end and what it put on disk is removed.
import { fork } from "node:child_process";
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";

const ENTRY = fileURLToPath(new URL("child.mjs", import.meta.url));

const children = new Set();
const directories = new Set();

/** Removes the directory when the bench ends, however it ends. */
export function removeAtEnd(directory) {
  directories.add(directory);
}

/** Ends the child when the bench ends, however it ends. */
export function keepChild(child) {
  children.add(child);
  child.once("exit", () => children.delete(child));
}

/** Ends the children that still run and removes what was put on disk. Idempotent. */
export function cleanUp() {
  for (const child of children) child.kill("SIGKILL");
  children.clear();
  // A child that has just been killed may still be putting a file there.
  const options = { recursive: true, force: true, maxRetries: 10, retryDelay: 50 };
  for (const directory of directories) rmSync(directory, options);
  directories.clear();
}

/** From now on a signal ends the bench with everything cleaned up. */
export function cleanUpOnSignals() {
  for (const [signal, number] of [
    ["SIGINT", 2],
    ["SIGTERM", 15],
    ["SIGHUP", 1],
  ]) {
    process.once(signal, () => {
      process.exitCode = 128 + number;
      process.exit();
    });
  }
  process.on("exit", cleanUp);
}

/**
 * Runs the function `name` of the module at `url` in a process of its own, with `params`, and
 * resolves with what it returns: `{ value, pid, signal }`. A child that was to be killed, and was,
 * gives a `signal` and no value. `onStart` is given the child, `onMessage` what it sends meanwhile;
 * `environment` and `execArgv` are of the process.
 */
export function runChild(url, name, params, options = {}) {
  const { onStart, onMessage, mayBeKilled = false, environment = {}, execArgv = [] } = options;
  return new Promise((resolve, reject) => {
    const child = fork(ENTRY, [], {
      execArgv,
      env: { ...process.env, ...environment },
      serialization: "advanced",
      stdio: ["ignore", 2, 2, "ipc"],
    });
    children.add(child);
    let result;
    child.on("message", (message) => {
      if (message.type === "message") onMessage?.(message.value);
      else result = message;
    });
    child.on("error", reject);
    child.on("exit", (code, signal) => {
      children.delete(child);
      if (result?.type === "done") resolve({ value: result.value, pid: child.pid });
      else if (result?.type === "failed") reject(new Error(`${name}: ${result.error}`));
      else if (signal !== null && mayBeKilled) resolve({ signal, pid: child.pid });
      else reject(new Error(`${name}: the process ended with ${signal ?? `code ${code}`}`));
    });
    child.send({ url: String(url), name, params });
    onStart?.(child);
  });
}
