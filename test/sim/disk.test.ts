/** Proves that the simulated machine does what it claims: every fault fires, synced data survives. */
import { describe, expect, test } from "vitest";
import type { Disk, DiskFile } from "../../src/disk/disk.js";
import { filled, machineWith, openQueue, PATH, runUntil, writeDurably } from "./beginnings.js";
import { Random, SECTOR_BYTES, SimulatedCrash, SimulatedMachine } from "./disk.js";

/** Some of everything, with writes in flight side by side. */
async function busy(machine: SimulatedMachine): Promise<void> {
  const { disk, queue, log, completed } = await openQueue(machine);
  const other = await machine.run(disk.open("/db/other", { write: true, create: true }));
  const writes = Array.from({ length: 10 }, (_, i) => other.write(i * 1000, filled(1000, i)));
  for (let slot = 0; slot < 16; slot++) {
    queue.slot(slot).fill(slot);
    queue.submit(log, slot, 4096, slot * 4096);
  }
  await machine.run(Promise.all(writes));
  await machine.run(other.sync());
  await machine.run(disk.rename("/db/other", "/db/renamed"));
  await runUntil(machine, () => completed.size === 16);
}

describe("determinism", () => {
  test("the same seed gives the same trace, crash and content", async () => {
    for (let seed = 0; seed < 50; seed++) {
      const run = async (): Promise<unknown[]> => {
        const machine = await machineWith(seed, filled(65_536, 9));
        machine.crashAfter(10 + seed);
        await busy(machine).catch((error: unknown) => {
          if (!(error instanceof SimulatedCrash)) throw error;
        });
        const contents = machine.files().map((path) => Buffer.from(machine.read(path)).toString());
        return [machine.traceHash, machine.events.nowMicros, machine.files(), contents];
      };
      expect(await run()).toEqual(await run());
    }
  });

  test("other seeds give other traces and orders of completion", async () => {
    const hashes = new Set<number>();
    const orders = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const machine = await machineWith(seed, filled(65_536, 9));
      const { queue, log, completed } = await openQueue(machine);
      for (let slot = 0; slot < 4; slot++) queue.submit(log, slot, 4096, slot * 4096);
      await runUntil(machine, () => completed.size === 4);
      hashes.add(machine.traceHash);
      orders.add([...completed.keys()].join());
    }
    expect(hashes.size).toBe(300);
    expect(orders.size).toBe(24);
  });

  test("the trace depends on content and on outcomes", async () => {
    const hashOf = async (byte: number, fail: boolean): Promise<number> => {
      const machine = await machineWith(1);
      if (fail) machine.addFault({ operation: "sync", error: "EIO" });
      await machine.run(writeDurably(machine.boot(), filled(100, byte))).catch(() => {});
      return machine.traceHash;
    };
    expect(await hashOf(1, false)).toBe(await hashOf(1, false));
    expect(await hashOf(1, false)).not.toBe(await hashOf(2, false));
    expect(await hashOf(1, false)).not.toBe(await hashOf(1, true));
  });

  test("what nothing can settle is reported, not waited for", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    await expect(machine.run(new Promise(() => {}))).rejects.toThrow("nothing is left");
  });
});

describe("a power loss", () => {
  test("never touches what was synced", async () => {
    const bytes = filled(10_000, 7);
    for (let seed = 0; seed < 200; seed++) {
      const machine = await machineWith(seed, bytes);
      const disk = machine.boot();
      const file = await machine.run(disk.open(PATH, { write: true }));
      await machine.run(file.write(20_000, filled(5000, 8)));
      machine.crash("power");
      expect(Buffer.compare(machine.read(PATH).subarray(0, 10_000), bytes)).toBe(0);
    }
  });

  test("keeps, loses and tears the sectors of what was not", async () => {
    const outcomes = { old: 0, new: 0, torn: 0, mixed: 0 };
    let garbage = 0;
    for (let seed = 0; seed < 500; seed++) {
      const machine = await machineWith(seed, filled(4096, 1));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      await machine.run(file.write(0, filled(4096, 2)));
      machine.crash("power");
      const kinds = new Set<string>();
      for (let at = 0; at < 4096; at += SECTOR_BYTES) {
        const sector = machine.read(PATH).subarray(at, at + SECTOR_BYTES);
        const values = new Set(sector);
        const kind = values.size > 1 ? "torn" : values.has(1) ? "old" : "new";
        outcomes[kind]++;
        kinds.add(kind);
        if ([...values].some((byte) => byte !== 1 && byte !== 2)) garbage++;
      }
      if (kinds.size > 1) outcomes.mixed++;
    }
    expect(outcomes.old).toBeGreaterThan(500);
    expect(outcomes.new).toBeGreaterThan(500);
    expect(outcomes.torn).toBeGreaterThan(50);
    expect(outcomes.mixed).toBeGreaterThan(100);
    expect(garbage).toBeGreaterThan(5);
  });

  test("can keep a later write and lose an earlier one, also of the same sector", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const machine = await machineWith(seed, filled(1024, 0));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      await machine.run(file.write(0, filled(512, 1)));
      await machine.run(file.write(512, filled(512, 1)));
      await machine.run(file.write(512, filled(512, 2)));
      machine.crash("power");
      const content = machine.read(PATH);
      seen.add(`${content[0]} ${content[512]}`);
    }
    expect([...seen]).toEqual(expect.arrayContaining(["0 0", "0 1", "0 2", "1 0", "1 1", "1 2"]));
  });

  test("can lose the size of a file, and the space that was reserved", async () => {
    const sizes = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const machine = await machineWith(seed, filled(100, 1));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      await machine.run(file.zeroFill(0, 8192));
      await machine.run(file.write(8192, filled(1000, 1)));
      machine.crash("power");
      sizes.add(machine.read(PATH).length);
    }
    expect([...sizes].sort((a, b) => a - b)).toEqual([100, 8192, 9192]);
  });

  test("can undo a truncation that was not synced, and only such a one", async () => {
    const sizes = new Set<number>();
    for (let seed = 0; seed < 100; seed++) {
      const machine = await machineWith(seed, filled(4000, 1));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      await machine.run(file.truncate(1000));
      if (seed >= 50) await machine.run(file.sync());
      machine.crash("power");
      const content = machine.read(PATH);
      expect(content.every((byte) => byte === 1)).toBe(true);
      if (seed >= 50) expect(content).toHaveLength(1000);
      sizes.add(content.length);
    }
    expect(sizes).toEqual(new Set([1000, 4000]));
  });

  test("shows no bytes from before a truncation after it was made longer again", async () => {
    for (let seed = 0; seed < 100; seed++) {
      const machine = await machineWith(seed, filled(4000, 1));
      const file = await machine.run(machine.boot().open(PATH, { write: true }));
      await machine.run(file.truncate(700));
      await machine.run(file.sync());
      await machine.run(file.write(3000, filled(100, 2)));
      machine.crash("power");
      expect(
        machine
          .read(PATH)
          .subarray(700, 3000)
          .every((byte) => byte === 0),
      ).toBe(true);
    }
  });

  test("of a queue write in flight leaves any sectors; of a completed one all", async () => {
    const counts = { none: 0, some: 0, all: 0 };
    for (let seed = 0; seed < 300; seed++) {
      const machine = await machineWith(seed, filled(16_384, 0));
      const { queue, log, completed } = await openQueue(machine);
      queue.slot(0).fill(1);
      queue.submit(log, 0, 8192, 0);
      await runUntil(machine, () => completed.has(0));
      queue.slot(1).fill(1);
      queue.submit(log, 1, 8192, 8192);
      machine.crash("power");
      const content = machine.read(PATH);
      expect(content.subarray(0, 8192).every((byte) => byte === 1)).toBe(true);
      const landed = content.subarray(8192).filter((byte) => byte !== 0).length;
      counts[landed === 0 ? "none" : landed === 8192 ? "all" : "some"]++;
    }
    expect(Math.min(counts.none, counts.some, counts.all)).toBeGreaterThan(20);
  });
});

test("after any sequence of changes, sectors that are durable survive a power loss", async () => {
  let durable = 0;
  let changed = 0;
  for (let seed = 0; seed < 400; seed++) {
    const machine = await machineWith(seed, filled(8192, 1));
    const random = new Random(seed);
    const { disk, queue, log } = await openQueue(machine);
    const file = await machine.run(disk.open(PATH, { write: true }));
    // For each sector the byte it is full of, or undefined while that is not durable.
    const known = new Map<number, number>(Array.from({ length: 16 }, (_, i) => [i, 1]));
    const set = (from: number, count: number, byte: number | undefined): void => {
      for (let i = from; i < from + count; i++) {
        if (byte === undefined) known.delete(i);
        else known.set(i, byte);
      }
    };
    for (let step = 2; step < 14; step++) {
      const [from, count] = [random.below(24), 1 + random.below(8)];
      const [offset, length] = [from * SECTOR_BYTES, count * SECTOR_BYTES];
      const kind = random.below(5);
      if (kind === 0) {
        await machine.run(file.write(offset, filled(length, step)));
        set(from, count, undefined);
      } else if (kind === 1) {
        await machine.run(file.zeroFill(offset, length));
        set(from, count, undefined);
      } else if (kind === 2) {
        await machine.run(file.truncate(offset));
        set(from, 64, undefined);
      } else if (kind === 3) {
        queue.slot(0).fill(step);
        queue.writeNow(log, 0, length, offset);
        set(from, count, step);
      } else {
        await machine.run(file.sync());
        const bytes = await machine.run(file.read(0, 65_536));
        set(0, 64, undefined);
        for (let at = 0; at < bytes.length; at += SECTOR_BYTES) {
          set(at / SECTOR_BYTES, 1, bytes[at]);
        }
      }
    }
    const before = machine.read(PATH);
    machine.crash("power");
    const after = machine.read(PATH);
    for (const [sector, byte] of known) {
      const content = after.subarray(sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
      expect(content, `seed ${seed}, sector ${sector}`).toHaveLength(SECTOR_BYTES);
      expect(
        content.every((each) => each === byte),
        `seed ${seed}, sector ${sector}`,
      ).toBe(true);
      durable++;
    }
    if (Buffer.compare(before, after) !== 0) changed++;
  }
  expect(durable).toBeGreaterThan(2000);
  expect(changed).toBeGreaterThan(100);
});

describe("names after a power loss", () => {
  async function after(
    seed: number,
    change: (disk: Disk) => Promise<void>,
  ): Promise<readonly string[]> {
    const machine = await machineWith(seed, filled(10, 1));
    await machine.run(change(machine.boot()));
    machine.crash("power");
    return machine.files();
  }

  async function outcomes(change: (disk: Disk) => Promise<void>): Promise<Set<string>> {
    const seen = new Set<string>();
    for (let seed = 0; seed < 200; seed++) seen.add((await after(seed, change)).join(" "));
    return seen;
  }

  const create = async (disk: Disk, path: string): Promise<DiskFile> => {
    const file = await disk.open(path, { write: true, create: true });
    await file.sync();
    return file;
  };

  test("a creation, a rename and a removal can each be lost", async () => {
    expect(await outcomes(async (disk) => void (await create(disk, "/db/new")))).toEqual(
      new Set(["/db/file", "/db/file /db/new"]),
    );
    expect(await outcomes((disk) => disk.rename(PATH, "/db/moved"))).toEqual(
      new Set(["/db/file", "/db/moved"]),
    );
    expect(await outcomes((disk) => disk.remove(PATH))).toEqual(new Set(["/db/file", ""]));
  });

  test("none is lost once the directory was synced", async () => {
    const change = async (disk: Disk): Promise<void> => {
      await create(disk, "/db/new");
      await disk.rename("/db/new", "/db/moved");
      await disk.remove(PATH);
      await disk.syncDirectory("/db");
    };
    expect(await outcomes(change)).toEqual(new Set(["/db/moved"]));
  });

  test("independent ones can survive in any combination", async () => {
    const change = async (disk: Disk): Promise<void> => {
      await create(disk, "/db/a");
      await create(disk, "/db/b");
    };
    expect((await outcomes(change)).size).toBe(4);
  });

  test("one never survives without those it builds on", async () => {
    const change = async (disk: Disk): Promise<void> => {
      await create(disk, "/db/temporary");
      await disk.rename("/db/temporary", PATH);
      await disk.rename(PATH, "/db/old");
      await create(disk, PATH);
    };
    for (const files of await outcomes(change)) {
      expect(["/db/file", "/db/file /db/temporary", "/db/old", "/db/file /db/old"]).toContain(
        files,
      );
    }
  });

  test("a synced file in a directory that was not is gone with it", async () => {
    const change = async (disk: Disk): Promise<void> => {
      await disk.createDirectory("/db/d");
      await create(disk, "/db/d/x");
      await disk.syncDirectory("/db/d");
    };
    expect(await outcomes(change)).toEqual(new Set(["/db/file", "/db/d/x /db/file"]));
  });

  test("a rename between directories needs both to be synced", async () => {
    const change = async (disk: Disk, sync: string[]): Promise<void> => {
      await disk.createDirectory("/to");
      await disk.syncDirectory("/");
      await disk.rename(PATH, "/to/file");
      for (const path of sync) await disk.syncDirectory(path);
    };
    expect(await outcomes((disk) => change(disk, ["/to"]))).toEqual(
      new Set(["/db/file", "/to/file"]),
    );
    expect(await outcomes((disk) => change(disk, ["/to", "/db"]))).toEqual(new Set(["/to/file"]));
  });
});
