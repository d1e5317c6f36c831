import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { type Disk, WRITE_METHODS } from "../../src/disk/disk.js";
import { type NativeBackend, nativeSeam } from "../../src/disk/native.js";
import { portableDisk } from "../../src/disk/portable.js";
import { SimulatedMachine } from "../sim/disk.js";
import { nativeDisk } from "../support/disks.js";
import { diskContract } from "./disk.js";
import type { DiskFixture, FaultyFixture } from "./fixture.js";

async function onRealFiles(disk: Disk): Promise<DiskFixture> {
  const directory = await mkdtemp(`${tmpdir()}/holdfast-contract-`);
  return { disk, directory, dispose: () => rm(directory, { recursive: true }) };
}

/** A simulated machine that runs by itself, as a real one does. */
async function onSimulatedFiles(
  seed: number,
): Promise<DiskFixture & { machine: SimulatedMachine }> {
  const machine = new SimulatedMachine({ seed });
  const disk = machine.boot();
  await machine.run(disk.createDirectory("/store"));
  let running = true;
  const run = async (): Promise<void> => {
    while (running) {
      if (!(await machine.step())) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const ended = run();
  const dispose = async (): Promise<void> => {
    running = false;
    await ended;
  };
  return { machine, disk, directory: "/store", dispose };
}

let seed = 0;

diskContract("simulated", () => onSimulatedFiles(++seed), {
  kind: "simulated",
  backend: "simulation",
  lock: "flock",
  methods: WRITE_METHODS,
  async faulty(): Promise<FaultyFixture> {
    const { machine, ...fixture } = await onSimulatedFiles(++seed);
    return {
      ...fixture,
      failWrites: (times) =>
        void machine.addFault({ operation: "queueWrite", error: "EIO", times }),
      shortenWrite: () => void machine.addFault({ operation: "queueWrite", write: "short" }),
    };
  },
});

const portable = portableDisk();

diskContract("portable", () => onRealFiles(portable), {
  kind: "portable",
  backend: "node:fs",
  lock: "none",
  methods: portable.writeMethods,
  ...(process.platform === "linux" ? { faulty: fullDevice } : {}),
});

/** /dev/full takes no bytes: ENOSPC from the kernel itself. */
async function fullDevice(): Promise<FaultyFixture> {
  const fixture = await onRealFiles(portable);
  const failingPath = `${fixture.directory}/full`;
  await symlink("/dev/full", failingPath);
  return { ...fixture, failWrites: () => {}, failingPath };
}

/** The build with the seam, in which results of the kernel can be replaced. */
async function withSeam(backend: NativeBackend): Promise<FaultyFixture | undefined> {
  const disk = nativeDisk(backend, true);
  if (disk === undefined) return undefined;
  const seam = nativeSeam();
  const EIO = 5;
  return {
    ...(await onRealFiles(disk)),
    failWrites: (count) => seam.setCompletionFault(0, EIO, count),
    shortenWrite: () => seam.setShortWrite(0, 4096, 1),
  };
}

const names = ["simulated", "portable"];
for (const backend of ["io_uring", "threads"] as const) {
  const disk = nativeDisk(backend);
  if (disk === undefined) continue;
  names.push(`native/${backend}`);
  const { directProven } = await disk.describe(tmpdir());
  if (!directProven) console.warn(`SKIPPED: direct-dsync on ${tmpdir()}, which has no O_DIRECT`);
  diskContract(`native/${backend}`, () => onRealFiles(disk), {
    kind: "native",
    backend,
    lock: "flock",
    methods: WRITE_METHODS.filter((method) => directProven || method !== "direct-dsync"),
    faulty: () => withSeam(backend),
  });
}
console.log(`the disk contract runs on: ${names.join(", ")}`);
