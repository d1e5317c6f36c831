/** Whoever wants to know of every change to a simulated disk, as it happens. */
import type { SimulatedFile } from "./file.js";
import type { SimulatedDirectory } from "./tree.js";

/** The bytes belong to the caller again when the call returns. */
export interface Journal {
  /** A write through the page cache, which is not durable yet. */
  wrote(file: SimulatedFile, offset: number, bytes: Uint8Array): void;
  wroteDurably(file: SimulatedFile, offset: number, bytes: Uint8Array): void;
  /** A durable write that is under way from now on. */
  submitted(file: SimulatedFile, offset: number, bytes: Uint8Array): void;
  truncated(file: SimulatedFile, length: number): void;
  synced(file: SimulatedFile): void;
  /** A file got the name `to`, lost the name `from`, or both at once. */
  named(file: SimulatedFile, from: string | undefined, to: string | undefined): void;
  directorySynced(directory: SimulatedDirectory): void;
}
