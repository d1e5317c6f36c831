// Contenders as processes of their own, that take turns: block after block, the order moved on by one
// in each round, so that whatever the machine does besides hits all of them alike.
import { fork } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { keepChild } from "../children.mjs";
import { adapterUrl } from "./contenders.mjs";

const ENTRY = fileURLToPath(new URL("contender.mjs", import.meta.url));

export class Contender {
  #child;
  #waiting = new Map();
  #nextId = 0;
  #ended;

  /** `directory` is made anew. `execArgv`, `environment`: of the process. */
  constructor(spec, directory, { execArgv = [] } = {}) {
    this.spec = spec;
    this.name = spec.name;
    this.directory = directory;
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory, { recursive: true });
    this.#child = fork(ENTRY, ["serve"], {
      execArgv,
      env: { ...process.env, ...spec.environment },
      serialization: "advanced",
      stdio: ["ignore", 2, 2, "ipc"],
    });
    keepChild(this.#child);
    this.#child.on("message", ({ id, value, error }) => {
      const { resolve, reject } = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) resolve(value);
      else reject(new Error(error));
    });
    this.#ended = new Promise((resolve) => {
      this.#child.on("exit", (code, signal) => {
        for (const { reject } of this.#waiting.values()) {
          reject(new Error(`its process ended with ${signal ?? `code ${code}`}`));
        }
        this.#waiting.clear();
        resolve();
      });
    });
  }

  get pid() {
    return this.#child.pid;
  }

  call(call, params) {
    return new Promise((resolve, reject) => {
      const id = this.#nextId++;
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, call, params }, (error) => {
        if (error !== null && this.#waiting.delete(id)) reject(error);
      });
    });
  }

  open(tables) {
    const { adapter = this.spec.name, open } = this.spec;
    const url = adapter.includes(":") ? adapter : adapterUrl(adapter);
    const params = { adapter: url, directory: this.directory, options: { tables, ...open } };
    return this.call("open", params);
  }

  run(workload, params) {
    return this.call("run", { workload, params });
  }

  /** Ends the process, whatever it does, and removes what it put on disk. */
  async end() {
    this.#child.kill("SIGKILL");
    await this.#ended;
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  }
}

/**
 * `rounds` blocks for each contender, `block(contender)`, in turns, after `warmUp` rounds that do not
 * count. By name: a list of what the blocks gave, or `{ failed }` for one that has thrown, which then
 * takes no further part.
 */
export async function inTurns(contenders, { rounds, warmUp = 1 }, block) {
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds + warmUp; round++) {
    for (let i = 0; i < contenders.length; i++) {
      const contender = contenders[(i + round) % contenders.length];
      const list = results.get(contender.name);
      if (!Array.isArray(list)) continue;
      try {
        const value = await block(contender);
        if (round >= warmUp) list.push(value);
      } catch (error) {
        console.error(`  ${contender.name} takes no further part: ${error.message}`);
        results.set(contender.name, { failed: error.message });
      }
    }
  }
  return results;
}
