/** Places that cannot keep the promise: refused when asked to, and never silently accepted. */
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { describe, expect, test, vi } from "vitest";
import { type Backend, open, type StoreWarning } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { realDisks } from "../support/disks.js";
import { faultsOf } from "../support/fault-matrix.js";
import { orders } from "./tables.js";

const countFault = faultsOf("weak-places");

const TMPFS = "/dev/shm";
const hasTmpfs = existsSync(TMPFS);
if (!hasTmpfs) console.warn(`SKIPPED: stores on tmpfs: there is no ${TMPFS}`);

describe.skipIf(!hasTmpfs).each([...realDisks().keys()])("tmpfs on %s", (name) => {
  const backend = name.replace("native/", "") as Backend;

  test("is refused in strict mode, and warned of otherwise", async () => {
    const directory = await mkdtemp(`${TMPFS}/holdfast-weak-`);
    try {
      const warnings: StoreWarning[] = [];
      const onWarning = (warning: StoreWarning) => void warnings.push(warning);
      const options = { backend, tables: [orders], segmentBytes: 65_536, onWarning };
      await expect(open(directory, { ...options, strict: true })).rejects.toMatchObject({
        code: "UNSUPPORTED_FILE_SYSTEM",
        message: expect.stringContaining("tmpfs"),
        data: { file: directory },
      });
      expect(await readdir(directory)).toEqual([]);
      expect(warnings).toEqual([]);
      const store = await open(directory, options);
      expect(warnings).toEqual([
        { code: "WEAK_FILE_SYSTEM", message: expect.stringContaining("power loss") },
      ]);
      await store.table(orders).put(1, { amount: 1 });
      expect(store.stats().disk.fileSystem).toBe("tmpfs");
      await store.close();
      countFault(
        "49 O_DIRECT is not proven",
        `tmpfs on ${name}`,
        "strict refuses, others are told",
      );
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

describe("a simulated place", () => {
  test.each([
    ["a network file system", { fileSystem: "nfs", network: true }, /nfs.*network/],
    ["an unknown file system", { fileSystem: "unknown (0x1)", known: false }, /not known/],
    ["memory", { fileSystem: "ramfs", volatile: true }, /lives in memory/],
  ])("that is %s is refused in strict mode", async (_, place, message) => {
    const machine = new SimulatedMachine({ seed: 1, place });
    const onWarning = vi.fn();
    const options = { disk: machine.boot(), strict: true, onWarning };
    const opening = machine.run(open("/store", options));
    await expect(opening).rejects.toMatchObject({ code: "UNSUPPORTED_FILE_SYSTEM" });
    await expect(machine.run(open("/store", options))).rejects.toThrow(message);
    const store = await machine.run(open("/store", { ...options, strict: false }));
    expect(onWarning).toHaveBeenCalledExactlyOnceWith({
      code: "WEAK_FILE_SYSTEM",
      message: expect.stringMatching(message),
    });
    await machine.run(store.close());
  });

  test("that is sound is taken in strict mode without a word", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const onWarning = vi.fn();
    const store = await machine.run(open("/s", { disk: machine.boot(), strict: true, onWarning }));
    expect(onWarning).not.toHaveBeenCalled();
    await machine.run(store.close());
  });

  test("warns by process.emitWarning where nobody listens", async () => {
    const machine = new SimulatedMachine({ seed: 1, place: { volatile: true } });
    const emitWarning = vi.spyOn(process, "emitWarning").mockImplementation(() => {});
    const store = await machine.run(open("/store", { disk: machine.boot() }));
    await machine.run(store.close());
    expect(emitWarning).toHaveBeenCalledExactlyOnceWith(expect.stringContaining("memory"), {
      type: "HoldfastWarning",
      code: "WEAK_FILE_SYSTEM",
    });
    emitWarning.mockRestore();
  });
});
