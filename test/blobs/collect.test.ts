/** Whatever is put, dropped, kept and taken away, in whatever order: what can be asked for is there. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Store, View } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { seedOfRun } from "../support/seed.js";
import { openOn } from "../support/simulated-store.js";
import { noise, same } from "./content.js";

const NAMES = ["a", "b", "c"];

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: fc.record({ put: fc.nat(2), seed: fc.nat(4), changes: fc.nat(3) }) },
    { weight: 3, arbitrary: fc.record({ drop: fc.nat(2), version: fc.nat(4) }) },
    { weight: 3, arbitrary: fc.constant("collect") },
    { weight: 1, arbitrary: fc.constant("snapshot") },
    { weight: 1, arbitrary: fc.constant("drop snapshot") },
    { weight: 1, arbitrary: fc.constant("view") },
    { weight: 1, arbitrary: fc.constant("release") },
    { weight: 1, arbitrary: fc.constant("flush") },
    { weight: 1, arbitrary: fc.constant("prepare") },
    { weight: 1, arbitrary: fc.constant("use") },
    { weight: 1, arbitrary: fc.constant("reopen") },
  ),
  { minLength: 12, maxLength: 30, size: "max" },
);

type Content = ReadonlyMap<string, Uint8Array>;

function contentOf(seed: number, changes: number): Uint8Array {
  const bytes = noise(300, seed);
  for (let i = 0; i < changes; i++) bytes[i * 11] = i;
  return bytes;
}

class World {
  readonly machine = new SimulatedMachine({ seed: 1 });
  readonly #history: "none" | "all";
  store!: Store;
  now: Content = new Map();
  readonly snapshots: Content[] = [];
  readonly past: (readonly [number, Content])[] = [];
  #snapshotNames: string[] = [];
  #views: (readonly [View, Content])[] = [];
  #prepared: { blob: Awaited<ReturnType<Store["blobs"]["prepare"]>>; bytes: Uint8Array }[] = [];
  #count = 0;

  constructor(history: "none" | "all") {
    this.#history = history;
  }

  async open(): Promise<void> {
    const options = { blobs: true, history: this.#history, bounds: { startDelayMillis: 0 } };
    this.store = await openOn(this.machine, options);
  }

  async step(step: unknown): Promise<void> {
    const { store } = this;
    if (typeof step === "object") await this.#change(step as Record<string, number>);
    else if (step === "collect") await store.blobs.collect();
    else if (step === "flush") await store.flush();
    else if (step === "snapshot") {
      const name = `s${this.#count++}`;
      await store.snapshot(name);
      this.#snapshotNames.push(name);
      this.snapshots.push(this.now);
    } else if (step === "drop snapshot") {
      const name = this.#snapshotNames.shift();
      this.snapshots.shift();
      if (name !== undefined) await store.dropSnapshot(name);
    } else if (step === "view") this.#views.push([store.view(), this.now]);
    else if (step === "release") this.#views.shift()?.[0].release();
    else if (step === "prepare") {
      const bytes = contentOf(50 + this.#count++, 0);
      this.#prepared.push({ blob: await store.blobs.prepare("p", bytes), bytes });
    } else if (step === "use") await this.#use();
  }

  async #change(step: Record<string, number>): Promise<void> {
    const { blobs } = this.store;
    const next = new Map(this.now);
    if (step.put !== undefined) {
      const bytes = contentOf(step.seed as number, step.changes as number);
      const name = NAMES[step.put] as string;
      const { version } = await blobs.put(name, bytes);
      next.set(`${name} ${version}`, bytes);
    } else {
      const name = NAMES[step.drop as number] as string;
      const all = blobs.versions(name);
      const version = all[(step.version as number) % Math.max(1, all.length)]?.version;
      if (version === undefined) return;
      await blobs.drop(name, { version });
      next.delete(`${name} ${version}`);
    }
    this.now = next;
    this.past.push([this.store.lastSequence, next]);
  }

  async #use(): Promise<void> {
    const one = this.#prepared.shift();
    if (one === undefined) return;
    const { version } = await this.store.transact((tx) => tx.blobs.put(one.blob));
    this.now = new Map(this.now).set(`p ${version}`, one.bytes);
    this.past.push([this.store.lastSequence, this.now]);
  }

  async check(): Promise<void> {
    await this.#checkIn(this.store.blobs, this.now);
    for (const [view, content] of this.#views) await this.#checkIn(view.blobs, content);
    for (const [i, content] of this.snapshots.entries()) {
      const state = await this.store.at(this.#snapshotNames[i] as string);
      await this.#checkIn(state.blobs, content);
      await state.close();
    }
  }

  /** All that has been, if it is kept. */
  async checkPast(): Promise<void> {
    if (this.#history === "none") return;
    for (const [sequence, content] of this.past) {
      const state = await this.store.at(sequence);
      await this.#checkIn(state.blobs, content);
      await state.close();
    }
  }

  async #checkIn(blobs: View["blobs"], content: Content): Promise<void> {
    for (const [key, bytes] of content) {
      const [name, version] = key.split(" ");
      const read = await blobs.get(name as string, { version: Number(version) });
      expect(same(read, bytes), key).toBe(true);
    }
    const counted = [...NAMES, "p"].reduce((sum, name) => sum + blobs.versions(name).length, 0);
    expect(counted).toBe(content.size);
  }

  async reopen(): Promise<void> {
    for (const [view] of this.#views) view.release();
    this.#views = [];
    this.#prepared = [];
    await this.store.close();
  }

  /** Only the newest of each name stays: what it is the difference to does, too. */
  async dropOlder(): Promise<void> {
    const next = new Map(this.now);
    for (const name of [...NAMES, "p"]) {
      for (const { version } of this.store.blobs.versions(name).slice(0, -1)) {
        await this.store.blobs.drop(name, { version });
        next.delete(`${name} ${version}`);
      }
    }
    this.now = next;
    await this.store.blobs.collect();
    await this.check();
  }

  /** Nothing stays, but for what is held. */
  async dropAll(): Promise<void> {
    for (const name of [...NAMES, "p"]) await this.store.blobs.drop(name);
    this.now = new Map();
    await this.store.blobs.collect();
    await this.check();
    while (this.#prepared.length > 0) await this.#use();
    await this.store.blobs.collect();
    await this.check();
  }

  /** What nothing needs goes, sooner or later. */
  async end(): Promise<void> {
    for (const [view] of this.#views) view.release();
    for (const { blob } of this.#prepared) blob.discard();
    for (const name of this.#snapshotNames) await this.store.dropSnapshot(name);
    for (const name of [...NAMES, "p"]) await this.store.blobs.drop(name);
    await this.store.blobs.collect();
    if (this.#history === "none") expect(this.store.blobs.stats().packs).toBe(0);
    await this.store.close();
  }
}

test.each(["none", "all"] as const)("with history %s", async (history) => {
  await fc.assert(
    fc.asyncProperty(steps, async (list) => {
      const world = new World(history);
      await world.open();
      const { machine } = world;
      for (const step of list) {
        if (step === "reopen") {
          await machine.run(world.reopen());
          await world.open();
        } else await machine.run(world.step(step));
        if (step === "collect" || step === "reopen") await machine.run(world.check());
      }
      await machine.run(world.check());
      await machine.run(world.dropOlder());
      await machine.run(world.dropAll());
      await machine.run(world.checkPast());
      await machine.run(world.end());
    }),
    { seed: seedOfRun(5), numRuns: Number(process.env.HOLDFAST_SWEEP === "all" ? 2000 : 15) },
  );
});
