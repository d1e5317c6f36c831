/**
 * Hand-overs between processes that write without pause, and die at any step of it. Whatever becomes
 * of either: what was acknowledged is there, each has written for a time of its own, and the one that
 * is left goes on.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Backend, defineTable, integer, open, string } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";
import { seedOfRun } from "../support/seed.js";

const CHILD = fileURLToPath(new URL("handover-child.mjs", import.meta.url));
const rows = defineTable({ name: "rows", version: 1, key: string(), fields: { n: integer() } });
const WRITERS = 3;
/** Rounds for each kind of death, on each disk. */
const ROUNDS = Number(process.env.HOLDFAST_SEEDS ?? "1");

interface Death {
  readonly from: "start" | "asked" | "letting go";
  readonly nth: number;
}

let directory: string;
const trader: Trader[] = [];

beforeAll(ensureBuilt);
beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), "holdfast-handover-")), "store");
});
afterEach(async () => {
  for (const one of trader.splice(0)) await one.kill();
  await rm(join(directory, ".."), { recursive: true });
});

/** A process, and what it has said. */
class Trader {
  readonly name: string;
  /** By writer, the last one that was acknowledged. */
  readonly acknowledged = new Map<number, number>();
  acknowledgements = 0;
  said: string[] = [];
  readonly child: ChildProcess;
  #ended: Promise<unknown>;
  #isOver = false;
  readonly #listeners: (() => void)[] = [];

  constructor(name: string, backend: string, die?: Death) {
    this.name = name;
    const what = JSON.stringify({ directory, backend, name, writers: WRITERS, die });
    this.child = spawn(process.execPath, [CHILD, what], {
      stdio: ["ignore", "inherit", "inherit", "pipe"],
    });
    trader.push(this);
    const lines = createInterface({ input: this.child.stdio[3] as Readable });
    lines.on("line", (line) => this.#hear(line));
    this.#ended = Promise.all([once(this.child, "exit"), once(lines, "close")]).then(() => {
      this.#isOver = true;
      this.#tell();
    });
  }

  has(word: string): boolean {
    return this.said.some((line) => line.startsWith(word));
  }

  get over(): boolean {
    return this.#isOver;
  }

  /** Resolves when that is so. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  /** So many acknowledgements more than there are now; or it has ended. */
  async writes(count: number): Promise<void> {
    const enough = this.acknowledgements + count;
    await this.until(() => this.over || this.acknowledgements >= enough);
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }

  #hear(line: string): void {
    const [word, writer, n] = line.split(" ");
    if (word === "a") {
      this.acknowledgements++;
      this.acknowledged.set(Number(writer), Number(n));
    } else this.said.push(line);
    this.#tell();
  }

  #tell(): void {
    for (const listener of this.#listeners.splice(0)) listener();
  }
}

/** Everything that was acknowledged to anybody is there; nobody has written amid another's time. */
async function assertWhole(traders: readonly Trader[]): Promise<void> {
  const store = await open(directory, { tables: [rows], history: "all", lockWaitMillis: 60_000 });
  try {
    for (const { name, acknowledged } of traders) {
      for (const [writer, n] of acknowledged) {
        const there = store.table(rows).get(`${name}-${writer}`)?.n ?? -1;
        assert.ok(there >= n, `${name}-${writer}: ${n} was acknowledged, ${there} is there`);
      }
    }
    const order: string[] = [];
    for await (const { writer } of store.transactions()) {
      if (order.at(-1) !== writer) order.push(writer);
    }
    assert.deepEqual(order, [...new Set(order)], "each writer has a time of its own");
  } finally {
    await store.close();
  }
}

const BACKENDS = [...realDisks().keys()].map((name) => name.replace("native/", ""));

describe.each([...new Set([BACKENDS[0], BACKENDS[1]])])("on %s", (name) => {
  const backend = name as Backend;

  test("under load, from one to the next to the next", async () => {
    const first = new Trader("first", backend);
    await first.writes(5);
    const second = new Trader("second", backend);
    await second.writes(5);
    const third = new Trader("third", backend);
    await third.writes(5);
    await second.until(() => second.over);
    for (const one of [first, second]) expect(one.said.at(-1)).toBe("opened true");
    await third.kill();
    await assertWhole([first, second, third]);
  });
});

/** One disk is enough for these: what differs between disks is the lock, and has tests of its own. */
describe("one of them dies", () => {
  const backend = BACKENDS.at(-1) as string;
  const seeds = Array.from({ length: ROUNDS }, (_, i) => seedOfRun(900 + i));

  test.each(seeds)("the old one, while it prepares (seed %i)", async (seed) => {
    const nth = 1 + new Random(seed).below(60);
    await theOldOneDies(backend, { from: "asked", nth });
  });

  test.each(seeds)("the old one, while it lets go (seed %i)", async (seed) => {
    const nth = 1 + new Random(seed).below(12);
    await theOldOneDies(backend, { from: "letting go", nth });
  });

  test.each(seeds)("the new one, at any of its steps (seed %i)", async (seed) => {
    const nth = 1 + new Random(seed).below(110);
    const old = new Trader("old", backend);
    await old.writes(5);
    const next = new Trader("next", backend, { from: "start", nth });
    await next.writes(10);
    await next.kill();
    // It goes on; or it had let go before, and knows that nobody has opened it.
    await old.writes(20);
    if (old.over) expect(old.said.at(-1)).toMatch(next.has("open") ? /^opened / : /^opened false/);
    else expect(next.has("open")).toBe(false);
    await old.kill();
    await assertWhole([old, next]);
  });

  async function theOldOneDies(on: string, die: Death): Promise<void> {
    const old = new Trader("old", on, die);
    await old.writes(5);
    const next = new Trader("next", on);
    await next.writes(5);
    await old.until(() => old.over);
    expect(next.said[0]).toMatch(/^open /);
    await next.kill();
    await assertWhole([old, next]);
  }
});

test("one that is stopped keeps the store, and goes on when it is woken", async () => {
  const old = new Trader("old", "auto");
  await old.writes(5);
  old.child.kill("SIGSTOP");
  const options = { tables: [rows], takeover: { timeoutMillis: 200 } };
  const error = await open(directory, options).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: "HANDOVER_TIMEOUT",
    data: { holder: { pid: old.child.pid } },
  });
  old.child.kill("SIGCONT");
  await old.writes(10);
  expect(old.over).toBe(false);
  await old.kill();
  await assertWhole([old]);
});
