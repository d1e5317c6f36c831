/** `holdfast doctor`: measures any directory, leaves nothing in it, and names what is weak. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { RUN_FILE_BYTES } from "../../src/base/limits.js";
import type { Diagnosis } from "../../src/cli/doctor.js";
import { limitProblems, type ProcessLimits, parseLimits } from "../../src/cli/limits.js";
import { measurePlace } from "../../src/cli/measure-place.js";
import { chooseDisk } from "../../src/disk/choose.js";
import { weaknessOf } from "../../src/store/place.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";
import { flipBit, hashOf, holdfast, main, Stores, untilQuiet, withWriter } from "./stores.js";

const stores = new Stores();
const disk = chooseDisk("auto", () => {});
const linux = process.platform === "linux";
/** What strict mode thinks of the place of the tests: 0 nearly everywhere. */
let expected = 0;

beforeAll(async () => {
  ensureBuilt();
  await stores.begin();
  expected = weaknessOf(await disk.describe(await stores.copy())) === undefined ? 0 : 1;
});
afterAll(() => stores.end());

/** Holds it to leaving the directory as it was. */
async function doctor(directory: string) {
  const before = hashOf(directory);
  const { code, stdout, stderr } = await holdfast("doctor", directory, "--json");
  expect(hashOf(directory)).toBe(before);
  expect({ code, stderr }).toEqual({ code: expected, stderr: "" });
  return JSON.parse(stdout) as Diagnosis;
}

function emptyDirectory(): string {
  const path = stores.path();
  mkdirSync(path);
  return path;
}

test("an empty directory: the place, the measurement and what follows from it", async () => {
  const directory = emptyDirectory();
  const diagnosis = await doctor(directory);
  const { measured, chosen, used } = diagnosis;
  expect(diagnosis).toMatchObject({
    directory,
    disk: { kind: disk.info.kind },
    store: null,
    storeProblem: null,
    node: process.version,
  });
  expect(measured.map(({ method }) => method)).toContain(chosen);
  expect(used).toBe(chosen);
  const p50 = measured.find(({ method }) => method === used)?.p50Micros as number;
  expect(diagnosis.oneByOnePerSecond).toBe(Math.round(1e6 / Math.max(1, p50)));
  expect(diagnosis.inFlightPerSecond).toBeGreaterThan(0);
  expect(diagnosis.place.freeBytes).toBeGreaterThan(0);
  const { place, blockBytes, oneByOnePerSecond, logRoomSeconds } = diagnosis;
  expect(logRoomSeconds).toBe(Math.floor(place.freeBytes / (oneByOnePerSecond * blockBytes)));
  expect(readdirSync(directory)).toEqual([]);
});

test.each([...realDisks()])("the %s disk measures and leaves nothing behind", async (_, one) => {
  const directory = emptyDirectory();
  const { measured, chosen, used, lock } = await measurePlace(
    one,
    directory,
    4096,
    "buffered-dsync",
  );
  expect(measured.map(({ method }) => method)).toContain(chosen);
  expect(used).toBe("buffered-dsync");
  expect(lock).toBe(one.info.kind === "native" ? "flock" : "none");
  expect(readdirSync(directory)).toEqual([]);
});

test("for people, with one sentence at the end that says what to expect", async () => {
  const { code, stdout } = await holdfast("doctor", emptyDirectory());
  expect(code).toBe(expected);
  for (const label of ["file system", "write cache", "O_DIRECT", "io_uring", "lock", "limits"]) {
    expect(stdout).toMatch(new RegExp(`^${label} +\\S`, "m"));
  }
  expect(stdout).toMatch(/^direct-dsync +/m);
  expect(stdout).toMatch(/^8 in flight +[\d,]+ durable writes a second/m);
  const last = stdout.trimEnd().split("\n").at(-1);
  expect(last).toMatch(
    expected === 0 ? /^Expect an awaited put .*\.$/ : /^Do not keep a store here/,
  );
});

const limitsOf = (text: string) =>
  parseLimits(`Limit                     Soft Limit           Hard Limit           Units\n${text}`);

test("limits are the soft ones; unlimited and unknown are none", () => {
  const open = "Max open files            1024                 1048576              files\n";
  expect(limitsOf(open).openFilesMax).toBe(1024);
  const file = "Max file size             unlimited            unlimited            bytes\n";
  expect(limitsOf(open + file).fileBytesMax).toBe(null);
  expect(limitsOf("").addressBytesMax).toBe(null);
});

test("a limit that a store would run into is told, and one that it would not is not", () => {
  const none = parseLimits("");
  expect(limitProblems(none)).toEqual([]);
  const told = (limits: Partial<ProcessLimits>) => limitProblems({ ...none, ...limits });
  expect(told({ openFilesMax: 64 })).toEqual([expect.stringContaining("ulimit -n")]);
  expect(told({ openFilesMax: 1024 })).toEqual([]);
  expect(told({ fileBytesMax: RUN_FILE_BYTES })).toEqual([expect.stringContaining("ulimit -f")]);
  expect(told({ fileBytesMax: 2 * RUN_FILE_BYTES })).toEqual([]);
  expect(told({ addressBytesMax: 2 ** 32 })).toEqual([expect.stringContaining("ulimit -v")]);
  expect(told({ lockedBytesMax: 8 * 2 ** 20 })).toEqual([]);
});

test.runIf(linux)(
  "the limits of its process: the file size of its shell, in --json and text",
  () => {
    const directory = emptyDirectory();
    const under = (flags: string) =>
      spawnSync(
        "sh",
        [
          "-c",
          `ulimit -f 16384 && exec "$0" "$1" doctor "$2" ${flags}`,
          process.execPath,
          main,
          directory,
        ],
        { encoding: "utf8" },
      );
    const json = under("--json");
    expect(json.status).toBe(expected);
    const { limits, limitProblems: problems } = JSON.parse(json.stdout) as Diagnosis;
    // dash counts blocks of 512 bytes, other shells of 1024.
    expect([16384 * 512, 16384 * 1024]).toContain(limits.fileBytesMax);
    expect(problems).toEqual([expect.stringContaining("run files take")]);
    expect(under("").stdout).toMatch(/^TOO LOW +no file over \d+ bytes \(ulimit -f\)/m);
  },
);

test("a stranger's directory is measured, and left as it is", async () => {
  const directory = emptyDirectory();
  writeFileSync(join(directory, "letter.txt"), "dear");
  expect((await doctor(directory)).store).toBe(null);
});

test("a store: what it has recorded is told and used, and it opens afterwards", async () => {
  const directory = await stores.copy();
  const { store, used, measured } = await doctor(directory);
  expect(store?.environment).toBe("test");
  const recorded = store?.methods.find((choice) => choice.disk === disk.info.kind)?.method;
  expect(recorded).toBeDefined();
  if (measured.some(({ method }) => method === recorded)) expect(used).toBe(recorded);
  const { stdout } = await holdfast("doctor", directory);
  expect(stdout).toMatch(/^store +there is one, of environment "test"$/m);
  expect((await holdfast("inspect", directory)).code).toBe(0);
});

test("a damaged store is no obstacle", async () => {
  const directory = await stores.copy();
  for (const slot of [0, 1]) flipBit(join(directory, `manifest.${slot}`), 200);
  const { storeProblem } = await doctor(directory);
  expect(storeProblem).toBe("neither of its manifests can be read");
});

test("a store in use is measured beside its owner", async () => {
  const directory = stores.path();
  await withWriter(directory, "hold", async (child) => {
    await untilQuiet(directory);
    const { store } = await doctor(directory);
    expect(store?.heldBy?.pid).toBe(child.pid);
  });
});

test("interrupted, it takes its file with it", async () => {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    const directory = emptyDirectory();
    const child = spawn(process.execPath, [main, "doctor", directory], { stdio: "ignore" });
    const ended = once(child, "exit");
    while (!isMeasuring(directory) && child.exitCode === null) await sleep(1);
    child.kill(signal);
    const [code, by] = await ended;
    expect(readdirSync(directory)).toEqual([]);
    expect([code, by]).toEqual([null, signal]);
  }
});

/** Its own file is there, and not just that of the disk that tries out O_DIRECT. */
function isMeasuring(directory: string): boolean {
  return readdirSync(directory).some((name) => {
    const found = statSync(join(directory, name), { throwIfNoEntry: false });
    return found !== undefined && found.size >= 1024 * 1024;
  });
}

test.runIf(linux && existsSync("/dev/shm"))("a place in memory: exit code 1, and why", async () => {
  const place = await disk.describe("/dev/shm");
  if (!place.volatile) return;
  const { code, stdout } = await holdfast("doctor", "/dev/shm");
  expect(code).toBe(1);
  expect(stdout).toMatch(/^file system +tmpfs: WEAK, it lives in memory/m);
  expect(stdout).toContain("Do not keep a store here (tmpfs: ");
});

test.runIf(linux)("where there is nothing to look at: exit code 2 and one line", async () => {
  const file = join(emptyDirectory(), "file");
  writeFileSync(file, "");
  for (const directory of ["/proc", file, stores.path()]) {
    const { code, stdout, stderr } = await holdfast("doctor", directory);
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
    expect(stderr).toMatch(/^holdfast: [A-Z_]+: .*\n$/);
  }
  expect(readFileSync(file, "utf8")).toBe("");
});
