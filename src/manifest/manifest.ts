/** Reading the two slots. */
import { errnoCode } from "../base/errors.js";
import type { Checksum, Disk } from "../disk/disk.js";
import {
  decodeManifest,
  MANIFEST_SLOT_BYTES,
  MANIFEST_SLOT_NAMES,
  type Manifest,
  type ManifestResult,
  manifestBytes,
} from "./format.js";

export type SlotState =
  | { readonly state: "valid"; readonly file: string; readonly manifest: Manifest }
  | { readonly state: "missing"; readonly file: string }
  | {
      readonly state: "damaged";
      readonly file: string;
      readonly detail: string;
      /** Of the system, where it could not be read. */
      readonly error?: Error;
    }
  | { readonly state: "version"; readonly file: string; readonly detail: string };

export interface ManifestSlots {
  readonly slots: readonly [SlotState, SlotState];
  /** The newest valid one. */
  readonly newest: Manifest | undefined;
  readonly newestSlot: number;
}

/**
 * Remembers the last manifest that was decoded: at rest both slots hold the same bytes, an opening
 * reads them twice, and its first change of the manifest looks at them again.
 */
export class ManifestMemo {
  #bytes: Uint8Array | undefined;
  #result: ManifestResult | undefined;

  decode(bytes: Uint8Array, checksum: Checksum): ManifestResult {
    const used = manifestBytes(bytes, checksum);
    if (used === undefined || used > bytes.length) return decodeManifest(bytes, checksum);
    const whole = bytes.subarray(0, used);
    const known = this.#bytes;
    const same = known !== undefined && Buffer.compare(whole, known) === 0;
    if (same && this.#result !== undefined) return this.#result;
    this.#result = decodeManifest(bytes, checksum);
    this.#bytes = whole.slice();
    return this.#result;
  }

  /** What comes next is written, and known. */
  forget(): void {
    this.#bytes = undefined;
    this.#result = undefined;
  }
}

/** Reads both slots from the device. Changes nothing. */
export async function readManifestSlots(
  disk: Disk,
  directory: string,
  memo = new ManifestMemo(),
): Promise<ManifestSlots> {
  const slots = await Promise.all([
    readSlot(disk, `${directory}/${MANIFEST_SLOT_NAMES[0]}`, memo),
    readSlot(disk, `${directory}/${MANIFEST_SLOT_NAMES[1]}`, memo),
  ]);
  let newest: Manifest | undefined;
  let newestSlot = 0;
  slots.forEach((slot, index) => {
    if (slot.state !== "valid") return;
    if (newest !== undefined && newest.generation >= slot.manifest.generation) return;
    newest = slot.manifest;
    newestSlot = index;
  });
  return { slots, newest, newestSlot };
}

/** What does not read well is read once more: the other slot may be older by one change. */
async function readSlot(disk: Disk, file: string, memo: ManifestMemo): Promise<SlotState> {
  const first = await tryToReadSlot(disk, file, memo);
  return first.state === "damaged" ? tryToReadSlot(disk, file, memo) : first;
}

async function tryToReadSlot(disk: Disk, file: string, memo: ManifestMemo): Promise<SlotState> {
  let result: ManifestResult;
  try {
    result = memo.decode(await readWhole(disk, file), disk.checksum);
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return { state: "missing", file };
    if (errnoCode(error) === undefined) throw error;
    const cause = error as Error;
    return { state: "damaged", file, detail: `it cannot be read (${cause.message})`, error: cause };
  }
  if (result.ok) return { state: "valid", file, manifest: result.manifest };
  return { state: result.why, file, detail: result.detail };
}

/** All of the manifest, and little of the room behind it. */
async function readWhole(disk: Disk, path: string): Promise<Uint8Array> {
  const file = await disk.open(path, { direct: true });
  try {
    const bytes = await file.read(0, MANIFEST_SLOT_BYTES);
    if (bytes.length < MANIFEST_SLOT_BYTES) return bytes;
    const used = manifestBytes(bytes, disk.checksum);
    if (used === undefined || used <= bytes.length) return bytes;
    return await file.read(0, used);
  } finally {
    await file.close();
  }
}
