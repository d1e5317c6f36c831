/** Ownership among real processes, killed ones included. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { acquireOwnership } from "../../src/disk/lock.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";

const CHILD = fileURLToPath(new URL("lock-child.mjs", import.meta.url));
const CLAIM = { writerId: "test" };
const MIB = 1024 * 1024;

let directory: string;
let path: string;
const children: Child[] = [];

/** A process of lock-child.mjs, and what it says. */
class Child {
  readonly process: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(kind: string, logPath?: string) {
    const args = [CHILD, kind, path, ...(logPath === undefined ? [] : [logPath])];
    this.process = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#lines = createInterface({ input: this.process.stdout! })[Symbol.asyncIterator]();
    children.push(this);
  }

  async says(): Promise<string | undefined> {
    return (await this.#lines.next()).value as string | undefined;
  }

  tell(text: string): void {
    this.process.stdin!.write(`${text}\n`);
  }

  async end(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const ended = once(this.process, "exit");
    this.process.kill("SIGKILL");
    await ended;
  }
}

beforeAll(ensureBuilt);

beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/holdfast-lock-`);
  path = `${directory}/LOCK`;
});

afterEach(async () => {
  await Promise.all(children.splice(0).map((child) => child.end()));
  await rm(directory, { recursive: true });
});

function kindOf(disk: Disk): string {
  return disk.info.kind === "portable" ? "portable" : disk.info.backend;
}

describe.each([...realDisks()])("processes on %s", (_, disk) => {
  test("the second one is told who the first one is", async () => {
    const child = new Child(kindOf(disk));
    expect(await child.says()).toBe("OWN");
    await expect(acquireOwnership(disk, path, CLAIM)).rejects.toMatchObject({
      code: "LOCKED",
      data: { holder: { pid: child.process.pid, host: disk.self.host } },
    });
    child.tell("release");
    expect(await child.says()).toBe("RELEASED");
    await (await acquireOwnership(disk, path, CLAIM)).release();
  });

  test("a killed one does not keep others out", async () => {
    for (let round = 0; round < 3; round++) {
      const child = new Child(kindOf(disk));
      expect(await child.says()).toBe("OWN");
      await child.end();
      const ownership = await acquireOwnership(disk, path, CLAIM);
      await ownership.release();
    }
  });

  test("after a killed one, nothing that it wrote arrives any more", async () => {
    const logPath = `${directory}/log`;
    const log = await open(logPath, "w+");
    await log.write(Buffer.alloc(16 * MIB));
    await log.sync();
    const child = new Child(kindOf(disk), logPath);
    expect(await child.says()).toBe("OWN");
    await child.end();
    const ownership = await acquireOwnership(disk, path, CLAIM);
    await log.write(Buffer.alloc(16 * MIB), 0, 16 * MIB, 0);
    await log.sync();
    await log.close();
    expect((await readFile(logPath)).every((byte) => byte === 0)).toBe(true);
    await ownership.release();
  });

  test("of many at once exactly one gets it", async () => {
    const crowd = Array.from({ length: 6 }, () => new Child(kindOf(disk)));
    const said = await Promise.all(crowd.map((child) => child.says()));
    const owner = crowd[said.indexOf("OWN")];
    expect(said.filter((line) => line === "OWN")).toHaveLength(1);
    const others = said.filter((line) => line !== "OWN");
    // A contender that lost can be named for a moment: it had appended its claim first.
    const pids = crowd.map((child) => `LOCKED ${child.process.pid}`);
    expect(others.every((line) => pids.includes(line ?? ""))).toBe(true);
    await expect(acquireOwnership(disk, path, CLAIM)).rejects.toMatchObject({
      data: { holder: { pid: owner?.process.pid } },
    });
  });
});
