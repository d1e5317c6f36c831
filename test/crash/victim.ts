/** A process that is to be killed: it acknowledges on descriptor 3, in lines, before it goes on. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, type FSWatcher, readFileSync, watch } from "node:fs";
import type { KillPlan } from "./plan.js";

/** None of them has to live so long: whoever does has come to a stop. */
const LIFE_MILLIS_MAX = 120_000;

/** What is left of a process that has ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly output: string;
  readonly errors: string;
  /** There was a store before it began. */
  readonly existed: boolean;
  /** It was killed after it had claimed the store and before its first acknowledgement. */
  readonly whileOpening: boolean;
  /** From its start to its first acknowledgement; undefined if it gave none. */
  readonly openMillis: number | undefined;
}

export interface VictimOptions {
  /** Arguments of node. */
  readonly args: readonly string[];
  /** The store's directory; it must be there. */
  readonly directory: string;
  /** When to kill it; undefined for never. */
  readonly plan: KillPlan | undefined;
  /** With what; default: SIGKILL. */
  readonly signal?: NodeJS.Signals;
  /** Called for every acknowledgement, as far as they had come when it was killed. */
  readonly onLine: (line: string) => void;
}

/** Starts a process, kills it as planned, and resolves once it has ended and all is read. */
export function runVictim(options: VictimOptions): Promise<Ending> {
  return new Victim(options).ended;
}

/** Torn bytes that a process has warned of, one number for each warning. */
export function tornWarnings(errors: string): number[] {
  return [...errors.matchAll(/(\d+) bytes of unacknowledged writes/g)].map((m) => Number(m[1]));
}

class Victim {
  readonly ended: Promise<Ending>;
  readonly #options: VictimOptions;
  readonly #child: ChildProcess;
  readonly #started = performance.now();
  #openMillis: number | undefined;
  #lines = 0;
  #rest = "";
  #timer: NodeJS.Timeout | undefined;
  /** What `onLine` has thrown. */
  #failure: unknown;

  constructor(options: VictimOptions) {
    this.#options = options;
    const existed = existsSync(`${options.directory}/manifest.1`);
    const watcher = this.#watch();
    this.#child = spawn(process.execPath, options.args, {
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    const deadline = setTimeout(() => {
      this.#failure ??= new Error(`it still ran after ${LIFE_MILLIS_MAX} ms: ${texts.errors}`);
      this.#killIn(0);
    }, LIFE_MILLIS_MAX);
    const texts = { output: "", errors: "" };
    this.#child.stdout?.on("data", (chunk: Buffer) => {
      texts.output += chunk.toString();
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      texts.errors += chunk.toString();
    });
    this.#child.stdio[3]?.on("data", (chunk: Buffer) => this.#read(chunk.toString()));
    this.ended = new Promise((resolve, reject) => {
      this.#child.once("error", reject);
      // "close" comes when the pipes are at their end too: nothing it said is missed.
      this.#child.once("close", (code, signal) => {
        watcher?.close();
        clearTimeout(this.#timer);
        clearTimeout(deadline);
        if (this.#failure !== undefined) return reject(this.#failure);
        const whileOpening = signal !== null && this.#lines === 0 && this.#hasClaimed();
        resolve({ code, signal, ...texts, existed, whileOpening, openMillis: this.#openMillis });
      });
    });
  }

  #watch(): FSWatcher | undefined {
    const { plan, directory } = this.#options;
    if (plan?.when !== "opening") return undefined;
    let changes = 0;
    return watch(directory, () => {
      if (++changes === plan.changes) this.#killIn(plan.delayMillis);
    });
  }

  #read(text: string): void {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    for (const line of lines) this.#line(line);
  }

  #line(line: string): void {
    this.#lines++;
    try {
      this.#options.onLine(line);
    } catch (error) {
      this.#failure ??= error;
      this.#killIn(0);
    }
    const { plan } = this.#options;
    if (this.#lines === 1) {
      this.#openMillis = performance.now() - this.#started;
      // An opening with fewer changes than planned for: at its end, then.
      if (plan?.when === "opening") this.#killIn(0);
      if (plan?.when === "later") this.#killIn(plan.delayMillis);
    }
    if (plan?.when === "acknowledged" && this.#lines === plan.count) this.#killIn(0);
  }

  #killIn(millis: number): void {
    const { signal = "SIGKILL" } = this.#options;
    if (millis === 0) this.#child.kill(signal);
    else this.#timer ??= setTimeout(() => this.#child.kill(signal), millis);
  }

  /** The LOCK file names whoever has got as far as to the store. */
  #hasClaimed(): boolean {
    try {
      const claims = readFileSync(`${this.#options.directory}/LOCK`, "utf8");
      return claims.includes(`"pid":${this.#child.pid},`);
    } catch {
      return false;
    }
  }
}
