/** The two slots of the manifest, by both checksums, and whether what it says can be. */
import { isZero, viewOf } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import { MANIFEST_BYTES_MAX } from "../base/limits.js";
import { portableChecksum } from "../disk/checksum.js";
import {
  decodeManifest,
  MANIFEST_AT,
  MANIFEST_BLOCK_BYTES,
  MANIFEST_HEADER_BYTES,
  type Manifest,
} from "../manifest/format.js";
import type { SlotState } from "../manifest/manifest.js";
import { damage, type Finding, note } from "./findings.js";
import type { StoreView } from "./read-store.js";

export async function checkManifest(store: StoreView): Promise<Finding[]> {
  const { manifest, slots } = store;
  const findings: Finding[] = [];
  for (const slot of slots.slots) {
    findings.push(...slotProblem(slot, manifest), ...(await checkSlotBytes(store, slot)));
  }
  const newest = slots.slots[slots.newestSlot]?.file;
  if (manifest === undefined || newest === undefined) return findings;
  findings.push(...compareSlots(store));
  return [
    ...findings,
    ...contentProblems(manifest).map((text) => damage("manifest", newest, 0, text)),
  ];
}

function slotProblem(slot: SlotState, manifest: Manifest | undefined): Finding[] {
  if (slot.state === "valid") return [];
  const what = slot.state === "missing" ? "the file is missing" : slot.detail;
  const otherwise =
    slot.state === "version"
      ? "opening refuses, whatever the other one says"
      : "the other one is good: opening goes by it and writes this anew";
  const also = manifest === undefined ? "and the other one is lost as well" : otherwise;
  return [damage("manifest", slot.file, 0, `this half of the manifest is lost: ${what}; ${also}`)];
}

/** What the decoder does not look at, and the second opinion on what it does. */
async function checkSlotBytes({ disk }: StoreView, slot: SlotState): Promise<Finding[]> {
  if (slot.state === "missing") return [];
  let bytes: Uint8Array;
  try {
    const file = await disk.open(slot.file, { direct: true });
    try {
      bytes = await file.read(0, Math.min(await file.size(), MANIFEST_BYTES_MAX));
    } finally {
      await file.close();
    }
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    if (slot.state !== "valid") return [];
    const message = `it cannot be read again (${(error as Error).message})`;
    return [damage("unreadable", slot.file, 0, message)];
  }
  const again = decodeManifest(bytes, portableChecksum);
  if (again.ok !== (slot.state === "valid")) {
    const message = "the native CRC32C and the portable one do not agree about it";
    return slot.state === "version" ? [] : [damage("checksum-disagreement", slot.file, 0, message)];
  }
  if (!again.ok) return [];
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  const block = Math.ceil(used / MANIFEST_BLOCK_BYTES) * MANIFEST_BLOCK_BYTES;
  if (bytes.length < block) {
    const message = "the file ends within its last block, which carries nothing";
    return [note("padding", slot.file, bytes.length, message)];
  }
  // Further blocks may be left of a manifest that was longer.
  if (isZero(bytes, used, block)) return [];
  return [note("padding", slot.file, used, "the padding is not zero: it carries nothing")];
}

/** At rest both say the same. A writer that was killed may have changed one of them only. */
function compareSlots({ slots, lock }: StoreView): Finding[] {
  const [a, b] = slots.slots;
  if (a.state !== "valid" || b.state !== "valid") return [];
  const [older, newer] = a.manifest.generation <= b.manifest.generation ? [a, b] : [b, a];
  const [from, to] = [older.manifest.generation, newer.manifest.generation];
  const generations = `generation ${from}, the other one ${to}`;
  if (older.manifest.storeId !== newer.manifest.storeId) {
    return [damage("manifest", older.file, 0, "the two halves are of different stores")];
  }
  if (older.manifest.generation === newer.manifest.generation) {
    if (JSON.stringify(older.manifest) === JSON.stringify(newer.manifest)) return [];
    const message = `both halves are of generation ${newer.manifest.generation} and differ`;
    return [damage("manifest", b.file, 0, message)];
  }
  const last = lock.claims?.claims.at(-1);
  const isLeft = last === undefined || !lock.claims?.released.has(last.token);
  if (isLeft && newer.manifest.generation - older.manifest.generation === 1) {
    if (lock.holder !== undefined) return [];
    const message = `a change was cut short: this half is of ${generations}; opening mends that`;
    return [note("manifest", older.file, 0, message)];
  }
  const message =
    `this half is older than the other: ${generations}. Opening goes by the newer one and writes ` +
    "this anew; until then a second loss would lose the store";
  return [damage("manifest", older.file, 0, message)];
}

/** Its checksum is good: these only a program gets wrong. */
function contentProblems(manifest: Manifest): string[] {
  const problems: string[] = [];
  const segments = [...manifest.segments].sort((a, b) => a.id - b.id);
  const ids = new Set(segments.map(({ id }) => id));
  if (ids.size < segments.length) problems.push("it lists a segment twice");
  if (segments.filter(({ state }) => state === "active").length > 1) {
    problems.push("it lists more than one active segment");
  }
  let sequence = 0;
  let epoch = 0;
  let isOpen = false;
  for (const entry of segments) {
    const name = `segment ${entry.id}`;
    if (entry.epoch > manifest.epoch) {
      problems.push(`${name} is of epoch ${entry.epoch}, and the store of ${manifest.epoch}`);
    }
    if (entry.epoch < epoch) problems.push(`${name} is of an earlier epoch than the one before it`);
    epoch = Math.max(epoch, entry.epoch);
    if (entry.state !== "sealed") isOpen = true;
    else if (isOpen) problems.push(`${name} is sealed, and one before it is not`);
    else if (entry.lastSequence < sequence) {
      problems.push(`${name} ends with transaction ${entry.lastSequence}, before ${sequence}`);
    } else sequence = entry.lastSequence;
  }
  const tables = new Set(manifest.tables.map(({ id }) => id));
  if (tables.size < manifest.tables.length) problems.push("it lists a table twice");
  return problems;
}
