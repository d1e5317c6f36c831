/** Whether a process that is known by what it wrote down still runs. */
import { spawn } from "node:child_process";
import { describe, expect, test } from "vitest";
import { isAlive, ownIdentity } from "../../src/disk/identity.js";

const own = ownIdentity();

describe("a process", () => {
  test("that is this one is alive", () => {
    expect(own.pid).toBe(process.pid);
    expect(isAlive({ ...own })).toBe(true);
  });

  test("with this pid, but started at another time, is not", () => {
    if (own.startedAt === "") return console.warn("no /proc here: pids are all there is");
    expect(isAlive({ ...own, startedAt: "1" })).toBe(false);
  });

  test("of an earlier start of this machine is not", () => {
    if (own.bootId === "") return console.warn("no boot id here");
    expect(isAlive({ ...own, bootId: "another" })).toBe(false);
  });

  test("on another machine, or in another pid namespace, cannot be told", () => {
    expect(isAlive({ ...own, host: "another", bootId: "another" })).toBeUndefined();
    expect(isAlive({ ...own, pidNamespace: "pid:[1]" })).toBeUndefined();
  });

  test("that is no number of a process is not", () => {
    expect(isAlive({ ...own, pid: -1 })).toBe(false);
    expect(isAlive({ ...own, pid: 0.5 })).toBe(false);
  });

  test("that has ended is not, even before its parent has asked after it", async () => {
    const child = spawn(process.execPath, ["-e", ""], { stdio: "ignore" });
    const pid = child.pid!;
    await new Promise((resolve) => child.once("exit", resolve));
    expect(isAlive({ ...own, pid })).toBe(false);
  });
});
