/** The simulated disk, in one place for the tests that use it. See machine.ts. */
export { SimulatedCrash } from "./driver.js";
export type { CrashKind } from "./events.js";
export { type Fault, type FaultOptions, OPERATIONS, type Operation } from "./faults.js";
export { SECTOR_BYTES } from "./file.js";
export { type MachineOptions, SimulatedMachine } from "./machine.js";
export { Random } from "./random.js";
