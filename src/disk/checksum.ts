/** CRC32C in JavaScript, for disks without the addon: loaded when it is first needed. */
import { createRequire } from "node:module";
import type { Checksum } from "./disk.js";

let table: typeof import("crc-32/crc32c.js").default | undefined;

function load(): typeof import("crc-32/crc32c.js").default {
  return createRequire(import.meta.url)("crc-32/crc32c.js");
}

function crc32c(bytes: Uint8Array, from: number, to: number, seed = 0): number {
  table ??= load();
  // The library computes with signed integers, the formats are defined with unsigned ones.
  return table.buf(bytes.subarray(from, to), seed | 0) >>> 0;
}

function store(bytes: Uint8Array, plan: Int32Array, count: number): void {
  for (let i = 0; i < count; i++) {
    const sum = crc32c(bytes, plan[3 * i]!, plan[3 * i + 1]!);
    const at = plan[3 * i + 2]!;
    bytes[at] = sum & 0xff;
    bytes[at + 1] = (sum >>> 8) & 0xff;
    bytes[at + 2] = (sum >>> 16) & 0xff;
    bytes[at + 3] = sum >>> 24;
  }
}

function verify(bytes: Uint8Array, plan: Int32Array, count: number): number {
  for (let i = 0; i < count; i++) {
    const at = plan[3 * i + 2]!;
    const stored =
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
    if (stored !== crc32c(bytes, plan[3 * i]!, plan[3 * i + 1]!)) return i;
  }
  return -1;
}

/** Checksums by the `crc-32` package alone. */
export const portableChecksum: Checksum = { crc32c, store, verify };
