/** The footer of a run file: where its parts are. */
import { setUint53, viewOf } from "../base/bytes.js";
import type { Checksum } from "../disk/disk.js";
import { belongs, type Checked, damaged, otherVersion, type RunFilePlace } from "./file-header.js";
import {
  BLOCK_HEADER_BYTES,
  FOOTER_AT,
  FOOTER_MAGIC,
  filterBytes,
  RUN_FOOTER_BYTES,
  RUN_FORMAT_VERSION,
  RUN_HEADER_BYTES,
} from "./format.js";

/** Where in a file its parts are. */
export interface RunLayout {
  readonly filterOffset: number;
  readonly filterLines: number;
  readonly rootOffset: number;
  readonly rootBytes: number;
  readonly propertiesOffset: number;
  readonly propertiesBytes: number;
}

export function encodeRunFooter(
  layout: RunLayout,
  place: RunFilePlace,
  seed: number,
  checksum: Checksum,
): { readonly bytes: Uint8Array; readonly checksum: number } {
  const bytes = new Uint8Array(RUN_FOOTER_BYTES);
  const view = viewOf(bytes);
  view.setUint32(FOOTER_AT.magic, FOOTER_MAGIC, true);
  view.setUint32(FOOTER_AT.formatVersion, RUN_FORMAT_VERSION, true);
  view.setUint32(FOOTER_AT.filterOffset, layout.filterOffset, true);
  view.setUint32(FOOTER_AT.filterLines, layout.filterLines, true);
  view.setUint32(FOOTER_AT.rootOffset, layout.rootOffset, true);
  view.setUint32(FOOTER_AT.rootBytes, layout.rootBytes, true);
  view.setUint32(FOOTER_AT.propertiesOffset, layout.propertiesOffset, true);
  view.setUint32(FOOTER_AT.propertiesBytes, layout.propertiesBytes, true);
  setUint53(view, FOOTER_AT.fileId, place.fileId);
  bytes.set(place.storeId, FOOTER_AT.storeId);
  const sum = checksum.crc32c(bytes, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
  view.setUint32(FOOTER_AT.checksum, sum, true);
  return { bytes, checksum: sum };
}

/**
 * Never throws, whatever the bytes are. The parts it names follow one another up to the footer,
 * which begins at `offset`.
 */
export function decodeRunFooter(
  bytes: Uint8Array,
  place: RunFilePlace,
  offset: number,
  seed: number,
  checksum: Checksum,
): Checked<{ readonly layout: RunLayout; readonly checksum: number }> {
  if (bytes.length < RUN_FOOTER_BYTES) return damaged("is cut off");
  const view = viewOf(bytes);
  if (view.getUint32(FOOTER_AT.magic, true) !== FOOTER_MAGIC) return damaged("is not one");
  const sum = checksum.crc32c(bytes, FOOTER_AT.formatVersion, RUN_FOOTER_BYTES, seed);
  if (view.getUint32(FOOTER_AT.checksum, true) !== sum) return damaged("fails its checksum");
  const version = view.getUint32(FOOTER_AT.formatVersion, true);
  if (version !== RUN_FORMAT_VERSION) return otherVersion(version);
  if (!belongs(bytes, view, FOOTER_AT.storeId, FOOTER_AT.fileId, place)) {
    return damaged("is that of another file");
  }
  const layout: RunLayout = {
    filterOffset: view.getUint32(FOOTER_AT.filterOffset, true),
    filterLines: view.getUint32(FOOTER_AT.filterLines, true),
    rootOffset: view.getUint32(FOOTER_AT.rootOffset, true),
    rootBytes: view.getUint32(FOOTER_AT.rootBytes, true),
    propertiesOffset: view.getUint32(FOOTER_AT.propertiesOffset, true),
    propertiesBytes: view.getUint32(FOOTER_AT.propertiesBytes, true),
  };
  if (!isLayout(layout, offset)) return damaged("names places that cannot be");
  return { ok: true, layout, checksum: sum };
}

function isLayout(layout: RunLayout, end: number): boolean {
  const indexOffset = layout.filterOffset + filterBytes(layout.filterLines);
  return (
    layout.filterOffset >= RUN_HEADER_BYTES + BLOCK_HEADER_BYTES &&
    layout.rootOffset >= indexOffset + BLOCK_HEADER_BYTES &&
    layout.rootBytes >= BLOCK_HEADER_BYTES &&
    layout.propertiesOffset === layout.rootOffset + layout.rootBytes &&
    layout.propertiesBytes >= BLOCK_HEADER_BYTES &&
    layout.propertiesOffset + layout.propertiesBytes === end
  );
}
