/** The header of a run file, and what header and footer have in common. */
import { assert } from "../base/assert.js";
import { bytesEqual, getUint53, setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
import {
  RUN_AT,
  RUN_FORMAT_VERSION,
  RUN_HEADER_BYTES,
  RUN_MAGIC,
  RUN_SALT_BYTES,
} from "./format.js";

/** Which file a header, footer or block must belong to. */
export interface RunFilePlace {
  readonly storeId: Uint8Array;
  readonly fileId: number;
}

/** `seed` is its checksum, from which those of the file's other parts continue. */
export function encodeRunHeader(
  place: RunFilePlace,
  salt: Uint8Array,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly seed: number } {
  assert(salt.length === RUN_SALT_BYTES, "the salt fills its field");
  const bytes = new Uint8Array(RUN_HEADER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(RUN_AT.magic, RUN_MAGIC, true);
  view.setUint32(RUN_AT.formatVersion, RUN_FORMAT_VERSION, true);
  bytes.set(place.storeId, RUN_AT.storeId);
  setUint53(view, RUN_AT.fileId, place.fileId);
  bytes.set(salt, RUN_AT.salt);
  const seed = checksum.crc32c(bytes, RUN_AT.formatVersion, RUN_HEADER_BYTES);
  view.setUint32(RUN_AT.checksum, seed, true);
  return { bytes, seed };
}

/** What is wrong with a header or footer, in words that follow "its header ", or its content. */
export type Checked<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly why: "damaged" | "version"; readonly detail: string };

/** Never throws, whatever the bytes are. */
export function decodeRunHeader(
  bytes: Uint8Array,
  place: RunFilePlace,
  checksum: Checksum,
): Checked<{ readonly seed: number }> {
  if (bytes.length < RUN_HEADER_BYTES) return damaged("is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(RUN_AT.magic, true) !== RUN_MAGIC) return damaged("is not that of a run");
  const seed = checksum.crc32c(bytes, RUN_AT.formatVersion, RUN_HEADER_BYTES);
  if (view.getUint32(RUN_AT.checksum, true) !== seed) return damaged("fails its checksum");
  const version = view.getUint32(RUN_AT.formatVersion, true);
  if (version !== RUN_FORMAT_VERSION) return otherVersion(version);
  if (!belongs(bytes, view, RUN_AT.storeId, RUN_AT.fileId, place)) {
    return damaged("is that of another file");
  }
  return { ok: true, seed };
}

/** True if a header or footer names that store and file. */
export function belongs(
  bytes: Uint8Array,
  view: DataView,
  storeIdAt: number,
  fileIdAt: number,
  place: RunFilePlace,
): boolean {
  return (
    bytesEqual(bytes, storeIdAt, place.storeId, 0, place.storeId.length) &&
    getUint53(view, fileIdAt) === place.fileId
  );
}

/** What a check of bytes gives that fails. */
export function damaged(detail: string) {
  return { ok: false, why: "damaged", detail } as const;
}

/** The same for bytes of another format version. */
export function otherVersion(version: number) {
  return { ok: false, why: "version", detail: `is of format version ${version}` } as const;
}
