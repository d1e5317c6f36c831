import { appendFile, mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isHoldfastError } from "../../src/base/errors.js";
import type { Disk } from "../../src/disk/disk.js";
import { acquireOwnership, type Ownership } from "../../src/disk/lock.js";
import { portableDisk } from "../../src/disk/portable.js";
import { realDisks } from "../support/disks.js";

const CLAIM = { writerId: "test" };

let directory: string;
let path: string;
const open: Ownership[] = [];

beforeEach(async () => {
  directory = await mkdtemp(`${tmpdir()}/holdfast-lock-`);
  path = `${directory}/LOCK`;
});

afterEach(async () => {
  for (const ownership of open.splice(0)) await ownership.release();
  await rm(directory, { recursive: true });
});

async function acquire(disk: Disk, waitMillis = 0): Promise<Ownership> {
  const ownership = await acquireOwnership(disk, path, CLAIM, { waitMillis });
  open.push(ownership);
  return ownership;
}

async function expectLocked(disk: Disk): Promise<Error> {
  const error = await acquire(disk).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!isHoldfastError(error, "LOCKED")) throw error ?? new Error("it was not locked");
  return error;
}

/** A line that a claim of some other process would have left. */
function claimLine(changes: Record<string, unknown>): string {
  const line = {
    token: "feedfacefeedface",
    ...portableDisk().self,
    disk: "portable",
    strength: "none",
    writerId: "other",
    since: "2024-01-01T00:00:00.000Z",
    ...changes,
  };
  return `${JSON.stringify(line)}\n`;
}

/** A process of this machine that has ended: the pid is there, but is somebody else's. */
const DEAD = { startedAt: "1" };

describe.each([...realDisks()])("ownership on %s", (_, disk) => {
  test("excludes a second owner and names the first", async () => {
    const first = await acquire(disk);
    expect(first.lock.path).toBe(path);
    const error = await expectLocked(disk);
    expect(error).toMatchObject({
      code: "LOCKED",
      data: { file: path, holder: { pid: process.pid, host: disk.self.host } },
    });
    expect(error.message).toContain(`process ${process.pid}`);
    expect(error.message).not.toContain("remove");
  });

  test("is to be had again after a release, which is idempotent", async () => {
    const first = await acquire(disk);
    await Promise.all([first.release(), first.release()]);
    const second = await acquire(disk);
    await first.release();
    await expectLocked(disk);
    await second.release();
    await acquire(disk);
  });

  test("can be given back when the file is gone", async () => {
    const first = await acquire(disk);
    await rm(path);
    await first.release();
    await acquire(disk);
  });

  test("of a directory that was renamed writes nothing into the lock of another made there", async () => {
    const first = await acquire(disk);
    const moved = `${directory}-moved`;
    await rename(directory, moved);
    try {
      await mkdir(directory);
      const second = await acquire(disk);
      const before = await readFile(path, "utf8");
      await first.release();
      expect(await readFile(path, "utf8")).toBe(before);
      await expectLocked(disk);
      await second.release();
      // Where it went to, it is to be had again by this process.
      path = `${moved}/LOCK`;
      await (await acquire(disk)).release();
    } finally {
      await rm(moved, { recursive: true });
    }
  });

  test("ignores a line that was cut off, and ends it", async () => {
    const half = claimLine({}).slice(0, 80);
    await writeFile(path, `${half}`);
    const ownership = await acquire(disk);
    const lines = (await readFile(path, "utf8")).split("\n");
    expect(lines[0]).toBe(half);
    expect(JSON.parse(lines[1]!)).toMatchObject({ writerId: "test", pid: process.pid });
    await appendFile(path, half);
    await ownership.release();
    const last = (await readFile(path, "utf8")).trimEnd().split("\n").at(-1)!;
    expect(Object.keys(JSON.parse(last))).toEqual(["release"]);
  });

  test.each(["null\n", "[]\n", "{}\n", '{"release":7}\n', '{"token":"x"}\n', "\n\n\u0000\n"])(
    "ignores the line %j",
    async (line) => {
      await writeFile(path, line);
      await acquire(disk);
    },
  );

  test("does not mind claims of the dead", async () => {
    await writeFile(path, claimLine(DEAD) + claimLine({ token: "2", bootId: "before" }));
    await acquire(disk);
  });

  test("does not mind claims that were given back", async () => {
    await writeFile(path, `${claimLine({})}{"release":"feedfacefeedface"}\n`);
    await acquire(disk);
  });

  test.each([
    ["of a living process without the flock", {}],
    ["of another pid namespace", { pidNamespace: "pid:[1]" }],
    ["of another machine", { host: "elsewhere", bootId: "elsewhere" }],
  ])("respects a claim %s", async (_name, changes) => {
    await writeFile(path, claimLine(changes));
    const error = await expectLocked(disk);
    expect(error).toMatchObject({ data: { holder: { since: "2024-01-01T00:00:00.000Z" } } });
    expect(error.message.includes(`remove ${path}`)).toBe(Object.keys(changes).length > 0);
    // The loser leaves nothing that keeps others out.
    await writeFile(path, (await readFile(path, "utf8")).replace(claimLine(changes), ""));
    await acquire(disk);
  });

  test("empties a file that has grown long, and still excludes", async () => {
    let text = "";
    for (let i = 0; text.length <= 64 * 1024; i++) {
      text += `${claimLine({ token: `t${i}` })}{"release":"t${i}"}\n`;
    }
    await writeFile(path, text);
    await acquire(disk);
    expect((await readFile(path, "utf8")).trimEnd().split("\n")).toHaveLength(1);
    await expectLocked(disk);
  });

  test("a claim in a file that has grown long still excludes", async () => {
    await writeFile(path, claimLine({}) + `${"x".repeat(99)}\n`.repeat(700));
    await expectLocked(disk);
    expect(await readFile(path, "utf8")).toContain("feedfacefeedface");
  });

  test("a system error passes through and leaves no lock", async () => {
    await expect(acquireOwnership(disk, `${directory}/none/LOCK`, CLAIM)).rejects.toMatchObject({
      code: "ENOENT",
    });
    await acquire(disk);
  });
});

const pairs = [...realDisks()].filter(([name]) => name !== "portable");

describe.each(pairs)("the portable disk and %s", (_, native) => {
  test("exclude each other", async () => {
    const portable = await acquire(portableDisk());
    await expectLocked(native);
    await portable.release();
    const ownership = await acquire(native);
    await expectLocked(portableDisk());
    await ownership.release();
    await acquire(portableDisk());
  });

  test("a claim under flock is void for whoever has the flock", async () => {
    await writeFile(path, claimLine({ strength: "flock", disk: "native" }));
    await expectLocked(portableDisk());
    const ownership = await acquire(native);
    await ownership.release();
    // The flock was given on since that claim, so it keeps nobody out any more.
    await acquire(portableDisk());
  });
});
