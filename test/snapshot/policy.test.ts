import { expect, test } from "vitest";
import { manifestProblem } from "../../src/manifest/check.js";
import type { Manifest, ManifestFile, ManifestRun } from "../../src/manifest/format.js";
import type { FlushResult, MergeResult } from "../../src/snapshot/jobs.js";
import { type MergePlan, planMerge } from "../../src/snapshot/policy.js";
import { withFlush, withMerge } from "../../src/snapshot/publication.js";
import { manifest } from "../manifest/content.js";
import fc from "../support/properties.js";

const KEYS = 2000;
/** Rows of a file; each counts for one byte. */
const FILE_ROWS = 50;
const PER_TIER = 4;
const OPTIONS = { runsPerTier: PER_TIER, fileBytes: FILE_ROWS };

const keyOf = (number: number): Uint8Array => Buffer.from([0, 1, number >>> 8, number & 0xff]);
const numberOf = (key: Uint8Array): number => ((key[2] as number) << 8) | (key[3] as number);

/** What a file holds; undefined is a tombstone. */
type Content = Map<number, number | undefined>;

/** A store of nothing but manifests, whose files are maps. */
class Model {
  manifest: Manifest;
  readonly contents = new Map<number, Content>();
  readonly truth: Content = new Map();
  sequence = 0;
  written = 0;
  flushed = 0;
  mostRuns = 0;
  /** Of a step into the last run. */
  mostInput = 0;
  mostBytes = 0;
  #nextId = 1;

  constructor() {
    this.manifest = {
      generation: 1,
      storeId: "0".repeat(32),
      environment: "test",
      createdMicros: 1,
      epoch: 1,
      writer: { writerId: "w", host: "h", pid: 1, openedMicros: 1 },
      framesInFlight: 1,
      frameBytesMax: 8192,
      methods: [],
      lastMicros: 0,
      closed: false,
      durableThrough: 0,
      segments: [],
      tables: [],
      replay: { microsPerOperation: 1, microsPerKilobyte: 1 },
      state: {
        runs: [],
        runsThrough: 0,
        replayFrom: { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
      },
      files: [],
      merge: null,
      snapshots: [],
      archives: [],
    };
  }

  /** Files that cannot be read. */
  avoid: ReadonlySet<number> = new Set();

  flush(changes: Content): void {
    for (const [key, value] of changes) {
      if (value === undefined) this.truth.delete(key);
      else this.truth.set(key, value);
    }
    const first = this.manifest.state.runs.length === 0;
    const kept = [...changes].filter(([, value]) => !first || value !== undefined);
    const firstSequence = this.sequence + 1;
    this.sequence++;
    const files = this.#filesOf(kept);
    this.flushed += kept.length;
    const result = { files, firstSequence, through: this.sequence };
    const replayFrom = { ...this.manifest.state.replayFrom, sequence: this.sequence + 1 };
    this.#publish(withFlush(this.manifest, { ...result, replayFrom } as unknown as FlushResult));
  }

  /** One step of merging; the flushes go on while it runs, and are published before it. */
  merge(meanwhile: () => void = () => {}): boolean {
    const plan = planMerge(this.manifest, { ...OPTIONS, avoid: this.avoid });
    if (plan === undefined) return false;
    const read = plan.runs.flatMap((run) => run.files);
    expect(read.filter((id) => this.avoid.has(id))).toEqual([]);
    const rows = this.#merged(plan);
    if (plan.kind === "last") this.mostInput = Math.max(this.mostInput, plan.inputBytes);
    const files = this.#filesOf(rows);
    meanwhile();
    this.#publish(withMerge(this.manifest, plan, { files } as unknown as MergeResult));
    return true;
  }

  /** What a reader finds, run by run from the newest. */
  rows(): Content {
    const found: Content = new Map();
    for (const run of this.manifest.state.runs) {
      for (const id of run.files) {
        for (const [key, value] of this.contents.get(id) as Content) {
          if (!found.has(key)) found.set(key, value);
        }
      }
    }
    return new Map([...found].filter(([, value]) => value !== undefined));
  }

  get bytes(): number {
    return this.manifest.files.reduce((sum, file) => sum + file.bytes, 0);
  }

  #merged(plan: MergePlan): [number, number | undefined][] {
    const after = plan.afterKey === undefined ? -1 : numberOf(plan.afterKey);
    const through = plan.throughKey === undefined ? KEYS : numberOf(plan.throughKey);
    const rows: Content = new Map();
    for (const run of plan.runs) {
      for (const id of run.files) {
        for (const [key, value] of this.contents.get(id) as Content) {
          if (key > after && key <= through && !rows.has(key)) rows.set(key, value);
        }
      }
    }
    return [...rows].filter(([, value]) => !plan.dropTombstones || value !== undefined);
  }

  #filesOf(rows: [number, number | undefined][]): ManifestFile[] {
    rows.sort(([a], [b]) => a - b);
    const files: ManifestFile[] = [];
    for (let at = 0; at < rows.length; at += FILE_ROWS) {
      const here = rows.slice(at, at + FILE_ROWS);
      const id = this.#nextId++;
      this.contents.set(id, new Map(here));
      files.push({
        id,
        bytes: here.length,
        rows: here.filter(([, value]) => value !== undefined).length,
        tombstones: here.filter(([, value]) => value === undefined).length,
        firstKey: keyOf((here[0] as [number, number])[0]),
        lastKey: keyOf((here.at(-1) as [number, number])[0]),
        checksum: 0,
      });
    }
    this.written += rows.length;
    return files;
  }

  #publish(manifest: Manifest): void {
    // Nothing of a plain map can prove a manifest better than the check that every opening makes.
    const problem = manifestProblem({
      ...manifest,

      closed: false,
      durableThrough: this.sequence,
    });
    if (problem !== undefined) throw new Error(problem);
    this.manifest = manifest;
    this.mostRuns = Math.max(this.mostRuns, manifest.state.runs.length);
    this.mostBytes = Math.max(this.mostBytes, this.bytes);
  }
}

const change = fc.record({
  key: fc.nat(KEYS - 1),
  value: fc.option(fc.nat(9), { nil: undefined, freq: 4 }),
});
const flushes = fc.array(
  fc.record({
    changes: fc.array(change, { minLength: 1, maxLength: 60 }),
    merges: fc.nat(3),
    during: fc.boolean(),
  }),
  { minLength: 1, maxLength: 60 },
);

test("whatever is flushed and merged, every read finds the newest row, at each step", () => {
  fc.assert(
    fc.property(flushes, (rounds) => {
      const model = new Model();
      for (const { changes, merges, during } of rounds) {
        const content: Content = new Map(changes.map(({ key, value }) => [key, value]));
        const flush = (): void => model.flush(content);
        if (!during || !model.merge(flush)) flush();
        expect(model.rows()).toEqual(model.truth);
        for (let i = 0; i < merges && model.merge(); i++) {
          expect(model.rows()).toEqual(model.truth);
        }
      }
      while (model.merge()) expect(model.rows()).toEqual(model.truth);
      expect(model.manifest.merge).toBeNull();
    }),
    { numRuns: 150 },
  );
});

/** Flushes of 40 rows each, every one followed by as many steps as there are to do. */
function run(rounds: number, key: (row: number) => number, model = new Model(), steps = Infinity) {
  let row = 0;
  for (let round = 0; round < rounds; round++) {
    const changes: Content = new Map();
    for (let i = 0; i < 40; i++) changes.set(key(row++), round % 10);
    model.flush(changes);
    for (let step = 0; step < steps && model.merge(); step++);
  }
  return model;
}

const scattered = (row: number): number => (row * 7919) % KEYS;

/** T of the head comment of policy.ts, for flushes of 40 rows. */
function tiers(model: Model): number {
  const ratio = Math.max(1, model.truth.size / 40);
  return Math.max(1, Math.ceil(Math.log(ratio) / Math.log(PER_TIER)));
}

test.each([
  ["scattered keys", scattered],
  ["growing keys", (row: number) => row % KEYS],
  ["few keys, again and again", (row: number) => row % 45],
])("reads, writes and space stay within what policy.ts says: %s", (_what, key) => {
  const model = run(600, key);
  const levels = tiers(model);
  expect(model.rows()).toEqual(model.truth);
  expect(model.mostRuns).toBeLessThanOrEqual((PER_TIER - 1) * levels + 2);
  expect(model.written / model.flushed).toBeLessThanOrEqual(levels + 2);
  const live = model.truth.size;
  const arriving = 40 * PER_TIER;
  expect(model.mostBytes).toBeLessThanOrEqual(3 * Math.max(live, FILE_ROWS) + 2 * arriving);
});

test("a merge that gets one step for each flush keeps up, with twice the runs at most", () => {
  const model = run(800, scattered, new Model(), 1);
  expect(model.rows()).toEqual(model.truth);
  expect(model.mostRuns).toBeLessThanOrEqual(2 * (PER_TIER - 1) * tiers(model) + 2 + PER_TIER);
});

test("with growing keys no step takes in more than a few files", () => {
  const model = new Model();
  const rounds = Math.floor(KEYS / 40);
  run(rounds, (row) => row, model);
  expect(model.mostInput).toBeLessThanOrEqual(8 * FILE_ROWS);
  expect(model.rows()).toEqual(model.truth);
});

test("a step is one file of the last run, and what the runs above have between its bounds", () => {
  const model = run(300, scattered);
  for (let round = 0; planMerge(model.manifest, OPTIONS)?.kind !== "last"; round++) {
    model.flush(new Map(Array.from({ length: 40 }, (_, i) => [scattered(40 * round + i), 1])));
    while (planMerge(model.manifest, OPTIONS)?.kind === "tier") model.merge();
  }
  const plan = planMerge(model.manifest, OPTIONS) as MergePlan;
  const last = plan.runs.at(-1);
  const first = model.manifest.files.find((file) => file.id === last?.files[0]);
  expect(plan).toMatchObject({ afterKey: undefined, dropTombstones: true });
  expect(plan.throughKey).toEqual(first?.lastKey);
  model.merge();
  expect(model.manifest.merge?.throughKey).toEqual(first?.lastKey);
  expect(planMerge(model.manifest, OPTIONS)?.afterKey).toEqual(first?.lastKey);
});

test("of many runs that wait, a merge takes the oldest few: it may be cut short each time", () => {
  const model = run(300, scattered);
  const before = model.manifest.state.runs.map(({ id }) => id);
  for (let i = 0; i < 5 * PER_TIER; i++) model.flush(new Map([[scattered(i), 1]]));
  const waiting = model.manifest.state.runs.filter(({ id }) => !before.includes(id));
  const plan = planMerge(model.manifest, OPTIONS) as MergePlan;
  expect(plan.runs).toHaveLength(2 * PER_TIER);
  const next = model.manifest.state.runs.indexOf(plan.runs.at(-1) as ManifestRun) + 1;
  expect(model.manifest.state.runs[next]?.tier).not.toBe(0);
  expect(waiting).toHaveLength(5 * PER_TIER);
  while (model.merge()) expect(model.rows()).toEqual(model.truth);
});

test("files that cannot be read stay out of it, and those above stay few", () => {
  fc.assert(
    fc.property(flushes, fc.nat(), fc.nat(30), (rounds, which, when) => {
      const model = new Model();
      for (const [round, { changes, merges }] of rounds.entries()) {
        model.flush(new Map(changes.map(({ key, value }) => [key, value])));
        const { files } = model.manifest;
        if (round === when) model.avoid = new Set([files[which % files.length]?.id ?? 0]);
        // Repaired.
        if (round === when + 20) model.avoid = new Set();
        for (let i = 0; i < merges && model.merge(); i++) {
          expect(model.rows()).toEqual(model.truth);
        }
      }
      model.avoid = new Set();
      while (model.merge()) expect(model.rows()).toEqual(model.truth);
      expect(model.manifest.merge).toBeNull();
    }),
    { numRuns: 150 },
  );
  const model = run(200, scattered);
  model.avoid = new Set(model.manifest.state.runs.at(-1)?.files);
  const before = model.manifest.state.runs.length;
  run(600, scattered, model);
  expect(model.mostRuns).toBeLessThanOrEqual(
    before + (PER_TIER - 1) * Math.ceil(Math.log(600) / Math.log(PER_TIER)) + PER_TIER,
  );
  expect(model.rows()).toEqual(model.truth);
});

test("a store whose every row is deleted ends up with nothing", () => {
  const model = run(100, scattered);
  const all: Content = new Map(Array.from({ length: KEYS }, (_, key) => [key, undefined]));
  for (let i = 0; i < PER_TIER; i++) model.flush(all);
  while (model.merge());
  expect(model.rows().size).toBe(0);
  expect(model.bytes).toBe(0);
});

test("a merge of which nothing is left leaves no run", () => {
  const { runs } = manifest.state;
  const merged = runs.slice(0, 2);
  const plan = {
    kind: "tier",
    runs: merged,
    tier: 1,
    dropTombstones: true,
    inputBytes: 1,
  } as const;
  const keys = { afterKey: undefined, throughKey: undefined };
  const result = { files: [] } as unknown as MergeResult;
  const after = withMerge(manifest, { ...plan, ...keys }, result);
  expect(after.state.runs).toEqual(runs.slice(2));
  const gone = new Set(merged.flatMap((run) => run.files));
  expect(after.files).toEqual(manifest.files.filter(({ id }) => !gone.has(id)));
});
