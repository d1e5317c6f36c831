/** Places, bytes and stores for the tests of blobs. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach } from "vitest";
import { open, type Store } from "../../src/index.js";

export const MIB = 1024 * 1024;

const places: string[] = [];

afterEach(() => {
  for (const directory of places.splice(0)) rmSync(directory, { recursive: true, force: true });
});

/** A directory of its own, gone after the test. */
export function place(name = "store"): string {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-blobs-"));
  places.push(directory);
  return join(directory, name);
}

/** The same for the same seed; it does not compress. */
export function noise(length: number, seed = 1): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(length);
  let state = Math.imul(seed, 0x9e3779b1) | 1;
  for (let i = 0; i < length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return bytes;
}

export function openAt(directory: string, more: object = {}): Promise<Store> {
  return open(directory, { environment: "test", blobs: true, onWarning: () => {}, ...more });
}

export function same(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && Buffer.compare(a, b) === 0;
}

export function packsIn(directory: string): string[] {
  return readdirSync(directory).filter((name) => name.endsWith(".pack"));
}
