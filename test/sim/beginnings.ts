/** Beginnings that the tests of the simulator share. */
import { expect } from "vitest";
import type { CommitQueue, Disk, LogFile, WriteMethod } from "../../src/disk/disk.js";
import { SimulatedMachine } from "./disk.js";

export const PATH = "/db/file";

/** A machine with a durable file of `bytes`. */
export async function machineWith(
  seed: number,
  bytes: Uint8Array = filled(0, 0),
): Promise<SimulatedMachine> {
  const machine = new SimulatedMachine({ seed });
  const disk = machine.boot();
  await machine.run(writeDurably(disk, bytes));
  machine.kill(disk);
  return machine;
}

export async function writeDurably(disk: Disk, bytes: Uint8Array): Promise<void> {
  await disk.createDirectory("/db");
  await disk.syncDirectory("/");
  const file = await disk.open(PATH, { write: true, create: true });
  await file.write(0, bytes);
  await file.sync();
  await file.close();
  await disk.syncDirectory("/db");
}

export function filled(length: number, byte: number): Uint8Array {
  return new Uint8Array(length).fill(byte);
}

export interface OpenQueue {
  readonly disk: Disk;
  readonly queue: CommitQueue;
  readonly log: LogFile;
  readonly completed: Map<number, Error | undefined>;
}

export async function openQueue(
  machine: SimulatedMachine,
  method: WriteMethod = "direct-dsync",
): Promise<OpenQueue> {
  const disk = machine.boot();
  const lock = (await machine.run(disk.lock("/db/LOCK")))!;
  const completed = new Map<number, Error | undefined>();
  const queue = disk.openCommitQueue({
    slotBytes: 8192,
    slotCount: 16,
    lock,
    handler: {
      completed: (slot, error) => void completed.set(slot, error),
      deliver: () => false,
    },
  });
  const log = await machine.run(queue.openLog(PATH, method));
  return { disk, queue, log, completed };
}

export async function runUntil(machine: SimulatedMachine, done: () => boolean): Promise<void> {
  while (!done()) expect(await machine.step()).toBe(true);
}
