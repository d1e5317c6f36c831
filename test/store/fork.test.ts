/** A fork begins with what its parent holds, and neither reaches the other afterwards. */
import { createHash } from "node:crypto";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import { portableDisk } from "../../src/disk/portable.js";
import { bytes, defineTable, integer, open, type Store } from "../../src/index.js";
import { segmentFileName } from "../../src/log/format.js";
import { decodeManifest, type Manifest } from "../../src/manifest/format.js";
import { forkStore, pointOf } from "../../src/store/fork.js";
import { openRuns, type State, stateOf, steps } from "../cli/run-stores.js";

let place = "";
beforeEach(() => {
  place = mkdtempSync(join(tmpdir(), "holdfast-fork-"));
});
afterEach(() => rmSync(place, { recursive: true, force: true }));

function manifestOf(directory: string): Manifest {
  const result = decodeManifest(readFileSync(join(directory, "manifest.0")), portableChecksum);
  if (!result.ok) throw new Error(result.detail);
  return result.manifest;
}

/** The content of the immutable files, by name. */
function immutable(directory: string): Record<string, string> {
  const names = readdirSync(directory).filter((name) => /\.(run|archive)$/.test(name));
  return Object.fromEntries(
    names.map((name) => [
      name,
      createHash("sha256")
        .update(readFileSync(join(directory, name)))
        .digest("hex"),
    ]),
  );
}

async function filled(name: string, options: object = {}): Promise<Store> {
  const store = await openRuns(join(place, name), options);
  for (let round = 0; round < 4; round++) {
    await steps(store, round * 60, round * 60 + 60);
    await store.flush();
  }
  await steps(store, 240, 260);
  return store;
}

async function readClosed(directory: string, environment = "test"): Promise<State> {
  const store = await openRuns(directory, { environment });
  const state = stateOf(store);
  await store.close();
  return state;
}

test("of a running store: the same rows, another id, its parent's in the lineage, shared files", async () => {
  const store = await filled("parent");
  const info = await store.fork(join(place, "fork"));
  const expected = stateOf(store);
  expect(info).toMatchObject({ sequence: store.lastSequence, environment: "test", copied: 0 });
  const [parent, fork] = [manifestOf(join(place, "parent")), manifestOf(join(place, "fork"))];
  expect(fork.storeId).toBe(info.storeId);
  expect(fork.storeId).not.toBe(parent.storeId);
  expect(fork.lineage).toMatchObject([{ storeId: parent.storeId, sequence: info.sequence }]);
  expect(fork.files.length).toBeGreaterThan(0);
  for (const name of Object.keys(immutable(join(place, "fork")))) {
    expect(statSync(join(place, "fork", name)).ino).toBe(statSync(join(place, "parent", name)).ino);
  }
  for (const name of readdirSync(join(place, "fork")).filter((one) => one.endsWith(".log"))) {
    expect(statSync(join(place, "fork", name)).nlink).toBe(1);
  }
  await store.close();
  expect(await readClosed(join(place, "fork"))).toEqual(expected);
});

test("both go on, merge, and drop what they had in common: neither touches the other", async () => {
  const store = await filled("parent", { history: "all" });
  const other = await openForked(store, "fork", { history: "all" });
  const atFork = stateOf(store);
  const [inParent, inFork] = [immutable(join(place, "parent")), immutable(join(place, "fork"))];
  for (let i = 0; i < 6; i++) {
    await steps(store, 1000 + i * 40, 1040 + i * 40);
    await store.flush();
  }
  const parentState = stateOf(store);
  expect(stateOf(other)).toEqual(atFork);
  for (const [name, hash] of Object.entries(inFork)) {
    expect(immutable(join(place, "fork"))[name]).toBe(hash);
  }
  for (let i = 0; i < 6; i++) {
    await steps(other, 5000 + i * 40, 5040 + i * 40);
    await other.flush();
  }
  const forkState = stateOf(other);
  expect(stateOf(store)).toEqual(parentState);
  await Promise.all([store.close(), other.close()]);
  rmSync(join(place, "parent"), { recursive: true });
  expect(await readClosed(join(place, "fork"))).toEqual(forkState);
  expect(Object.keys(inParent).length).toBeGreaterThan(0);
});

async function openForked(store: Store, name: string, options: object = {}): Promise<Store> {
  await store.fork(join(place, name));
  return openRuns(join(place, name), options);
}

test("of a fork: the whole lineage, and files of each ancestor", async () => {
  const store = await filled("parent");
  const child = await openForked(store, "child");
  await steps(child, 2000, 2050);
  await child.flush();
  const grandchild = await openForked(child, "grandchild");
  const expected = stateOf(child);
  await Promise.all([store.close(), child.close(), grandchild.close()]);
  const ids = ["child", "parent"].map((name) => manifestOf(join(place, name)).storeId);
  const made = manifestOf(join(place, "grandchild"));
  expect(made.lineage?.map(({ storeId }) => storeId)).toEqual(ids);
  rmSync(join(place, "parent"), { recursive: true });
  rmSync(join(place, "child"), { recursive: true });
  expect(await readClosed(join(place, "grandchild"))).toEqual(expected);
});

describe("of a named snapshot", () => {
  test("what it showed, also when the log has gone on within the same frame", async () => {
    const store = await filled("parent");
    const pending = steps(store, 300, 301);
    const taken = store.snapshot("then");
    const after = steps(store, 301, 340);
    await pending;
    const { sequence } = await taken;
    await after;
    const info = await store.fork(join(place, "fork"), { at: "then" });
    expect(info.sequence).toBe(sequence);
    await using view = await open(join(place, "parent"), {
      at: "then",
      tables: (await import("../cli/run-stores.js")).TABLES,
      environment: "test",
    });
    const expected = stateOf(view as never);
    await store.close();
    expect(await readClosed(join(place, "fork"))).toEqual(expected);
  });

  test("that ends within a frame: what follows in it is not in the fork", async () => {
    const store = await openRuns(join(place, "parent"));
    const [before, taken, behind] = [
      steps(store, 0, 1),
      store.snapshot("then"),
      steps(store, 1, 2),
    ];
    await Promise.all([before, behind]);
    const { sequence } = await taken;
    expect(store.lastSequence).toBeGreaterThan(sequence);
    const info = await store.fork(join(place, "fork"), { at: "then" });
    expect(info.sequence).toBe(sequence);
    await store.close();
    const fork = await openRuns(join(place, "fork"));
    expect(fork.recovery.lastSequence).toBe(sequence);
    await steps(fork, 7, 9);
    await fork.close();
  });

  test("one that is not there: nothing is made", async () => {
    const store = await filled("parent");
    await expect(store.fork(join(place, "fork"), { at: "no" })).rejects.toMatchObject({
      code: "SNAPSHOT_NOT_FOUND",
    });
    await store.close();
    expect(readdirSync(place)).toEqual(["parent"]);
  });
});

test("while writes, flushes and merges go on, every fork is one state of the parent", async () => {
  const store = await openRuns(join(place, "parent"), { history: "all" });
  let running = true;
  const states = new Map<number, State>();
  const writing = (async () => {
    for (let i = 0; running; i++) {
      await steps(store, i * 5, i * 5 + 5);
      if (i % 4 === 0) await store.flush();
    }
  })();
  for (let i = 0; i < 5; i++) {
    const { sequence } = await store.fork(join(place, `fork-${i}`));
    const fork = await openRuns(join(place, `fork-${i}`));
    expect(fork.recovery.lastSequence).toBe(sequence);
    states.set(i, stateOf(fork));
    await fork.close();
  }
  running = false;
  await writing;
  await store.close();
  for (const [i, state] of states) {
    expect(await readClosed(join(place, `fork-${i}`))).toEqual(state);
  }
});

test("without links files are copied, durable, and the parent is as it was", async () => {
  const store = await filled("parent");
  const expected = stateOf(store);
  await store.close();
  const disk = portableDisk();
  const refused = Object.assign(new Error("EXDEV"), { code: "EXDEV" });
  const unlinked = new Proxy(disk, {
    get: (target, name) =>
      name === "link"
        ? () => Promise.reject(refused)
        : ((Reflect.get(target, name, target) as { bind?: (to: unknown) => unknown }).bind?.(
            target,
          ) ?? Reflect.get(target, name, target)),
  });
  const where = { disk: unlinked, directory: join(place, "parent"), to: join(place, "fork") };
  const info = await forkStore({ ...where, writerId: "w" }, () =>
    pointOf(disk, join(place, "parent"), undefined),
  );
  expect(info.copied).toBe(info.files);
  rmSync(join(place, "parent"), { recursive: true });
  expect(await readClosed(join(place, "fork"))).toEqual(expected);
});

test("a place that is not empty, or in the parent, is refused, and stays as it is", async () => {
  const store = await filled("parent");
  mkdirSync(join(place, "used", "x"), { recursive: true });
  for (const to of [join(place, "used"), join(place, "parent", "fork"), ""]) {
    await expect(store.fork(to)).rejects.toMatchObject({ code: "INVALID_ARGUMENT" });
  }
  await expect(store.fork(join(place, "f"), { at: "" })).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  await expect(store.fork(join(place, "f"), { on: 1 } as never)).rejects.toThrow("unknown option");
  await store.close();
  await expect(store.fork(join(place, "f"))).rejects.toMatchObject({ code: "CLOSED" });
  expect(readdirSync(join(place, "used"))).toEqual(["x"]);
});

test("a fork of another environment", async () => {
  const store = await filled("parent");
  await store.fork(join(place, "fork"), { environment: "trial" });
  const expected = stateOf(store);
  await store.close();
  await expect(readClosed(join(place, "fork"))).rejects.toMatchObject({
    code: "WRONG_ENVIRONMENT",
  });
  expect(await readClosed(join(place, "fork"), "trial")).toEqual(expected);
});

test("of an empty store, and of one whose all is in its log", async () => {
  const store = await openRuns(join(place, "parent"));
  const empty = await openForked(store, "empty");
  await steps(store, 0, 30);
  const fork = await openForked(store, "fork");
  expect(stateOf(empty)).toEqual({});
  expect(stateOf(fork)).toEqual(stateOf(store));
  await Promise.all([store, empty, fork].map((one) => one.close()));
});

describe("the log that is copied", () => {
  const blobs = defineTable({
    name: "blobs",
    version: 1,
    key: integer(),
    fields: { content: bytes() },
  });
  const options = {
    backend: "portable",
    tables: [blobs],
    recoveryBudgetMillis: 60_000,
    finalSnapshotMillis: 0,
    onWarning: () => {},
  } as const;

  test("may be several megabytes", async () => {
    const store = await open(join(place, "large"), options);
    for (let key = 0; key < 5; key++) {
      await store.table(blobs).put(key, { content: new Uint8Array(900_000).fill(key) });
    }
    const { logBytes } = await store.fork(join(place, "copy"));
    await store.close();
    expect(logBytes).toBeGreaterThan(4_000_000);
    const copy = await open(join(place, "copy"), options);
    for (let key = 0; key < 5; key++) {
      const content = copy.table(blobs).get(key)?.content as Uint8Array;
      expect([content.length, content[0], content.at(-1)]).toEqual([900_000, key, key]);
    }
    await copy.close();
  });

  test("may be none: a snapshot that is all in runs", async () => {
    const store = await open(join(place, "small"), options);
    await store.table(blobs).put(1, { content: new Uint8Array(10) });
    await store.flush();
    await store.snapshot("flushed");
    await store.table(blobs).put(2, { content: new Uint8Array(10) });
    await store.fork(join(place, "copy"), { at: "flushed" });
    await store.close();
    const copy = await open(join(place, "copy"), options);
    expect([...copy.table(blobs).keys()]).toEqual([1]);
    await copy.close();
  });

  /** A snapshot with a tail in the log, of a store that nobody has open; the segment of the tail. */
  async function kept(): Promise<string> {
    const store = await open(join(place, "kept"), options);
    for (let key = 0; key < 3; key++) {
      await store.table(blobs).put(key, { content: new Uint8Array(10) });
    }
    await store.snapshot("kept");
    await store.close();
    const [{ segments = [] } = {}] = manifestOf(join(place, "kept")).snapshots;
    return join(place, "kept", segmentFileName(segments[0] as number));
  }

  test.each([
    ["whose header is damaged", 0, /damaged header/],
    ["that lacks what the snapshot has", 4096, /no frame, and it was durable/],
  ])("of a segment %s is refused, and no store is left", async (_, from, why) => {
    const segment = await kept();
    const content = readFileSync(segment);
    content.fill(0, from, from === 0 ? 256 : content.length);
    writeFileSync(segment, content);
    const disk = portableDisk();
    const [directory, to] = [join(place, "kept"), join(place, "copy")];
    const forking = forkStore({ disk, directory, to, writerId: "test" }, () =>
      pointOf(disk, directory, "kept"),
    );
    await expect(forking).rejects.toMatchObject({
      code: "CORRUPT_LOG",
      message: expect.stringMatching(why),
    });
    await expect(
      open(to, { ...options, backend: "portable" }).then((s) => s.close()),
    ).resolves.toBe(undefined);
  });
});
