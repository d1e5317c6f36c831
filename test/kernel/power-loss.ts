/**
 * Power loss on a real file system: the store writes on a mounted image, the shutdown ioctl throws
 * away whatever had not reached its device, journal included, and the image is mounted again. The
 * next opening is the check. See test/crash/history.mjs for what is written.
 */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Disk } from "../../src/disk/disk.js";
import * as library from "../../src/index.js";
import {
  type HoldfastError,
  isHoldfastError,
  type OpenOptions,
  type Store,
} from "../../src/index.js";
import { type EagerOptions, eagerBackground } from "../crash/background.js";
import { diskOf, type KillBackend } from "../crash/disks.js";
import {
  FAILPOINTS,
  type Failpoint,
  failpointDisk,
  failpointName,
} from "../crash/failpoint-disk.mjs";
import {
  checkHistory,
  historyTables,
  tellsWhenDurable,
  writeTransaction,
} from "../crash/history.mjs";
import { KilledSnapshots } from "../crash/killed-snapshots.js";
import { keepTakingSnapshots } from "../crash/snapshots.mjs";
import { Random } from "../sim/random.js";
import type { LoopImage } from "../support/loop-image.js";
import { withinLimit } from "./within.js";

const TABLES = historyTables(library);
/** Losses on one store, before a new one is begun. */
const LOSSES_A_STORE = 20;
const WRITING_MILLIS_MAX = 25;
/** A failpoint that has not come by then is not to come in this life. */
const FAILPOINT_MILLIS_MAX = 60;
const OPENING_MILLIS_MAX = 12;
/** With which whatever has lost its power may fail. What cannot be read is as good as damaged. */
const CODES = new Set(["IO", "OUTCOME_UNKNOWN", "POISONED", "CORRUPT_LOG", "CORRUPT_RUN"]);

type Point = Failpoint & { readonly nth: number };

/** When the power goes. */
type Plan =
  | { readonly when: "writing" | "opening"; readonly millis: number }
  | { readonly when: "failpoint"; readonly point: Point };

/** What was done, over all losses. */
export class PowerFigures {
  losses = 0;
  whileOpening = 0;
  recoveries = 0;
  tornTails = 0;
  transactions = 0;
  runsMax = 0;
  snapshots = 0;
  refusedOpenings = 0;
  readonly codes = new Map<string, number>();
  readonly points = new Map<string, number>(FAILPOINTS.map((point) => [failpointName(point), 0]));

  toString(): string {
    const { codes, points: _, ...figures } = this;
    const counts = Object.entries(figures).map(([name, count]) => `${name} ${count}`);
    return `${counts.join(", ")}; errors after it: ${[...codes].map((c) => c.join(" ")).join(", ")}`;
  }

  get atPoints(): number {
    return [...this.points.values()].reduce((sum, hits) => sum + hits, 0);
  }

  failed(error: unknown): void {
    assert.ok(isHoldfastError(error), `not typed: ${(error as Error)?.stack ?? error}`);
    const { code } = error as HoldfastError;
    assert.ok(CODES.has(code), `${code}: ${(error as Error).stack}`);
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}

/** One image, on which the power goes again and again. */
export class PowerLosses {
  readonly figures: PowerFigures;
  readonly #image: LoopImage;
  readonly #backend: KillBackend;
  readonly #random: Random;
  #snapshots = new KilledSnapshots<number>();
  #directory = "";
  #settings: EagerOptions & OpenOptions = {};
  #acknowledged = 0;
  #life = 0;
  #plan: Plan = { when: "writing", millis: 0 };
  #isOff = false;

  constructor(image: LoopImage, backend: KillBackend, seed: number, figures: PowerFigures) {
    this.#image = image;
    this.#backend = backend;
    this.#random = new Random(seed);
    this.figures = figures;
  }

  async run(losses: number): Promise<void> {
    for (let loss = 0; loss < losses; loss++) {
      if (loss % LOSSES_A_STORE === 0) await this.#begin();
      this.#plan = this.#draw();
      try {
        await withinLimit(this.#live(), "a life");
        await this.#powerOn();
      } catch (error) {
        throw new Error(`${this.#describe()}: ${(error as Error).message}`, { cause: error });
      }
      this.figures.losses++;
    }
    await this.#end();
  }

  #describe(): string {
    return (
      `${this.#backend}, loss ${this.figures.losses}, ${JSON.stringify(this.#plan)}, ` +
      `${JSON.stringify(this.#settings)}, acknowledged ${this.#acknowledged}`
    );
  }

  async #begin(): Promise<void> {
    await this.#end();
    const random = this.#random;
    this.#directory = join(this.#image.directory, `store-${this.figures.losses}`);
    this.#acknowledged = 0;
    this.#snapshots = new KilledSnapshots();
    this.#settings = {
      segmentBytes: random.pick([64, 128, 512]) * 1024,
      framesInFlight: random.pick([1, 4, 16]),
      cachedDelayMicros: 1000,
      ...eagerBackground(random),
    };
  }

  /** With the power on: what is there in the end is looked at, and makes room. */
  async #end(): Promise<void> {
    if (this.#directory === "") return;
    const store = await open(this.#directory, { ...this.#options(), backend: this.#backend });
    await this.#look(store);
    await store.close();
    this.figures.transactions += this.#acknowledged;
    rmSync(this.#directory, { recursive: true });
  }

  #options(): OpenOptions {
    return { ...this.#settings, tables: Object.values(TABLES), onWarning: () => {} };
  }

  #draw(): Plan {
    const random = this.#random;
    const kind = random.below(8);
    if (kind < 4) {
      const { points } = this.figures;
      const least = Math.min(...points.values());
      const rare = FAILPOINTS.filter((one) => (points.get(failpointName(one)) ?? 0) <= least + 1);
      const point = random.pick(rare);
      const often = point.operation === "submit" || point.operation === "completed";
      const most = points.get(failpointName(point)) === 0 ? 1 : often ? 40 : 3;
      return { when: "failpoint", point: { ...point, nth: 1 + random.below(most) } };
    }
    if (kind === 4) return { when: "opening", millis: random.below(OPENING_MILLIS_MAX) };
    return { when: "writing", millis: random.below(WRITING_MILLIS_MAX) };
  }

  #powerOff(): void {
    if (!this.#isOff) this.#image.cutPower();
    this.#isOff = true;
  }

  async #powerOn(): Promise<void> {
    assert.ok(this.#isOff);
    await this.#image.unmount();
    this.#image.mount();
    this.#isOff = false;
  }

  /** From an opening to the loss of power, and until all that was open is closed again. */
  async #live(): Promise<void> {
    this.#life++;
    const opening = open(this.#directory, { ...this.#options(), ...this.#disk() });
    if (this.#plan.when === "opening") {
      void sleep(this.#plan.millis).then(() => this.#powerOff());
    }
    let store: Store;
    try {
      store = await opening;
    } catch (error) {
      if (!this.#isOff) throw error;
      this.figures.failed(error);
      this.figures.refusedOpenings++;
      this.figures.whileOpening++;
      return;
    }
    try {
      await this.#use(store);
    } finally {
      this.#powerOff();
      await withinLimit(
        store.close().catch((error: unknown) => this.figures.failed(error)),
        "close without power",
      );
    }
  }

  #disk(): { readonly backend: KillBackend } | { readonly disk: Disk } {
    if (this.#plan.when !== "failpoint") return { backend: this.#backend };
    const { point } = this.#plan;
    const act = (): void => {
      // One that comes in a background that is slower than its time, or while closing, is late.
      if (this.#isOff) return;
      this.#powerOff();
      const name = failpointName(point);
      this.figures.points.set(name, (this.figures.points.get(name) ?? 0) + 1);
    };
    return { disk: failpointDisk(diskOf(this.#backend) as Disk, point, act) };
  }

  async #use(store: Store): Promise<void> {
    const last = this.#isOff ? undefined : await this.#look(store);
    if (last === undefined) return;
    const stop = new AbortController();
    const say = (line: string): void => void this.#snapshots.line(line, () => this.#acknowledged);
    const failed = (error: unknown): void => {
      if (!this.#isOff) throw error;
      this.figures.failed(error);
    };
    const life = `${this.#backend}-${this.#life}`;
    const work = [
      keepTakingSnapshots(store, this.#random.pick([2, 10]), say, stop.signal, life).catch(failed),
      this.#write(store, last + 1, stop.signal).catch(failed),
    ];
    const millis = this.#plan.when === "writing" ? this.#plan.millis : FAILPOINT_MILLIS_MAX;
    for (const end = performance.now() + millis; performance.now() < end && !this.#isOff; ) {
      await sleep(1);
    }
    this.#powerOff();
    stop.abort();
    await withinLimit(Promise.all(work), "writers without power");
  }

  /** So many at once; each acknowledgement is taken down before the next write. */
  async #write(store: Store, from: number, signal: AbortSignal): Promise<void> {
    let next = from;
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        const n = next++;
        await writeTransaction(store, TABLES, n);
        if (tellsWhenDurable(n)) this.#acknowledged = Math.max(this.#acknowledged, n);
        // Nothing was waited for: the others and the timers have their turn.
        else await sleep(0);
      }
    };
    await Promise.all(Array.from({ length: this.#random.pick([1, 8, 64]) }, run));
  }

  /** Of a store that the power may go off under while it is looked at. */
  async #look(store: Store): Promise<number | undefined> {
    const { figures } = this;
    const { recovery } = store;
    try {
      const last = checkHistory(store, TABLES);
      assert.ok(
        last >= this.#acknowledged,
        `found ${last}, acknowledged ${this.#acknowledged}; ${JSON.stringify(recovery)}`,
      );
      if (!recovery.created) figures.recoveries++;
      if (recovery.tornBytes > 0) figures.tornTails++;
      figures.runsMax = Math.max(figures.runsMax, recovery.runs);
      const found = this.#snapshots.found(store.snapshots());
      this.#acknowledged = last;
      for (const { info, mark } of found.slice(-1)) await this.#lookAt(info.name, mark);
      return last;
    } catch (error) {
      if (!this.#isOff || !isHoldfastError(error)) throw error;
      figures.failed(error);
      return undefined;
    }
  }

  async #lookAt(name: string, mark: number): Promise<void> {
    const options = { ...this.#options(), backend: this.#backend, at: name };
    const snapshot = await library.open(this.#directory, options);
    try {
      const last = checkHistory(snapshot, TABLES);
      assert.ok(last >= mark, `snapshot ${name} has ${last}, acknowledged were ${mark}`);
      this.figures.snapshots++;
    } finally {
      await snapshot.close();
    }
  }
}

function open(directory: string, options: OpenOptions): Promise<Store> {
  return withinLimit(library.open(directory, options), "an opening");
}
