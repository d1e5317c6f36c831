/** One slot: there and back, nothing damaged taken for good, and version 1 as it was. */
import { readFileSync } from "node:fs";
import { encode } from "@msgpack/msgpack";
import { describe, expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { MANIFEST_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import { manifestProblem } from "../../src/manifest/check.js";
import { encodeContent } from "../../src/manifest/encode.js";
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_AT,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_HEADER_BYTES,
  type Manifest,
  type ManifestSnapshot,
  type ManifestState,
  manifestBytes,
} from "../../src/manifest/format.js";
import fc from "../support/properties.js";
import { manifest, packs, slotOf } from "./content.js";

test("a manifest comes back as it was, in whole blocks", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  expect(bytes.length % 4096).toBe(0);
  expect(decodeManifest(bytes, portableChecksum)).toEqual({ ok: true, manifest });
  expect(slotOf(manifest)).toEqual(bytes);
});

test("what is decoded does not change with the memory that it was decoded from", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  const result = decodeManifest(bytes, portableChecksum);
  bytes.fill(0xff);
  expect(result).toEqual({ ok: true, manifest });
});

/** Lists of so many entries, around the lengths at which their heads change. */
function long(count: number): Manifest {
  const times = <T>(make: (i: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const segmentIds = manifest.segments.map(({ id }) => id);
  const [archive] = manifest.archives;
  const [snapshot] = manifest.snapshots;
  return {
    ...manifest,
    archives: times((i) => ({ ...archive!, id: i + 1 })),
    snapshots: times((i) => ({
      ...snapshot!,
      name: `s${i}`,
      segments: segmentIds.slice(0, i % 3),
    })),
    tables: times((i) => ({ id: i % 65536, name: `t${i}`, schemas: i % 2 === 0 ? [] : [{ i }] })),
  };
}

test.each([0, 1, 15, 16, 255, 65_535, 65_536])("lists of %i are encoded as by msgpack", (count) => {
  const { pieces } = encodeContent(long(count));
  expect(Buffer.compare(Buffer.concat(pieces), encode(long(count)))).toBe(0);
});

test("of any chain of manifests that share what they are made of, each is encoded as alone", () => {
  const { state, snapshots, segments, files, archives, tables } = manifest;
  const changes: readonly ((m: Manifest, n: number) => Manifest)[] = [
    (m, n) => ({ ...m, durableThrough: m.durableThrough + n, closed: n % 2 === 0 }),
    (m, n) => ({ ...m, state: { ...m.state, runsThrough: n } }),
    (m, n) => ({ ...m, state: { ...m.state, runs: state.runs.slice(n % 4) } }),
    (m, n) => ({ ...m, files: n % 2 === 0 ? files : m.files.slice(n % 3) }),
    (m, n) => ({ ...m, snapshots: [...m.snapshots, { ...snapshots[0]!, name: `n${n}` }] }),
    (m, n) => ({ ...m, snapshots: m.snapshots.slice(0, n % 4) }),
    (m, n) => ({ ...m, snapshots: m.snapshots.map((one) => ({ ...one, state: m.state, n })) }),
    (m, n) => ({ ...m, segments: n % 2 === 0 ? segments : m.segments.slice(1) }),
    (m, n) => ({ ...m, archives: [...archives, { ...archives[0]!, bytes: n }], tables }),
    (m, n) => ({ ...m, merge: n % 2 === 0 ? null : manifest.merge, generation: n }),
  ];
  const step = fc.tuple(fc.nat(changes.length - 1), fc.nat(1_000_000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let now = manifest;
      for (const [which, n] of steps) {
        now = changes[which]!(now, n);
        const bytes = Buffer.concat(encodeContent(now).pieces);
        expect(Buffer.compare(bytes, encode(now))).toBe(0);
      }
    }),
  );
});

test("every flipped bit of header and content is damage", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  expect(manifestBytes(bytes, portableChecksum)).toBe(used);
  for (let bit = 0; bit < used * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeManifest(copy, portableChecksum), `bit ${bit}`).toMatchObject({
      ok: false,
      why: "damaged",
    });
  }
});

test("a manifest that is cut off anywhere is damage", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  for (let length = 0; length < used; length++) {
    expect(decodeManifest(bytes.subarray(0, length), portableChecksum).ok).toBe(false);
  }
});

test("only a manifest with something that is new in a format says that it is of that format", () => {
  expect(versionIn(encodeManifest(manifest, portableChecksum))).toBe(MANIFEST_FORMAT_VERSION);
  const { historyBase: _b, historyHash: _h, ...archive } = manifest.archives[0]!;
  const before = encodeManifest({ ...manifest, archives: [archive] }, portableChecksum);
  expect(versionIn(before)).toBe(MANIFEST_FORMAT_VERSION - 1);
  expect(decodeManifest(before, portableChecksum)).toMatchObject({ ok: true });
});

function versionIn(bytes: Uint8Array): number {
  return viewOf(bytes).getUint32(MANIFEST_AT.formatVersion, true);
}

test("one that lists packs is of a version of its own, and what is said of them is checked", () => {
  const whole = { ...manifest, packs };
  const bytes = encodeManifest(whole, portableChecksum);
  expect(bytes).toEqual(slotOf(whole));
  expect(decodeManifest(bytes, portableChecksum)).toEqual({ ok: true, manifest: whole });
  const { historyBase: _b, historyHash: _h, ...archive } = manifest.archives[0]!;
  const withPacks = { ...whole, archives: [archive] };
  expect(versionIn(encodeManifest(withPacks, portableChecksum))).toBe(MANIFEST_FORMAT_VERSION);
  const [first, second] = packs;
  for (const wrong of [
    [{ ...first, chunks: 0 }],
    [first, first],
    [{ ...first, storeId: "ab" }],
    [{ ...second, dead: { ...second?.dead, since: -1 } }],
    [{ ...first, unknown: 1 }],
  ]) {
    const slot = slotOf({ ...manifest, packs: wrong });
    expect(decodeManifest(slot, portableChecksum)).toMatchObject({ why: "damaged" });
  }
});

test("a newer format is told apart from damage", () => {
  expect(
    decodeManifest(slotOf(manifest, MANIFEST_FORMAT_VERSION + 1), portableChecksum),
  ).toMatchObject({ why: "version" });
});

test("a good header before the content of another manifest is damage", () => {
  for (const [at, value] of [
    [MANIFEST_AT.generation, manifest.generation + 1],
    [MANIFEST_AT.storeId, 0xdead_beef],
  ] as const) {
    const bytes = encodeManifest(manifest, portableChecksum);
    const view = viewOf(bytes);
    view.setUint32(at, value, true);
    const sum = portableChecksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
    view.setUint32(MANIFEST_AT.headerChecksum, sum, true);
    const detail = "its header is that of another manifest";
    expect(decodeManifest(bytes, portableChecksum)).toEqual({ ok: false, why: "damaged", detail });
  }
});

test("a manifest larger than any may be is refused before it is written", () => {
  const schemas = ["x".repeat(MANIFEST_BYTES_MAX)];
  const tables = [{ id: 1, name: "t", schemas }];
  expect(() => encodeManifest({ ...manifest, tables }, portableChecksum)).toThrow(RangeError);
});

type Change = Partial<Record<keyof Manifest, unknown>>;
const { state, merge, files, segments, snapshots, archives } = manifest;
const [run, , , last] = state.runs;
const [file] = files;
const [snapshot] = snapshots as [ManifestSnapshot];
const { replayFrom } = state;

function withRun(index: number, change: object): Change {
  const runs = state.runs.map((one, i) => (i === index ? { ...one, ...change } : one));
  return { state: { ...state, runs } };
}

function withFile(change: object): Change {
  return { files: [{ ...file, ...change }, ...files.slice(1)] };
}

function withSegment(index: number, change: object): Change {
  return { segments: segments.map((one, i) => (i === index ? { ...one, ...change } : one)) };
}

function from(change: object): Change {
  return { state: { ...state, replayFrom: { ...replayFrom, ...change } } };
}

function withSnapshot(change: object): Change {
  return { snapshots: [{ ...snapshot, ...change }] };
}

function snapshotState(change: Partial<ManifestState>): Change {
  return withSnapshot({ state: { ...snapshot.state, ...change } });
}

const WRONG: Readonly<Record<string, Change>> = {
  "a generation that is not a number": { generation: "7" },
  "no segments": { segments: undefined },
  "a member that is not known": { extra: 1 } as Change,
  "an identity that is none": { storeId: "zz" },
  "a writer without a name": { writer: { host: "h", pid: 1, openedMicros: 1 } },
  "a method that is not known": { methods: [{ disk: "d", method: "hope", measured: [] }] },
  "a table without a name": { tables: [{ id: 1, schemas: [] }] },
  "a segment of no known state": withSegment(0, { state: "lost" }),
  "a segment of negative size": withSegment(0, { bytes: -1 }),
  "a segment aligned to no power of two": withSegment(0, { alignment: 4097 }),
  "a segment of which nothing says whether it is recycled": withSegment(0, { recycled: undefined }),
  "a segment that is recycled a little": withSegment(0, { recycled: 1 }),
  "no word about whether it was closed": { closed: 1 },
  "a last time before 1970": { lastMicros: -1 },
  "no cost of replay": { replay: undefined },
  "a cost that is not a number": {
    replay: { microsPerOperation: Number.NaN, microsPerKilobyte: 1 },
  },
  "a negative cost": { replay: { microsPerOperation: 1, microsPerKilobyte: -1 } },
  "no state": { state: undefined },
  "runs that are no list": { state: { ...state, runs: {} } },
  "a run with an id of 0": withRun(0, { id: 0 }),
  "two runs of one id": withRun(0, { id: 11 }),
  "a tier of a half": withRun(0, { tier: 0.5 }),
  "a tier beyond all": withRun(0, { tier: 1000 }),
  "a run of a file that is not listed": withRun(0, { files: [99] }),
  "a file in two runs": withRun(0, { files: [11] }),
  "a file twice in one run": withRun(0, { files: [13, 13] }),
  "files that are not in the order of their keys": withRun(3, { files: [6, 5, 12] }),
  "files that overlap": withRun(3, { files: [5, 6, 10] }),
  "the oldest run first": { state: { ...state, runs: [...state.runs].reverse() } },
  "a hole between two runs": withRun(1, { firstSequence: 82 }),
  "runs that overlap": withRun(1, { firstSequence: 80 }),
  "a run that ends before it begins": {
    state: { ...state, runs: [{ ...run, firstSequence: 111 }] },
    merge: null,
  },
  "a run that begins with nothing": withRun(3, { firstSequence: 0 }),
  "runs that end before runsThrough": { state: { ...state, runsThrough: 111 } },
  "runs that go beyond runsThrough": { state: { ...state, runsThrough: 109 } },
  "a negative runsThrough": { state: { ...state, runs: [], runsThrough: -1 }, merge: null },
  "replay from a segment that is not listed": from({ segmentId: 5 }),
  "replay from somewhere between two frames": from({ offset: 8193 }),
  "replay from the header of a segment": from({ offset: 0 }),
  "replay from behind the end of a segment": from({ segmentId: 4, offset: 20480 }),
  "replay that passes over what is in no run": from({ sequence: 112 }),
  "replay from no transaction": from({ sequence: 0 }),
  "replay from a place in no segment": from({ segmentId: 0 }),
  "replay behind a segment that is not sealed": from({ segmentId: 7, offset: 4096 }),
  "a link of more than 32 bits": from({ frameChecksum: 2 ** 32 }),
  "two files of one id": { files: [...files, file] },
  "a file without bytes": withFile({ bytes: 0 }),
  "a file of 4 GiB": withFile({ bytes: 2 ** 32 }),
  "a file of minus one row": withFile({ rows: -1 }),
  "a file of half a tombstone": withFile({ tombstones: 0.5 }),
  "a key that is a text": withFile({ firstKey: "a" }),
  "a key without a table": withFile({ firstKey: new Uint8Array(1) }),
  "a key that is too long": withFile({ lastKey: new Uint8Array(1027) }),
  "a first key behind the last one": withFile({ firstKey: Uint8Array.from([9, 9, 9]) }),
  "a checksum of more than 32 bits": withFile({ checksum: 2 ** 32 }),
  "a merge that is neither there nor not": { merge: 0 },
  "a merge of no runs": { merge: { ...merge, runs: [] } },
  "a merge of a run that is not there": { merge: { ...merge, runs: [11, 99] } },
  "a merge of one run twice": { merge: { ...merge, runs: [10, 10] } },
  "a merge that leaves out a run on the way": { merge: { ...merge, runs: [13, 11] } },
  "a merge of the last run into itself": { merge: { ...merge, runs: [10, last?.id] } },
  "a merge of more runs than there are": { merge: { ...merge, runs: [13, 11, 10, 5] } },
  "a merge up to a key that is too long": { merge: { ...merge, throughKey: new Uint8Array(1027) } },
  "a merge up to no key": { merge: { runs: merge?.runs } },
  "a snapshot without a name": withSnapshot({ name: "" }),
  "a snapshot of a name that is too long": withSnapshot({ name: "é".repeat(65) }),
  "two snapshots of one name": { snapshots: [snapshot, snapshot] },
  "a snapshot that ends before its runs": withSnapshot({ sequence: 59 }),
  "a snapshot of a segment that is not listed": withSnapshot({ segments: [4, 5] }),
  "a snapshot of a run of a file that is not listed": snapshotState({
    runs: [{ ...last!, files: [99] }],
  }),
  "a snapshot with a hole": snapshotState({ runsThrough: 61 }),
  "a snapshot without a replay": snapshotState({ replayFrom: undefined } as never),
  "a file of a store that is no ancestor": withFile({
    storeId: "00112233445566778899aabbccddeeff",
  }),
  "an archive twice": { archives: [...archives, ...archives] },
  "an archive that ends before it begins": { archives: [{ ...archives[0], firstSequence: 32 }] },
  "an archive without a time": { archives: [{ ...archives[0], lastMicros: undefined }] },
  "an archive with one hash of the history": {
    archives: [{ ...archives[0], historyBase: undefined }],
  },
  "an archive with a hash that is too short": {
    archives: [{ ...archives[0], historyHash: new Uint8Array(31) }],
  },
  "an archive without bytes": { archives: [{ ...archives[0], bytes: 0 }] },
};

test.each(Object.entries(WRONG))("%s is damage although the checksums are good", (_, change) => {
  const wrong = { ...manifest, ...change };
  expect(decodeManifest(slotOf(wrong), portableChecksum)).toMatchObject({ why: "damaged" });
  expect(() => encodeManifest(wrong as Manifest, portableChecksum)).toThrow();
});

test.each(Object.entries(WRONG))("%s is found beside what was right before", (_, change) => {
  expect(manifestProblem(manifest)).toBeUndefined();
  expect(manifestProblem({ ...manifest, ...change }, manifest)).toBeDefined();
});

test("a file that goes, or becomes another one, is missed by whatever names it", () => {
  for (const { id } of files) {
    const without = files.filter((one) => one.id !== id);
    expect(manifestProblem({ ...manifest, files: without }, manifest), `${id}`).toContain(`${id}`);
    // Its keys are those of others in its run now, where it has a neighbour.
    const moved = files.map((one) =>
      one.id === id ? { ...one, firstKey: files[0]!.firstKey } : one,
    );
    const alone = manifestProblem({ ...manifest, files: moved });
    expect(manifestProblem({ ...manifest, files: moved }, manifest)).toBe(alone);
  }
});

const RIGHT: Readonly<Record<string, Change>> = {
  "no runs at all": {
    state: { ...state, runs: [], runsThrough: 108 },
    merge: null,
    durableThrough: 108,
  },
  "replay from the very beginning": from({ segmentId: 0, offset: 0 }),
  "replay from the end of a sealed segment": from({ segmentId: 4, offset: 16384 }),
  "a run without files": withRun(1, { files: [] }),
  "files that nothing names": { state: { ...state, runs: [] }, merge: null },
  "a merge that has only begun": { merge: { ...merge, throughKey: new Uint8Array(0) } },
  "an archive of a segment without records": { archives: [{ ...archives[0], firstSequence: 31 }] },
};

test.each(Object.entries(RIGHT))("%s is right", (_, change) => {
  const right = { ...manifest, ...change } as Manifest;
  const bytes = encodeManifest(right, portableChecksum);
  expect(decodeManifest(bytes, portableChecksum)).toEqual({ ok: true, manifest: right });
});

/** Any part of a manifest, replaced by anything. */
function replaceAt(value: unknown, path: readonly number[], by: unknown): unknown {
  const [index, ...rest] = path;
  if (index === undefined || typeof value !== "object" || value === null) return by;
  if (value instanceof Uint8Array) return by;
  const keys = Object.keys(value);
  const key = keys[index % Math.max(1, keys.length)];
  if (key === undefined) return by;
  const inner = replaceAt((value as Record<string, unknown>)[key], rest, by);
  if (Array.isArray(value)) return value.map((item, i) => (String(i) === key ? inner : item));
  return { ...value, [key]: inner };
}

test("whatever stands anywhere in it, decoding tells, and never throws", () => {
  let refused = 0;
  fc.assert(
    fc.property(
      fc.array(fc.nat(20), { minLength: 1, maxLength: 6 }),
      fc.oneof(fc.anything({ maxDepth: 1 }), fc.integer(), fc.double(), fc.constant(undefined)),
      (path, by) => {
        const changed = replaceAt(manifest, path, by);
        let bytes: Uint8Array;
        try {
          bytes = slotOf(changed);
        } catch {
          return; // not even msgpack has a form for it
        }
        const result = decodeManifest(bytes, portableChecksum);
        if (!result.ok) refused++;
        else {
          const again = encodeManifest(result.manifest, portableChecksum);
          expect(again).toEqual(slotOf(changed, versionIn(again)));
        }
      },
    ),
    { numRuns: 2000 },
  );
  expect(refused).toBeGreaterThan(500);
});

describe("version 1", () => {
  const { replay: _r, state: _s, files: _f, merge: _m, snapshots: _n, ...rest } = manifest;
  const { archives: _a, lastMicros: _l, closed: _c, ...common } = rest;
  const old = {
    ...common,
    base: { sequence: 0, frameChecksum: 0 },
    segments: segments.map(({ recycled: _, ...segment }) => segment),
  };

  test("is read as a store without runs, whose replay begins with the first segment", () => {
    const result = decodeManifest(slotOf(old, 1), portableChecksum);
    expect(result).toEqual({
      ok: true,
      manifest: {
        ...common,
        lastMicros: 0,
        closed: false,
        segments: segments.map((segment) => ({ ...segment, recycled: false })),
        replay: { microsPerOperation: 3, microsPerKilobyte: 1 },
        state: {
          runs: [],
          runsThrough: 0,
          replayFrom: { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
        },
        files: [],
        merge: null,
        snapshots: [],
        archives: [],
      },
    });
  });

  test("what came before the first segment is where replay begins", () => {
    const base = { sequence: 41, frameChecksum: 77 };
    expect(decodeManifest(slotOf({ ...old, base }, 1), portableChecksum)).toMatchObject({
      manifest: { state: { runsThrough: 41, replayFrom: { sequence: 42, frameChecksum: 77 } } },
    });
  });

  test.each([
    ["without a base", { base: undefined }],
    ["with a base before the beginning", { base: { sequence: -1, frameChecksum: 0 } }],
    ["with runs", { state }],
    ["with recycled segments", { segments }],
  ])("%s is damage", (_, change) => {
    expect(decodeManifest(slotOf({ ...old, ...change }, 1), portableChecksum)).toMatchObject({
      why: "damaged",
    });
  });

  test("in the form of version 2, and the other way round, is damage", () => {
    expect(decodeManifest(slotOf(manifest, 1), portableChecksum).ok).toBe(false);
    expect(decodeManifest(slotOf(old, 2), portableChecksum).ok).toBe(false);
  });

  test.each(["closed", "crashed"])("as a released program wrote it, %s", (kind) => {
    for (const slot of [0, 1]) {
      const path = `../fixtures/v1-1/${kind}/manifest.${slot}`;
      const bytes = readFileSync(new URL(path, import.meta.url));
      const result = decodeManifest(bytes, portableChecksum);
      expect(result).toMatchObject({ ok: true, manifest: { state: { runs: [] } } });
    }
  });
});
