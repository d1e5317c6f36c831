/**
 * Programs that trade on a real disk, each killed with SIGKILL at some request to the exchange,
 * which lives on in this process: before it is heard, before it is answered, or right behind the
 * answer, also while they recover. In the end the books are the exchange's.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { Decimal } from "../../src/index.js";
import { PaperExchange, type PaperSession, valueAt } from "../../src/trading/index.js";
import { Random } from "../sim/random.js";
import { ensureBuilt } from "../support/built.js";
import { seedOfRun } from "../support/seed.js";
import { loadMarket, tapeFiles } from "./tapes.js";

const CHILD = fileURLToPath(new URL("trader-child.mjs", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const SYMBOLS = ["BTC-USD", "BTC-PERP", "BTC-COIN"];
/** Kills over one tape. */
const KILLS = 5 * Number(process.env.HOLDFAST_SEEDS ?? 1);

interface Request {
  readonly id: number;
  readonly call: string;
  readonly args: readonly never[];
  readonly nonce?: number;
}

interface Books {
  readonly differences: unknown[];
  readonly open: [string, string][];
  readonly balances: [string, string][];
  readonly positions: { symbol: string; quantity: string; paid: string }[];
  readonly fills: number;
  readonly lives: number;
}

/** The exchange, and the programs that talk to it one after the other. */
class Venue {
  readonly exchange: PaperExchange;
  readonly #random: Random;
  #now = 1_700_000_000_000_000;
  #nonce = 0;

  constructor(seed: number, market: Awaited<ReturnType<typeof loadMarket>>) {
    this.#random = new Random(seed);
    const { price } = market;
    this.exchange = new PaperExchange({
      seed,
      tape: market.events(SYMBOLS),
      eventsPerStep: 60,
      clock: () => this.#now,
      balances: { USD: 1_000_000, BTC: 1_000 },
      instruments: {
        "BTC-USD": { kind: "spot", base: "BTC", quote: "USD", price },
        "BTC-PERP": { kind: "linear", base: "BTC", quote: "USD", price },
        "BTC-COIN": { kind: "inverse", base: "BTC", quote: "USD", price, multiplier: 100 },
      },
    });
  }

  /** One life of a program: killed at the request `killAt`, or to its end, which says its books. */
  async life(directory: string, killAt: number): Promise<Books | undefined> {
    const mode = killAt === Number.POSITIVE_INFINITY ? "finish" : "trade";
    const args = [directory, String(this.#random.below(2 ** 31)), String(this.#now), mode];
    const child = fork(CHILD, args, { stdio: ["ignore", "ignore", "pipe", "ipc"] });
    const session = this.exchange.connect({
      nonce: async () => this.#nonce,
      onMessage: (message) => this.#say(child, { message }),
    });
    let [failed, heard] = ["", 0];
    let books: Books | undefined;
    let last = Promise.resolve();
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      failed += text;
    });
    child.on("message", (said: Request | { books: Books }) => {
      if ("books" in said) {
        books = said.books;
        return;
      }
      const kills = ++heard === killAt;
      const how = kills ? this.#random.pick(["unheard", "unanswered", "answered"]) : "answered";
      last = last.then(async () => {
        if (child.killed) return;
        if (how === "unheard") child.kill("SIGKILL");
        const answer = how === "unheard" ? undefined : await this.#serve(session, said);
        if (how === "answered") this.#say(child, { id: said.id, ...answer });
        if (kills) child.kill("SIGKILL");
      });
    });
    const signal = await new Promise((resolve, reject) => {
      child.on("error", reject).on("close", (_, by) => resolve(by));
    });
    await last;
    session.disconnect();
    if (books === undefined && signal !== "SIGKILL") throw new Error(`it ended: ${failed}`);
    return books;
  }

  passTime(micros: number): void {
    for (let i = 0; i < 10; i++) this.exchange.step();
    this.#now += micros;
  }

  async #serve(session: PaperSession, { call, args, nonce }: Request) {
    this.#now += 50_000;
    if (nonce !== undefined) this.#nonce = nonce;
    try {
      if (call === "step") {
        this.exchange.step();
        return { result: Number(this.exchange.books.price("BTC-USD")) / 1e8 };
      }
      const ask = session[call as "order"] as (...given: never[]) => Promise<unknown>;
      return { result: await ask.apply(session, args as never[]) };
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  #say(child: ChildProcess, what: object): void {
    if (child.connected) child.send({ ...what, time: this.#now }, () => {});
  }
}

beforeAll(() => {
  ensureBuilt();
});

test.each(tapeFiles())("killed with SIGKILL over %s", async (file) => {
  const seed = seedOfRun(1);
  const random = new Random(seed);
  const venue = new Venue(seed, await loadMarket(file));
  // Not in /tmp, which may be in memory.
  const directory = mkdtempSync(join(root, "node_modules", ".trader-"));
  try {
    for (let kill = 0; kill < KILLS; kill++) {
      await venue.life(directory, 1 + random.below(60));
      venue.passTime(random.chance(0.3) ? 30_000_000 : 100_000);
    }
    venue.passTime(60_000_000);
    const ours = (await venue.life(directory, Number.POSITIVE_INFINITY)) as Books;
    const { books, violations, ...exchange } = { ...pick(venue.exchange) };
    expect(violations).toEqual([]);
    expect(ours.differences).toEqual([]);
    expect(ours.open.sort()).toEqual(exchange.open);
    expect(ours.balances.sort()).toEqual(exchange.balances);
    for (const { symbol, quantity, paid } of ours.positions) {
      expect(quantity).toBe(books.quantity(symbol));
      // What was paid for all fills: with the price of now it is the profit.
      const price = Decimal.fromCoefficient(books.price(symbol), 8);
      const kind = symbol === "BTC-COIN" ? "inverse" : "linear";
      const multiplier = Decimal.of(kind === "inverse" ? 100 : 1, 8);
      const value = valueAt(Decimal.of(quantity, 8), price, { kind, multiplier });
      expect(`${value.sub(Decimal.of(paid))}`).toBe(books.profit(symbol));
    }
    expect(ours.lives).toBeGreaterThan(KILLS / 2);
    console.log(JSON.stringify({ seed, kills: KILLS, lives: ours.lives, fills: ours.fills }));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

function pick(exchange: PaperExchange) {
  const balances = exchange.books.balances().map(({ currency, total }) => [currency, `${total}`]);
  return {
    books: exchange.books,
    violations: exchange.violations,
    open: [...exchange.openOrders()].sort(),
    balances: balances.sort(),
  };
}
