/** One of the stores that a short life works on: what it has said of it, and what must be there. */
import assert from "node:assert/strict";
import type { RecoveryReport, SnapshotInfo } from "../../src/index.js";
import type { Random } from "../sim/random.js";
import { type EagerOptions, eagerBackground } from "./background.js";
import type { KillFigures } from "./figures.js";
import { quotesOf } from "./history.mjs";
import { KilledSnapshots } from "./killed-snapshots.js";

/** How the store is opened, by every process. */
export interface Settings {
  readonly segmentBytes: number;
  readonly framesInFlight: number;
  readonly background: EagerOptions;
}

interface Found {
  readonly last: number;
  readonly quotes: readonly (readonly [key: number, n: number])[];
  readonly snapshots: readonly SnapshotInfo[];
  readonly recovery: RecoveryReport;
}

export class ShortLifeStore {
  readonly directory: string;
  readonly settings: Settings;
  acknowledged = 0;
  /** By the process that lives now. */
  opened = false;
  readonly #figures: KillFigures;
  readonly #snapshots = new KilledSnapshots<number>();
  /** What had been acknowledged before each snapshot that was opened in this life. */
  readonly #marks = new Map<string, number>();
  /** Of the cached table, what is known to be durable: by key, the number of its transaction. */
  readonly #quotes = new Map<number, number>();

  constructor(directory: string, random: Random, figures: KillFigures) {
    this.directory = directory;
    this.#figures = figures;
    this.settings = {
      segmentBytes: random.pick([64, 128, 512]) * 1024,
      framesInFlight: random.pick([1, 4, 16]),
      background: eagerBackground(random),
    };
  }

  /** What the process has said of this store. */
  line(line: string): void {
    if (this.#snapshots.line(line, () => this.acknowledged)) return;
    const [what, rest] = [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)];
    if (what === "a") this.acknowledged = Math.max(this.acknowledged, Number(rest));
    else if (what === "q") {
      this.#quotesDurable(...(rest.split(" ").map(Number) as [number, number]));
    } else if (what === "found") this.#found(JSON.parse(rest) as Found);
    else if (what === "looked") this.#looked(rest);
    else assert.fail(`it said "${line}"`);
  }

  #quotesDurable(from: number, last: number): void {
    for (const [key, n] of quotesOf(from, last)) this.#quotes.set(key, n);
  }

  #found({ last, quotes, snapshots, recovery }: Found): void {
    this.opened = true;
    this.#figures.recovered(recovery);
    assert.ok(
      last >= this.acknowledged,
      `found ${last}, acknowledged ${this.acknowledged}; recovery ${JSON.stringify(recovery)}`,
    );
    this.acknowledged = last;
    const there = new Map(quotes);
    for (const [key, n] of this.#quotes) {
      const quote = there.get(key) ?? 0;
      assert.ok(quote >= n, `quote ${key} is ${quote}, ${n} was durable`);
      this.#quotes.set(key, quote);
    }
    this.#marks.clear();
    for (const { info, mark } of this.#snapshots.found(snapshots)) {
      this.#marks.set(info.name, mark);
    }
  }

  #looked(text: string): void {
    const [name, last] = text.split(" ") as [string, string];
    const mark = this.#marks.get(name);
    assert.ok(mark !== undefined, `snapshot ${name} is one of those found`);
    assert.ok(Number(last) >= mark, `snapshot ${name} has ${last}, acknowledged were ${mark}`);
    this.#figures.snapshots++;
  }
}
