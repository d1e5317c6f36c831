/** Stores and processes: who may open one, and how long one keeps a process alive. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { defineTable, integer, type OpenOptions, open } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";

const CHILD = fileURLToPath(new URL("store-child.mjs", import.meta.url));
const make = (name: string, tier: "important" | "cached") =>
  defineTable({ name, tier, version: 1, key: integer(), fields: { value: integer() } });
const important = make("important", "important");
const cached = make("cached", "cached");

let parent: string;
let directory: string;
const children: ChildProcess[] = [];

function start(backend: string, what: "hold" | "idle" | "write"): ChildProcess {
  const child = spawn(process.execPath, [CHILD, backend, directory, what], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  children.push(child);
  return child;
}

async function hasOpened(child: ChildProcess): Promise<void> {
  const [line] = (await once(createInterface({ input: child.stdout! }), "line")) as [string];
  expect(line).toBe("OPEN");
}

beforeAll(ensureBuilt);
beforeEach(async () => {
  parent = await mkdtemp(`${tmpdir()}/holdfast-process-`);
  directory = `${parent}/store`;
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  }
  await rm(parent, { recursive: true });
});

describe.each([...realDisks().keys()])("on %s", (name) => {
  const backend = name.replace("native/", "") as NonNullable<OpenOptions["backend"]>;
  const options = { backend, tables: [important, cached], segmentBytes: 256 * 1024 };

  test("a store that another process has is LOCKED: by whom, where and since when", async () => {
    const before = Date.now();
    const child = start(backend, "hold");
    await hasOpened(child);
    const error = await open(directory, options).catch((reason: unknown) => reason);
    expect(error).toMatchObject({
      code: "LOCKED",
      message: expect.stringContaining(`process ${child.pid}`),
      data: { holder: { pid: child.pid, host: hostname() } },
    });
    const { since } = (error as { data: { holder: { since: string } } }).data.holder;
    expect(Date.parse(since)).toBeGreaterThanOrEqual(before - 1000);
    expect(Date.parse(since)).toBeLessThanOrEqual(Date.now() + 1000);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    await using store = await open(directory, options);
    expect(store.stats().epoch).toBe(2);
  });

  test("a store that this process has is LOCKED too, until it is closed", async () => {
    const store = await open(directory, options);
    await expect(open(directory, options)).rejects.toMatchObject({
      code: "LOCKED",
      data: { holder: { pid: process.pid } },
    });
    await store.table(important).put(1, { value: 1 });
    await store.close();
    await using again = await open(directory, options);
    expect(again.table(important).get(1)).toEqual({ value: 1 });
  });

  test("of two that open it at once, one has it", async () => {
    const openings = await Promise.allSettled([1, 2, 3].map(() => open(directory, options)));
    const stores = openings.flatMap((o) => (o.status === "fulfilled" ? [o.value] : []));
    expect(stores).toHaveLength(1);
    for (const opening of openings) {
      if (opening.status === "rejected") expect(opening.reason).toMatchObject({ code: "LOCKED" });
    }
    await stores[0]?.close();
  });

  test("an idle open store lets its process end", async () => {
    const child = start(backend, "idle");
    expect(await once(child, "exit")).toEqual([0, null]);
    await using store = await open(directory, options);
    expect(store.recovery).toMatchObject({ created: false, tail: "end" });
  });

  test("a process does not end before its important and cached rows are on disk", async () => {
    const child = start(backend, "write");
    expect(await once(child, "exit")).toEqual([0, null]);
    await using store = await open(directory, options);
    expect(store.table(important).count()).toBe(100);
    expect([...store.table(cached).values()].map((row) => row.value)).toEqual(
      Array.from({ length: 10 }, (_, i) => 90 + i),
    );
  });

  describe("what is no store is refused, with nothing written:", () => {
    test("a directory of somebody else's", async () => {
      await mkdir(directory);
      await writeFile(`${directory}/notes.txt`, "mine");
      const opening = open(directory, options);
      await expect(opening).rejects.toMatchObject({ code: "NOT_A_STORE" });
      expect(await readdir(directory)).toEqual(["notes.txt"]);
    });

    test("a file", async () => {
      await writeFile(directory, "mine");
      await expect(open(directory, options)).rejects.toMatchObject({ code: "NOT_A_STORE" });
      await expect(open(`${directory}/in/it`, options)).rejects.toMatchObject({
        code: "NOT_A_STORE",
      });
      expect(await readFile(directory, "utf8")).toBe("mine");
    });
  });

  test.skipIf(process.getuid?.() === 0)("a directory that cannot be written is IO", async () => {
    await mkdir(directory, { mode: 0o555 });
    await expect(open(directory, options)).rejects.toMatchObject({ code: "IO" });
    expect(await readdir(directory)).toEqual([]);
  });
});

if (process.getuid?.() === 0) {
  console.warn("SKIPPED: a directory that cannot be written: root can write everywhere");
}
