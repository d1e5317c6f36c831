/** The contract of src/disk/disk.ts, sentence by sentence, for any implementation. */
import { describe } from "vitest";
import { filesContract } from "./files.js";
import type { DiskCapabilities, MakeDisk } from "./fixture.js";
import { machineContract } from "./machine.js";
import { queueContract } from "./queue.js";
import { turnsContract } from "./turns.js";

/** Defines the tests of one disk. `make` gives it with an empty directory, for each test anew. */
export function diskContract(name: string, make: MakeDisk, capabilities: DiskCapabilities): void {
  describe(name, () => {
    describe("files", () => filesContract(make));
    describe("queue", () => queueContract(make, capabilities));
    describe("turns", () => turnsContract(make, capabilities));
    describe("machine", () => machineContract(make, capabilities));
  });
}
