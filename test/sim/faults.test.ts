/** Proves that every fault of the simulated machine fires, and does what it says. */
import { describe, expect, test } from "vitest";
import { WRITE_METHODS } from "../../src/disk/disk.js";
import { filled, machineWith, openQueue, PATH, runUntil, writeDurably } from "./beginnings.js";
import { type Operation, SECTOR_BYTES, SimulatedCrash, SimulatedMachine } from "./disk.js";

describe("failing operations", () => {
  test("the n-th one, once", async () => {
    const machine = await machineWith(1, filled(100, 1));
    const file = await machine.run(machine.boot().open(PATH, { write: true }));
    const fault = machine.addFault({ operation: "write", error: "EIO", at: 3 });
    const outcomes: string[] = [];
    for (let i = 0; i < 5; i++) {
      await machine.run(file.write(0, filled(10, 2))).then(
        () => outcomes.push("ok"),
        (error: NodeJS.ErrnoException) => outcomes.push(`${error.code} ${error.path}`),
      );
    }
    expect(outcomes).toEqual(["ok", "ok", `EIO ${PATH}`, "ok", "ok"]);
    expect(fault.fired).toBe(1);
    expect(machine.counters.get("EIO write")).toBe(1);
  });

  test("from the n-th one on, for ever, over crashes, until removed", async () => {
    const machine = await machineWith(1, filled(100, 1));
    const fault = machine.addFault({
      operation: ["write", "sync"],
      error: "EROFS",
      at: 2,
      times: Infinity,
    });
    const file = await machine.run(machine.boot().open(PATH, { write: true }));
    await machine.run(file.sync());
    await expect(machine.run(file.write(0, filled(1, 1)))).rejects.toMatchObject({ code: "EROFS" });
    machine.crash("power");
    const again = await machine.run(machine.boot().open(PATH, { write: true }));
    await expect(machine.run(again.sync())).rejects.toMatchObject({ code: "EROFS" });
    expect(fault.fired).toBe(2);
    machine.removeFaults();
    await machine.run(again.sync());
  });

  test("by path, and by chance", async () => {
    const machine = await machineWith(1, filled(100, 1));
    const fault = machine.addFault({
      operation: "open",
      error: "EMFILE",
      path: "other",
      chance: 0.3,
    });
    const disk = machine.boot();
    let failures = 0;
    for (let i = 0; i < 200; i++) {
      const options = { write: true, create: true };
      await machine.run(disk.open("/db/other", options)).catch(() => failures++);
      await machine.run(disk.open(PATH));
    }
    expect(failures).toBeGreaterThan(30);
    expect(failures).toBeLessThan(90);
    expect(fault.fired).toBe(failures);
  });

  const calls: [Operation, (machine: SimulatedMachine) => Promise<unknown>][] = [
    ["open", (machine) => machine.boot().open(PATH)],
    ["list", (machine) => machine.boot().list("/db")],
    ["createDirectory", (machine) => machine.boot().createDirectory("/db/d")],
    ["rename", (machine) => machine.boot().rename(PATH, "/db/x")],
    ["remove", (machine) => machine.boot().remove(PATH)],
    ["syncDirectory", (machine) => machine.boot().syncDirectory("/db")],
    ["map", (machine) => machine.boot().map(PATH)],
    ["lock", (machine) => machine.boot().lock(PATH)],
    ["describe", (machine) => machine.boot().describe("/db")],
    ["size", async (machine) => (await machine.boot().open(PATH)).size()],
    ["read", async (machine) => (await machine.boot().open(PATH)).read(0, 1)],
    ["truncate", async (machine) => (await machine.boot().open(PATH, { write: true })).truncate(0)],
    [
      "zeroFill",
      async (machine) => (await machine.boot().open(PATH, { write: true })).zeroFill(0, 8),
    ],
  ];

  test.each(calls)("%s", async (operation, call) => {
    for (const error of ["EIO", "ENOSPC"]) {
      const machine = await machineWith(1, filled(100, 1));
      const fault = machine.addFault({ operation, error });
      await expect(machine.run(call(machine))).rejects.toMatchObject({ code: error });
      expect(fault.fired).toBe(1);
      expect(machine.files()).toEqual([PATH]);
      await machine.run(call(machine));
    }
  });

  test("a failed sync: later ones succeed, and what is lost stays lost", async () => {
    let lost = 0;
    for (let seed = 0; seed < 50; seed++) {
      const machine = await machineWith(seed, filled(4096, 1));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      machine.addFault({ operation: "sync", error: "EIO" });
      await machine.run(file.write(0, filled(4096, 2)));
      await expect(machine.run(file.sync())).rejects.toMatchObject({ code: "EIO" });
      await machine.run(file.sync());
      // The page cache shows what the device does not have; a direct read does not.
      expect((await machine.run(file.read(0, 4096))).every((byte) => byte === 2)).toBe(true);
      const direct = await machine.run(machine.boot().open(PATH, { direct: true }));
      const onDevice = await machine.run(direct.read(0, 4096));
      machine.crash("power");
      expect(Buffer.compare(machine.read(PATH), onDevice)).toBe(0);
      if (onDevice.includes(1)) lost++;
    }
    expect(lost).toBeGreaterThan(40);
  });

  test("a queue write: its sectors can be old or new, others are untouched", async () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const machine = await machineWith(seed, filled(16_384, 1));
      const { queue, log, completed } = await openQueue(machine);
      machine.addFault({ operation: "queueWrite", error: "EIO" });
      queue.slot(0).fill(2);
      queue.submit(log, 0, 8192, 4096);
      await runUntil(machine, () => completed.size === 1);
      expect(completed.get(0)).toMatchObject({ code: "EIO", path: PATH });
      const content = machine.read(PATH);
      expect(content.indexOf(2)).toBeGreaterThanOrEqual(4096);
      expect(content.lastIndexOf(2)).toBeLessThan(4096 + 8192);
      seen.add(content.filter((byte) => byte === 2).length / SECTOR_BYTES);
    }
    expect(seen.size).toBeGreaterThan(5);
  });

  test("writeNow and wait report failures as well", async () => {
    const machine = await machineWith(1, filled(16_384, 1));
    const { queue, log, completed } = await openQueue(machine);
    machine.addFault({ operation: "queueWrite", error: "ENOSPC", times: 2 });
    expect(() => queue.writeNow(log, 0, 4096, 0)).toThrow("ENOSPC");
    queue.submit(log, 1, 4096, 0);
    queue.wait();
    expect(completed.get(1)).toMatchObject({ code: "ENOSPC" });
    queue.writeNow(log, 0, 4096, 0);
  });
});

describe("wrong writes and bad media", () => {
  test("a short write is completed, in an operation of its own", async () => {
    const machine = await machineWith(1, filled(16_384, 0));
    const { disk, queue, log, completed } = await openQueue(machine);
    machine.addFault({ operation: ["queueWrite", "write"], write: "short", times: 2 });
    queue.slot(0).fill(3);
    const before = machine.operations;
    queue.submit(log, 0, 8192, 0);
    await runUntil(machine, () => completed.size === 1);
    expect(completed.get(0)).toBeUndefined();
    expect(machine.operations - before).toBe(3);
    expect(
      machine
        .readDurable(PATH)!
        .subarray(0, 8192)
        .every((byte) => byte === 3),
    ).toBe(true);
    machine.addFault({ operation: "write", write: "short" });
    const file = await machine.run(disk.open(PATH, { write: true }));
    await machine.run(file.write(0, filled(1000, 4)));
    expect((await machine.run(file.read(0, 1000))).every((byte) => byte === 4)).toBe(true);
    expect(machine.counters.get("short write")).toBe(1);
  });

  test("a lost write succeeds and changes nothing", async () => {
    const machine = await machineWith(1, filled(8192, 1));
    const { queue, log } = await openQueue(machine);
    const fault = machine.addFault({ operation: "queueWrite", write: "lost" });
    queue.slot(0).fill(2);
    queue.writeNow(log, 0, 4096, 0);
    expect(fault.fired).toBe(1);
    expect(machine.read(PATH).includes(2)).toBe(false);
  });

  test("a misdirected write succeeds and lands elsewhere in the file", async () => {
    const places = new Set<number>();
    for (let seed = 0; seed < 50; seed++) {
      const machine = await machineWith(seed, filled(65_536, 1));
      const { queue, log } = await openQueue(machine);
      machine.addFault({ operation: "queueWrite", write: "misdirected" });
      queue.slot(0).fill(2);
      queue.writeNow(log, 0, 4096, 0);
      const content = machine.readDurable(PATH)!;
      expect(content.filter((byte) => byte === 2)).toHaveLength(4096);
      expect(content).toHaveLength(65_536);
      places.add(content.indexOf(2));
    }
    expect(places.size).toBeGreaterThan(20);
  });

  test("a range that cannot be read", async () => {
    const machine = await machineWith(1, filled(10_000, 1));
    const range = machine.addReadError(PATH, 5000, 10);
    const disk = machine.boot();
    const file = await machine.run(disk.open(PATH, { direct: true }));
    await machine.run(file.read(0, 5000));
    await machine.run(file.read(5010, 4000));
    await expect(machine.run(file.read(4999, 2))).rejects.toMatchObject({ code: "EIO" });
    const mapping = await machine.run(disk.map(PATH));
    expect(() => mapping.copy(5009, 1, new Uint8Array(1), 0)).toThrow("EIO");
    expect(range.fired).toBe(2);
    expect(machine.counters.get("read error")).toBe(2);
  });

  test("flipped bits and changed content, for good", async () => {
    const machine = await machineWith(1, filled(1000, 0));
    expect(machine.flipBit(PATH, 10, 3)).toBe(10);
    const at = machine.flipBit(PATH);
    const content = machine.readDurable(PATH)!;
    expect(content[10]! & 8).toBe(8);
    expect(content.filter((byte) => byte !== 0)).toHaveLength(at === 10 ? 1 : 2);
    machine.mutate(PATH, (bytes) => bytes.subarray(0, 500));
    machine.crash("power");
    expect(machine.read(PATH)).toHaveLength(500);
    expect(machine.counters.get("bit flip")).toBe(2);
  });

  test("a full disk", async () => {
    const machine = await machineWith(1, filled(1000, 1));
    const { disk, queue, log, completed } = await openQueue(machine);
    machine.capacityBytes = 10_000;
    const file = await machine.run(disk.open("/db/other", { write: true, create: true }));
    await expect(machine.run(file.zeroFill(0, 9001))).rejects.toMatchObject({ code: "ENOSPC" });
    await machine.run(file.write(0, filled(9000, 1)));
    await expect(machine.run(file.truncate(9001))).rejects.toMatchObject({ code: "ENOSPC" });
    queue.submit(log, 0, 4096, 0);
    await runUntil(machine, () => completed.size === 1);
    expect(completed.get(0)).toMatchObject({ code: "ENOSPC" });
    expect((await machine.run(disk.describe("/db"))).freeBytes).toBe(0);
    await machine.run(disk.remove("/db/other"));
    queue.writeNow(log, 0, 4096, 0);
    expect(machine.counters.get("disk full")).toBe(3);
  });
});

describe("time", () => {
  test("a stall delays one operation while others go on", async () => {
    const machine = await machineWith(1, filled(65_536, 1));
    const { queue, log, completed } = await openQueue(machine);
    machine.addFault({ operation: "queueWrite", stallMicros: 5_000_000 });
    const start = machine.events.nowMicros;
    for (let slot = 0; slot < 8; slot++) queue.submit(log, slot, 4096, slot * 4096);
    await runUntil(machine, () => completed.size === 7);
    expect(completed.has(0)).toBe(false);
    expect(machine.events.nowMicros - start).toBeLessThan(10_000);
    queue.wait();
    expect(completed.has(0)).toBe(true);
    expect(machine.events.nowMicros - start).toBeGreaterThanOrEqual(5_000_000);
    expect(machine.counters.get("stall")).toBe(1);
  });

  test("the clock can jump both ways, the monotonic one does not", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const { clock } = machine.boot();
    const [wall, monotonic] = [clock.nowMicros(), clock.monotonicMicros()];
    machine.jumpClock(-3_600_000_000);
    expect(clock.nowMicros()).toBe(wall - 3_600_000_000);
    machine.jumpClock(7_200_000_000);
    expect(clock.nowMicros()).toBe(wall + 3_600_000_000);
    expect(clock.monotonicMicros()).toBe(monotonic);
    expect(machine.counters.get("clock jump")).toBe(2);
  });
});

describe("programs that end", () => {
  test("a killed one keeps what it wrote to the page cache", async () => {
    for (let seed = 0; seed < 20; seed++) {
      const machine = await machineWith(seed, filled(100, 1));
      const disk = machine.boot();
      const file = await machine.run(disk.open("/db/new", { write: true, create: true }));
      await machine.run(file.write(0, filled(5000, 2)));
      machine.crash("kill");
      expect(machine.read("/db/new")).toHaveLength(5000);
      expect(machine.boot().isAlive(disk.self)).toBe(false);
      machine.crash("power");
      expect(machine.boot().self.bootId).not.toBe(disk.self.bootId);
    }
  });

  test("what it had in flight lands never, at once or late; its lock is held until then", async () => {
    const seen = { never: 0, atOnce: 0, late: 0 };
    for (let seed = 0; seed < 200; seed++) {
      const machine = await machineWith(seed, filled(4096, 0));
      const { disk, queue, log } = await openQueue(machine);
      queue.slot(0).fill(1);
      queue.submit(log, 0, 512, 0);
      machine.kill(disk);
      const landed = (): boolean => machine.read(PATH)[0] === 1;
      const before = landed();
      const next = machine.boot();
      let lock = await machine.run(next.lock("/db/LOCK"));
      const late = lock === undefined;
      while (lock === undefined) lock = await machine.run(next.lock("/db/LOCK"));
      const content = machine.read(PATH);
      for (let i = 0; i < 20; i++) await machine.step();
      expect(Buffer.compare(machine.read(PATH), content)).toBe(0);
      seen[late ? "late" : before ? "atOnce" : "never"]++;
    }
    expect(Math.min(seen.never, seen.atOnce, seen.late)).toBeGreaterThan(20);
  });

  test("nothing happens for it any more", async () => {
    const machine = await machineWith(1, filled(8192, 1));
    const { disk, queue, log, completed } = await openQueue(machine);
    const file = await machine.run(disk.open(PATH, { write: true }));
    let settled = 0;
    const note = (): void => void settled++;
    file.write(0, filled(10, 2)).then(note, note);
    queue.submit(log, 0, 4096, 0);
    disk.scheduler.endOfTurn(note);
    disk.scheduler.after(1, note, true);
    machine.crash("kill");
    const content = machine.read(PATH);
    file.write(0, filled(10, 3)).then(note, note);
    disk.open("/db/more", { write: true, create: true }).then(note, note);
    disk.scheduler.endOfTurn(note);
    disk.scheduler.after(1, note, true);
    expect(() => queue.writeNow(log, 1, 4096, 0)).toThrow(SimulatedCrash);
    expect(() => queue.wait()).toThrow(SimulatedCrash);
    machine.removeFaults();
    while (await machine.step());
    expect(settled).toBe(0);
    expect(completed.size).toBe(0);
    expect(machine.files()).toEqual(["/db/LOCK", PATH]);
    expect(machine.read(PATH).includes(3)).toBe(false);
    expect(content).toHaveLength(8192);
  });

  test("a crash comes after exactly so many operations, which are then done", async () => {
    for (let n = 1; n <= 7; n++) {
      const machine = new SimulatedMachine({ seed: n });
      machine.crashAfter(n);
      const writing = machine.run(writeDurably(machine.boot(), filled(100, 1)));
      await expect(writing).rejects.toThrow(SimulatedCrash);
      expect(machine.operations).toBe(n);
      expect(machine.counters.get("power loss")).toBe(1);
      if (n === 7) expect(machine.readDurable(PATH)).toEqual(filled(100, 1));
    }
  });

  test("a crash comes inside synchronous writes, too", async () => {
    const machine = await machineWith(1, filled(8192, 1));
    const { queue, log } = await openQueue(machine);
    machine.crashAfter(2);
    queue.slot(0).fill(2);
    queue.writeNow(log, 0, 4096, 0);
    expect(() => queue.writeNow(log, 0, 4096, 4096)).toThrow(SimulatedCrash);
    expect(machine.read(PATH).every((byte) => byte === 2)).toBe(true);
  });

  test("others go on, and their lock excludes", async () => {
    const machine = await machineWith(1, filled(100, 1));
    const [one, other] = [machine.boot(), machine.boot()];
    const lock = await machine.run(one.lock("/db/LOCK"));
    expect(lock).toBeDefined();
    expect(await machine.run(other.lock("/db/LOCK"))).toBeUndefined();
    expect(other.isAlive(one.self)).toBe(true);
    machine.kill(one);
    expect(other.isAlive(one.self)).toBe(false);
    expect(await machine.run(other.lock("/db/LOCK"))).toBeDefined();
    expect(await machine.run(other.list("/db"))).toEqual(["LOCK", "file"]);
  });
});

describe("programs that are wrong", () => {
  test("a slot that is changed while in flight is noticed", async () => {
    const machine = await machineWith(1, filled(8192, 1));
    const { queue, log } = await openQueue(machine);
    queue.submit(log, 0, 4096, 0);
    queue.slot(0)[100] = 1;
    await expect(runUntil(machine, () => false)).rejects.toThrow("while it was in flight");
  });

  test("a direct write that is not aligned fails", async () => {
    for (const method of WRITE_METHODS) {
      const machine = await machineWith(1, filled(8192, 1));
      const { queue, log } = await openQueue(machine, method);
      const write = (): void => queue.writeNow(log, 0, 100, 0);
      if (method === "direct-dsync") expect(write).toThrow("EINVAL");
      else expect(write).not.toThrow();
    }
  });

  test("a slot that is in flight cannot be submitted again", async () => {
    const machine = await machineWith(1, filled(8192, 1));
    const { queue, log } = await openQueue(machine);
    queue.submit(log, 0, 4096, 0);
    expect(() => queue.submit(log, 0, 4096, 0)).toThrow("not free");
  });
});

test("a fork has the same files and a life of its own", async () => {
  const machine = await machineWith(1, filled(100, 1));
  const fork = machine.fork(2);
  fork.flipBit(PATH, 0, 7);
  expect(fork.files()).toEqual([PATH]);
  expect(fork.readDurable(PATH)![0]).toBe(129);
  expect(machine.read(PATH)[0]).toBe(1);
});
