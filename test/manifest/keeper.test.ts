/** Two slots on a simulated disk: at every instant one of them is valid. */
import { expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import {
  MANIFEST_AT,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_HEADER_BYTES,
  MANIFEST_SLOT_BYTES,
} from "../../src/manifest/format.js";
import { ManifestKeeper } from "../../src/manifest/keeper.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { SlotFile } from "../../src/manifest/slot-file.js";
import { SimulatedCrash, type SimulatedMachine } from "../sim/disk.js";
import { faultsOf } from "../support/fault-matrix.js";
import {
  closedStore,
  DIRECTORY,
  filesOf,
  fill,
  idle,
  keysOf,
  openOn,
  refusal,
  SLOTS,
  upTo,
} from "../support/simulated-store.js";

async function keeperOn(machine: SimulatedMachine): Promise<ManifestKeeper> {
  const disk = machine.boot();
  const { newest, newestSlot } = await machine.run(readManifestSlots(disk, DIRECTORY));
  if (newest === undefined) throw new Error("no manifest");
  return new ManifestKeeper(disk, DIRECTORY, newest, newestSlot);
}

async function generations(machine: SimulatedMachine): Promise<(number | string)[]> {
  const { slots } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  return slots.map((slot) => (slot.state === "valid" ? slot.manifest.generation : slot.state));
}

const countFault = faultsOf("manifest-keeper");

test("a change is in both slots when it is published", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  const before = keeper.current.generation;
  await machine.run(keeper.publish((manifest) => ({ ...manifest, durableThrough: 99 })));
  machine.crash("power");
  expect(await generations(machine)).toEqual([before + 1, before + 1]);
});

test("once it is closed nothing is published: the slots may be another one's", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  const before = keeper.current.generation;
  const last = keeper.publish((manifest) => ({ ...manifest, durableThrough: 99 }));
  const closing = keeper.close();
  const late = keeper.publish((manifest) => ({ ...manifest, durableThrough: 100 }));
  await expect(late).rejects.toMatchObject({ code: "CLOSED" });
  await machine.run(last);
  await machine.run(closing);
  expect(await generations(machine)).toEqual([before + 1, before + 1]);
});

test("cut short at any operation, the older or the newer manifest is there, whole", async () => {
  const seen = new Set<string>();
  for (const kind of ["power", "kill"] as const) {
    for (let n = 1; ; n++) {
      const machine = (await closedStore(3, n)).fork(n);
      const keeper = await keeperOn(machine);
      const before = keeper.current.generation;
      machine.crashAfter(n, kind);
      let done = false;
      try {
        await machine.run(keeper.publish((manifest) => ({ ...manifest, durableThrough: 99 })));
        done = true;
      } catch (error) {
        expect(error).toBeInstanceOf(SimulatedCrash);
      }
      machine.crashAfter(Number.POSITIVE_INFINITY);
      const { newest } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
      expect([before, before + 1]).toContain(newest?.generation);
      expect(newest?.durableThrough === 99).toBe(newest?.generation === before + 1);
      seen.add(`${newest?.generation === before ? "older" : "newer"}`);
      if (done) break;
    }
  }
  expect([...seen].sort()).toEqual(["newer", "older"]);
});

test("a change of somebody else is found before anything is written over it", async () => {
  const machine = await closedStore(3);
  const ours = await keeperOn(machine);
  const theirs = await keeperOn(machine);
  await machine.run(theirs.publish((m) => ({ ...m, epoch: m.epoch + 1 })));
  const files = filesOf(machine);
  await expect(machine.run(ours.publish((m) => m))).rejects.toMatchObject({ code: "FENCED" });
  expect(filesOf(machine)).toEqual(files);
});

test("a change of somebody else under the same generation is found as well", async () => {
  const machine = await closedStore(3);
  const [ours, theirs] = [await keeperOn(machine), await keeperOn(machine)];
  await machine.run(ours.publish((m) => m));
  const files = filesOf(machine);
  const other = (await closedStore(3)).fork(2);
  const third = await keeperOn(other);
  await other.run(third.publish((m) => ({ ...m, epoch: m.epoch + 1 })));
  for (const slot of SLOTS) machine.mutate(slot, () => other.read(slot));
  expect(filesOf(machine)).not.toEqual(files);
  await expect(machine.run(ours.publish((m) => m))).rejects.toMatchObject({ code: "FENCED" });
  await expect(machine.run(theirs.publish((m) => m))).rejects.toMatchObject({ code: "FENCED" });
});

test("a younger store at its place is not taken for an older manifest", async () => {
  const machine = await closedStore(3);
  const ours = await keeperOn(machine);
  await machine.run(ours.publish((m) => m));
  const other = await closedStore(3, 2);
  for (const slot of SLOTS) machine.mutate(slot, () => other.read(slot));
  const theirs = await keeperOn(machine);
  expect(theirs.current.generation).toBeLessThan(ours.current.generation);
  const files = filesOf(machine);
  await expect(machine.run(ours.assertOurs())).resolves.toBeUndefined();
  await expect(machine.run(ours.publish((m) => m))).rejects.toMatchObject({ code: "FENCED" });
  await expect(machine.run(ours.assertOurs())).rejects.toMatchObject({ code: "FENCED" });
  expect(filesOf(machine)).toEqual(files);
});

test("where the directory is gone nothing is made anew", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => m));
  await expect(machine.run(keeper.assertOurs())).resolves.toBeUndefined();
  const disk = machine.boot();
  for (const slot of SLOTS) await machine.run(disk.remove(slot));
  const files = filesOf(machine);
  await expect(machine.run(keeper.assertOurs())).rejects.toMatchObject({ code: "MISSING_FILE" });
  const change = keeper.publish((m) => m);
  await expect(machine.run(change)).rejects.toMatchObject({ code: "MISSING_FILE" });
  expect(filesOf(machine)).toEqual(files);
});

test("a store that was taken over stops with its next change of the manifest", async () => {
  const machine = await closedStore(3);
  const store = await openOn(machine);
  await idle(machine);
  const theirs = await keeperOn(machine);
  await machine.run(theirs.publish((m) => ({ ...m, epoch: m.epoch + 1 })));
  await fill(machine, store, 3, 6);
  await expect(machine.run(store.close())).rejects.toMatchObject({ code: "FENCED" });
  countFault("52 lock that lies", "a second writer behind its back", "FENCED, nothing overwritten");
});

test.each(["open", "write", "sync", "read", "close"] as const)(
  "after a failed %s the next change goes through, and is not taken for another writer's",
  async (operation) => {
    for (let at = 1; at <= 8; at++) {
      const machine = (await closedStore(3)).fork(at);
      const keeper = await keeperOn(machine);
      machine.addFault({ operation, path: "manifest", error: "EIO", at, times: 2 });
      const failed = await machine.run(keeper.publish((m) => ({ ...m, durableThrough: 50 }))).then(
        () => "done",
        (error: { code: string }) => error.code,
      );
      expect(["done", "IO"]).toContain(failed);
      machine.removeFaults();
      await machine.run(keeper.publish((m) => ({ ...m, durableThrough: 60 })));
      const { slots } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
      for (const slot of slots) {
        expect(slot).toMatchObject({ state: "valid", manifest: { durableThrough: 60 } });
      }
    }
  },
);

test("a slot that was put in the place of ours is found before anything is written", async () => {
  const machine = await closedStore(3);
  const ours = await keeperOn(machine);
  await machine.run(ours.publish((m) => m));
  const image = machine.fork(2);
  const theirs = await keeperOn(image);
  await image.run(theirs.publish((m) => ({ ...m, epoch: m.epoch + 1 })));
  // Under other names first: the files that the keeper has open stay as they are.
  const disk = machine.boot();
  for (const slot of SLOTS) {
    const file = await machine.run(disk.open(`${slot}.other`, { write: true, create: true }));
    await machine.run(file.write(0, image.read(slot)));
    await machine.run(disk.rename(`${slot}.other`, slot));
  }
  const files = filesOf(machine);
  await expect(machine.run(ours.publish((m) => m))).rejects.toMatchObject({ code: "FENCED" });
  expect(filesOf(machine)).toEqual(files);
});

test("while nothing goes wrong nothing is opened, and each slot is read at its beginning", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => ({ ...m, tables: large(40_000) })));
  const opens = machine.addFault({ operation: "open", path: "manifest", error: "EMFILE" });
  const reads = machine.addFault({
    operation: "read",
    path: "manifest",
    stallMicros: 1,
    times: 99,
  });
  await machine.run(keeper.publish((m) => ({ ...m, durableThrough: 99 })));
  expect(opens.fired).toBe(0);
  // Of each slot the first block, and what was written.
  expect(reads.fired).toBe(4);
  machine.crash("power");
  const { slots } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  for (const slot of slots) expect(slot).toMatchObject({ manifest: { durableThrough: 99 } });
});

test("a slot that rots while the store is open is written first by the next change", async () => {
  for (const [slot, good] of [SLOTS, [...SLOTS].reverse()] as [string, string][]) {
    const machine = await closedStore(3);
    const keeper = await keeperOn(machine);
    await machine.run(keeper.publish((m) => m));
    machine.flipBit(slot, 100);
    const bytes = machine.read(good);
    machine.addFault({ operation: "write", path: slot, error: "EIO" });
    const change = () => machine.run(keeper.publish((m) => ({ ...m, durableThrough: 99 })));
    await expect(change()).rejects.toMatchObject({ code: "IO", data: { file: slot } });
    expect(Buffer.compare(machine.read(good), bytes), "the good one was not touched").toBe(0);
    await change();
    const [a, b] = await generations(machine);
    expect(a).toBe(b);
  }
});

test("with both slots rotten while the store is open, the next change writes them anew", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => m));
  for (const slot of SLOTS) machine.flipBit(slot, 100);
  await machine.run(keeper.publish((m) => ({ ...m, durableThrough: 99 })));
  const { current } = keeper;
  expect(await generations(machine)).toEqual([current.generation, current.generation]);
});

test("slots put back to an older generation while the store is open are written over", async () => {
  const machine = await closedStore(3);
  const older = SLOTS.map((slot) => machine.read(slot).slice());
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => m));
  SLOTS.forEach((slot, i) => void machine.mutate(slot, () => older[i]));
  await machine.run(keeper.publish((m) => ({ ...m, durableThrough: 99 })));
  const { current } = keeper;
  expect(await generations(machine)).toEqual([current.generation, current.generation]);
});

/** No code of the system: the program has made a mistake, or was ended. */
const MISTAKE = { operation: "read", error: "MISTAKE" } as const;

test("a mistake of the program in looking at the slots is thrown, not called rot", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => m));
  const files = filesOf(machine);
  machine.addFault({ ...MISTAKE, path: SLOTS[0] });
  const change = machine.run(keeper.publish((m) => ({ ...m, durableThrough: 99 })));
  await expect(change).rejects.toMatchObject({ code: "MISTAKE" });
  machine.addFault({ ...MISTAKE, path: SLOTS[1], times: Number.POSITIVE_INFINITY });
  const reading = machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  await expect(reading).rejects.toMatchObject({ code: "MISTAKE" });
  expect(filesOf(machine)).toEqual(files);
});

test("a slot that was never written by this keeper is not as it has written it", async () => {
  const machine = await closedStore(3);
  const slot = await machine.run(SlotFile.open(machine.boot(), SLOTS[0]));
  expect(await machine.run(slot.isAsWritten())).toBe(false);
  await machine.run(slot.close());
});

test("a slot whose length the system refuses to tell is closed, and that is told", async () => {
  const machine = await closedStore(3);
  machine.addFault({ operation: "size", path: SLOTS[0], error: "EIO" });
  const close = machine.addFault({ operation: "close", path: SLOTS[0], error: "EIO", at: 99 });
  const opening = machine.run(SlotFile.open(machine.boot(), SLOTS[0]));
  await expect(opening).rejects.toMatchObject({ code: "EIO" });
  expect(close.seen).toBe(1);
});

test("a full disk is told apart", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  machine.addFault({ operation: "write", path: "manifest", error: "ENOSPC" });
  await expect(machine.run(keeper.publish((m) => m))).rejects.toMatchObject({ code: "DISK_FULL" });
});

test("what does not read back as it was written is not published", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  const publishing = keeper.publish((m) => ({ ...m, durableThrough: 70 }));
  machine.addFault({ operation: "sync", path: "manifest", stallMicros: 1000 });
  publishing.catch(() => {});
  // Flip a bit once the content has reached the file, before it is read back.
  for (let i = 0; i < 200; i++) {
    await machine.step();
    const bytes = machine.read(SLOTS[1]);
    if (viewOf(bytes).getUint32(MANIFEST_AT.generation, true) === keeper.current.generation + 1) {
      machine.flipBit(SLOTS[1], MANIFEST_HEADER_BYTES + 5, 0);
      break;
    }
  }
  await expect(machine.run(publishing)).rejects.toMatchObject({ code: "IO" });
});

test.each([0, 1] as const)("with slot %i damaged the store opens, and repairs it", async (slot) => {
  const machine = await closedStore(5);
  machine.flipBit(SLOTS[slot], 100);
  const store = await openOn(machine);
  expect(store.recovery.repairedSlots).toEqual([SLOTS[slot]]);
  expect(keysOf(store)).toEqual(upTo(5));
  await idle(machine);
  const [a, b] = await generations(machine);
  expect(a).toBe(b);
});

test("with both slots damaged it is refused, and nothing is touched", async () => {
  const machine = await closedStore(5);
  for (const slot of SLOTS) machine.flipBit(slot, 100);
  const files = filesOf(machine);
  expect(await refusal(openOn(machine))).toEqual({ code: "CORRUPT_MANIFEST", file: SLOTS[0] });
  expect(filesOf(machine)).toEqual(files);
});

test("a newer format is refused, even in one slot, and nothing is touched", async () => {
  const machine = await closedStore(5);
  machine.mutate(SLOTS[1], (bytes) => {
    const view = viewOf(bytes);
    view.setUint32(MANIFEST_AT.formatVersion, MANIFEST_FORMAT_VERSION + 1, true);
    const sum = portableChecksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
    view.setUint32(MANIFEST_AT.headerChecksum, sum, true);
    return bytes;
  });
  const files = filesOf(machine);
  expect(await refusal(openOn(machine))).toEqual({ code: "FORMAT_VERSION", file: SLOTS[1] });
  expect(filesOf(machine)).toEqual(files);
});

/** Large enough to need more than one step of room. */
function large(bytes: number) {
  return [{ id: 1, name: "t", schemas: ["x".repeat(bytes)] }];
}

test("a slot has room for twice its manifest from the beginning, in zeros", async () => {
  const machine = await closedStore(3);
  for (const slot of SLOTS) {
    const bytes = machine.read(slot);
    expect(bytes).toHaveLength(MANIFEST_SLOT_BYTES);
    expect(bytes.subarray(8192).every((byte) => byte === 0)).toBe(true);
  }
  const keeper = await keeperOn(machine);
  await machine.run(keeper.publish((m) => ({ ...m, tables: large(40_000) })));
  for (const slot of SLOTS) expect(machine.read(slot)).toHaveLength(2 * MANIFEST_SLOT_BYTES);
});

test("slots of an older program get their room with the next opening", async () => {
  const machine = await closedStore(3);
  for (const slot of SLOTS) machine.mutate(slot, (bytes) => bytes.slice(0, 4096));
  await openOn(machine);
  for (const slot of SLOTS) expect(machine.read(slot)).toHaveLength(MANIFEST_SLOT_BYTES);
});

test("a full disk keeps no manifest from being written that fits its room", async () => {
  const machine = await closedStore(3);
  machine.capacityBytes = 0;
  for (let bytes = 1000; bytes < 60_000; bytes += 10_000) {
    const keeper = await keeperOn(machine);
    const manifest = await machine.run(keeper.publish((m) => ({ ...m, tables: large(bytes) })));
    machine.crash("power");
    const { newest, slots } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
    expect(newest).toEqual(manifest);
    expect(slots.map(({ state }) => state)).toEqual(["valid", "valid"]);
  }
});

test("on a full disk one that does not fit is refused, and the one before stays", async () => {
  const machine = await closedStore(3);
  machine.capacityBytes = 0;
  const keeper = await keeperOn(machine);
  const before = keeper.current;
  const change = keeper.publish((m) => ({ ...m, tables: large(70_000) }));
  await expect(machine.run(change)).rejects.toMatchObject({ code: "DISK_FULL" });
  machine.crash("power");
  const { newest } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  expect(newest).toEqual(before);
});

test.each(["ENOSPC", "EDQUOT"])(
  "%s in making room that is not needed yet is passed over",
  async (error) => {
    const machine = await closedStore(3);
    const keeper = await keeperOn(machine);
    machine.addFault({ operation: "zeroFill", path: "manifest", error, times: 2 });
    await machine.run(keeper.publish((m) => ({ ...m, tables: large(40_000) })));
    const { generation } = keeper.current;
    expect(await generations(machine)).toEqual([generation, generation]);
  },
);

test("any other failure in making room refuses the change, even if it would fit", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  machine.addFault({ operation: "zeroFill", path: "manifest", error: "EIO" });
  const change = machine.run(keeper.publish((m) => ({ ...m, tables: large(40_000) })));
  await expect(change).rejects.toMatchObject({ code: "IO" });
});

test("a manifest longer than what is read at first is read whole", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  const tables = large(300_000);
  await machine.run(keeper.publish((m) => ({ ...m, tables })));
  machine.crash("power");
  const { newest, slots } = await machine.run(readManifestSlots(machine.boot(), DIRECTORY));
  expect(newest?.tables).toEqual(tables);
  expect(slots.map(({ state }) => state)).toEqual(["valid", "valid"]);
});

test("what would not be read back is not written", async () => {
  const machine = await closedStore(3);
  const keeper = await keeperOn(machine);
  const files = filesOf(machine);
  const wrong = keeper.publish((m) => ({ ...m, durableThrough: -1 }));
  await expect(machine.run(wrong)).rejects.toThrow("durableThrough");
  expect(filesOf(machine)).toEqual(files);
});
