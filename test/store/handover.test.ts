/** A store goes from one holder to the next, in one process: what each of them is told. */
import { existsSync, statSync } from "node:fs";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { connectTo } from "../../src/disk/local-socket.js";
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { realDisks } from "../support/disks.js";

const rows = defineTable({
  name: "rows",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});
const cached = defineTable({ ...defining("cached"), tier: "cached" });

function defining(name: string) {
  return { name, version: 1, key: integer(), fields: { value: integer() } } as const;
}

let parent: string;
let directory: string;
const stores: Store[] = [];

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), "holdfast-handover-"));
  directory = join(parent, "store");
});
afterEach(async () => {
  for (const store of stores.splice(0)) await store.close();
  await rm(parent, { recursive: true });
});

/** Without threads of their own: hand-overs with these are in test/crash/handover.test.ts. */
const DISKS = realDisks();

const COMMON: OpenOptions = {
  disk: [...DISKS.values()].at(-1) as Disk,
  tables: [rows, cached],
  segmentBytes: 64 * 1024,
  finalSnapshotMillis: 0,
  onWarning: () => {},
};

async function opened(options: OpenOptions): Promise<Store> {
  const store = await open(directory, { ...COMMON, ...options });
  stores.push(store);
  return store;
}

describe.each([...DISKS.keys()])("on %s", (name) => {
  const disk = DISKS.get(name) as Disk;
  const old = () => opened({ disk, handover: true, writerId: "old" });
  const taker = () => opened({ disk, takeover: true, writerId: "new" });

  test("every write of the old one is acknowledged and there, or refused and not there", async () => {
    const before = await old();
    const fates: { readonly n: number; readonly code?: string }[] = [];
    let n = 0;
    const writer = async (): Promise<void> => {
      for (;;) {
        const mine = n++;
        try {
          await before.table(rows).put(mine, { value: mine });
          fates.push({ n: mine });
        } catch (error) {
          fates.push({ n: mine, code: (error as { code: string }).code });
          return;
        }
      }
    };
    const writers = Promise.all([writer(), writer(), writer()]);
    void before.table(cached).put(1, { value: 17 });
    await before.durable();
    const after = await taker();
    await writers;
    const refused = fates.filter(({ code }) => code !== undefined);
    expect(refused.map(({ code }) => code)).toEqual(refused.map(() => "HANDED_OVER"));
    expect(refused).toHaveLength(3);
    for (const { n: key, code } of fates) {
      const there = code === undefined ? { value: key } : undefined;
      expect(after.table(rows).get(key)).toEqual(there);
    }
    expect(after.table(rows).count()).toBe(fates.length - refused.length);
    expect(after.table(cached).get(1)).toEqual({ value: 17 });
    expect(after.recovery).toMatchObject({ tail: "end", tornBytes: 0 });
    const { sequence, to, opened: isOpen } = await before.handedOver;
    expect({ sequence, to }).toMatchObject({
      sequence: after.recovery.lastSequence,
      to: { pid: process.pid, writerId: "new" },
    });
    expect(await isOpen).toBe(true);
    await after.table(rows).put(1_000_000, { value: 1 });
  });

  test("of no use any more, the old one says so at each use, and closes well", async () => {
    const before = await old();
    await before.table(rows).put(1, { value: 1 });
    const table = before.table(rows);
    await taker();
    await before.handedOver;
    const gone = { code: "HANDED_OVER", message: expect.stringContaining(`${process.pid}`) };
    expect(() => table.get(1)).toThrow(expect.objectContaining(gone));
    await expect(table.put(2, { value: 2 })).rejects.toMatchObject(gone);
    expect(() => table.putSync(2, { value: 2 })).toThrow(expect.objectContaining(gone));
    await expect(before.transact(() => 1)).rejects.toMatchObject(gone);
    await expect(before.durable()).rejects.toMatchObject(gone);
    await expect(before.snapshot("x")).rejects.toMatchObject(gone);
    expect(() => before.view()).toThrow(expect.objectContaining(gone));
    await expect(before.at(1)).rejects.toMatchObject(gone);
    await before.close();
    expect(before.stats().state).toBe("closed");
  });
});

describe("what stands in the way", () => {
  test("one that was opened without `handover` is not asked, and goes on", async () => {
    const before = await opened({});
    await expect(opened({ takeover: true })).rejects.toMatchObject({
      code: "HANDOVER_REFUSED",
      data: { holder: { pid: process.pid } },
    });
    expect(existsSync(join(directory, "HANDOVER"))).toBe(false);
    await before.table(rows).put(1, { value: 1 });
  });

  test.each([
    ["says no", () => false],
    ["throws", () => Promise.reject(new Error("amid a settlement"))],
  ])("one whose program %s keeps the store", async (_, onRequest) => {
    const before = await opened({ handover: { onRequest } });
    await expect(opened({ takeover: true })).rejects.toMatchObject({ code: "HANDOVER_REFUSED" });
    await before.table(rows).put(1, { value: 1 });
    await before.flush();
  });

  test("the program is asked first: what it writes then is there", async () => {
    const before: Store = await opened({
      handover: {
        onRequest: async ({ pid, writerId }) => {
          await before.table(rows).put(7, { value: pid });
          return writerId === "new" ? undefined : false;
        },
      },
    });
    await expect(opened({ takeover: true, writerId: "other" })).rejects.toMatchObject({
      code: "HANDOVER_REFUSED",
    });
    const after = await opened({ takeover: true, writerId: "new" });
    expect(after.table(rows).get(7)).toEqual({ value: process.pid });
  });

  test("one that does not answer keeps the store, and may be asked again", async () => {
    let answer = (_: boolean): void => {};
    const onRequest = () =>
      new Promise<boolean>((resolve) => {
        answer = resolve;
      });
    const before = await opened({ handover: { onRequest } });
    await expect(opened({ takeover: { timeoutMillis: 50 } })).rejects.toMatchObject({
      code: "HANDOVER_TIMEOUT",
      data: { holder: { pid: process.pid } },
    });
    answer(true);
    await before.table(rows).put(1, { value: 1 });
    await before.flush();
    const second = opened({ takeover: true });
    const until = Date.now() + 10_000;
    const asking = answer;
    while (answer === asking && Date.now() < until) await new Promise((r) => setTimeout(r, 1));
    answer(true);
    expect((await second).table(rows).count()).toBe(1);
  });

  test("whoever could not open it does not get it", async () => {
    const before = await opened({ handover: true });
    await before.table(rows).put(1, { value: 1 });
    const other = defineTable({ ...defining("rows"), fields: { value: string() } });
    await expect(opened({ takeover: true, tables: [other] })).rejects.toMatchObject({
      code: "SCHEMA_MISMATCH",
    });
    await expect(opened({ takeover: true, environment: "other" })).rejects.toMatchObject({
      code: "WRONG_ENVIRONMENT",
    });
    await before.table(rows).put(2, { value: 2 });
    // The background, which was told to rest, goes on.
    await before.flush();
    expect(before.stats().background.runsThrough).toBe(before.lastSequence);
  });

  test("of two at once exactly one gets it", async () => {
    const before = await opened({ handover: true });
    await before.table(rows).put(1, { value: 1 });
    const both = await Promise.allSettled([
      opened({ takeover: true, writerId: "a" }),
      opened({ takeover: true, writerId: "b" }),
    ]);
    const got = both.filter(({ status }) => status === "fulfilled");
    const [lost] = both.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
    expect(got).toHaveLength(1);
    expect(lost).toMatchObject({ code: expect.stringMatching(/^(HANDOVER_REFUSED|LOCKED)$/) });
  });

  test("options that mean nothing, and a simulated disk", async () => {
    const bad: unknown[] = [
      { takeover: 1 },
      { takeover: null },
      { takeover: { timeoutMillis: 0 } },
      { takeover: { timeout: 5 } },
      { handover: "yes" },
      { handover: { onRequest: 1 } },
      { takeover: true, disk: new SimulatedMachine({ seed: 1 }).boot() },
    ];
    for (const options of bad) {
      await expect(opened(options as OpenOptions)).rejects.toMatchObject({
        code: "INVALID_ARGUMENT",
      });
    }
  });
});

describe("nobody has it", () => {
  test("it is opened as ever: also where a socket of somebody who was killed lies", async () => {
    await mkdir(directory);
    const path = join(directory, "HANDOVER");
    // A server that is closed takes its socket along: so the name is one of another file.
    await writeFile(path, "");
    const first = await opened({ takeover: true, handover: true });
    await first.table(rows).put(1, { value: 1 });
    const second = await opened({ takeover: true });
    expect(second.table(rows).get(1)).toEqual({ value: 1 });
    expect(existsSync(path)).toBe(false);
  });

  test("it is being closed: the other one waits for that", async () => {
    let asked = (): void => {};
    const asking = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let answer = (): void => {};
    const onRequest = () => {
      asked();
      return new Promise<undefined>((resolve) => {
        answer = () => resolve(undefined);
      });
    };
    const before = await opened({ handover: { onRequest } });
    await before.table(rows).put(1, { value: 1 });
    const after = opened({ takeover: true });
    await asking;
    const closing = before.close();
    answer();
    await closing;
    expect((await after).table(rows).get(1)).toEqual({ value: 1 });
    expect(() => before.table(rows).get(1)).toThrow(expect.objectContaining({ code: "CLOSED" }));
  });
});

describe("the socket", () => {
  const path = () => join(directory, "HANDOVER");

  test("is of this user alone, and goes with the store", async () => {
    const store = await opened({ handover: true });
    await listening();
    expect(statSync(path()).mode & 0o777).toBe(0o600);
    await store.close();
    expect(existsSync(path())).toBe(false);
  });

  test.each([
    ["a very long path", "long-".repeat(40)],
    ["a path of odd characters", 'a b\n"ü" %s #'],
  ])("works in %s", async (_, odd) => {
    directory = join(parent, odd, "store");
    const before = await opened({ handover: true });
    await before.table(rows).put(1, { value: 1 });
    const after = await opened({ takeover: true, handover: true });
    expect(after.table(rows).get(1)).toEqual({ value: 1 });
    await after.close();
    expect(existsSync(path())).toBe(false);
  });

  test("what a process left that died before its socket had a name is in nobody's way", async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(`${path()}.new`, "");
    const without = await opened({});
    await without.close();
    expect(existsSync(`${path()}.new`)).toBe(true);
    const store = await opened({ handover: true });
    await listening();
    expect(existsSync(`${path()}.new`)).toBe(false);
    await store.close();
  });

  test("where there can be none a warning says so, and the store works", async () => {
    await mkdir(path(), { recursive: true });
    const warnings: string[] = [];
    const store = await opened({ handover: true, onWarning: ({ code }) => warnings.push(code) });
    await store.table(rows).put(1, { value: 1 });
    await store.close();
    expect(warnings).toContain("NO_HANDOVER");
  });

  test.each([
    ["no JSON", "hello\n"],
    ["no ask", '{"takeOver":2}\n'],
    ["no end", "x".repeat(200_000)],
  ])("whoever says %s is sent away, and nothing happens", async (_, text) => {
    const store = await opened({ handover: true });
    await listening();
    const socket = createConnection(path());
    // It may be sent away before it has said all.
    socket.on("error", () => {});
    socket.write(text);
    await new Promise((resolve) => socket.on("close", resolve));
    await store.table(rows).put(1, { value: 1 });
  });

  const ask = { takeOver: 1, pid: 1, host: "h", writerId: "w", timeoutMillis: 10_000 };

  test("who goes after it was told that it may have it has not got it", async () => {
    const store = await opened({ handover: true });
    const peer = await connected();
    peer.send(ask);
    expect(await peer.next()).toEqual({ ready: true });
    peer.close();
    await store.table(rows).put(1, { value: 1 });
    await store.flush();
    expect(store.stats().background.runsThrough).toBe(store.lastSequence);
  });

  test("who got it and goes without having opened it: the old one is told", async () => {
    const store = await opened({ handover: true });
    await store.table(rows).put(1, { value: 1 });
    const peer = await connected();
    peer.send(ask);
    expect(await peer.next()).toEqual({ ready: true });
    peer.send({ go: true });
    expect(await peer.next()).toEqual({ released: store.lastSequence });
    const { opened: isOpen } = await store.handedOver;
    peer.close();
    expect(await isOpen).toBe(false);
    const again = await opened({ handover: true });
    expect(again.table(rows).get(1)).toEqual({ value: 1 });
  });

  test("a server that says nothing is given up, and what it holds stays", async () => {
    const store = await opened({});
    const silent = createServer(() => {}).listen(path());
    try {
      await expect(opened({ takeover: { timeoutMillis: 30 } })).rejects.toMatchObject({
        code: "HANDOVER_TIMEOUT",
      });
      await store.table(rows).put(1, { value: 1 });
    } finally {
      silent.close();
    }
  });

  async function listening(): Promise<void> {
    (await connected()).close();
  }

  /** It begins to listen soon after the opening. */
  async function connected() {
    for (;;) {
      try {
        return await connectTo(path());
      } catch {
        await new Promise((resolve) => setImmediate(resolve));
      }
    }
  }
});
