/** Header and footer of a run file, against what the manifest says of it. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Checksum, DiskMapping } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import { corruptRun, systemRefused } from "./errors.js";
import { type Checked, decodeRunHeader, type RunFilePlace } from "./file-header.js";
import { decodeRunFooter, type RunLayout } from "./footer.js";
import { RUN_FILE_BYTES_MAX, RUN_FOOTER_BYTES, RUN_HEADER_BYTES } from "./format.js";

/** What header and footer say. */
export interface FileEnds {
  readonly layout: RunLayout;
  /** Checksum of the header, from which all others continue. */
  readonly seed: number;
}

/** Bytes of a range that the file has; throws what the system does. */
export type CopyRange = (offset: number, length: number) => Uint8Array;

/** Throws CORRUPT_RUN, FORMAT_VERSION or IO. What fails is read once more. */
export function readEnds(
  path: string,
  mapping: DiskMapping,
  place: RunFilePlace,
  file: ManifestFile,
  checksum: Checksum,
): FileEnds {
  const copy = (offset: number, length: number): Uint8Array => {
    const bytes = new Uint8Array(length);
    mapping.copy(offset, length, bytes, 0);
    return bytes;
  };
  try {
    return checkEnds(path, mapping.length, copy, place, file, checksum);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    return checkEnds(path, mapping.length, copy, place, file, checksum);
  }
}

/** The same for any way of reading, once. */
export function checkEnds(
  path: string,
  length: number,
  copy: CopyRange,
  place: RunFilePlace,
  file: ManifestFile,
  checksum: Checksum,
): FileEnds {
  if (length !== file.bytes || length < RUN_HEADER_BYTES + RUN_FOOTER_BYTES) {
    const what = `it is ${length} bytes long, and the manifest says ${file.bytes}`;
    throw corruptRun(path, Math.min(length, file.bytes), what);
  }
  if (length > RUN_FILE_BYTES_MAX) throw corruptRun(path, RUN_FILE_BYTES_MAX, "it is too long");
  const read = (offset: number, bytes: number): Uint8Array => {
    try {
      return copy(offset, bytes);
    } catch (error) {
      throw systemRefused(path, "reading", error, offset);
    }
  };
  const header = decodeRunHeader(read(0, RUN_HEADER_BYTES), place, checksum);
  if (!header.ok) throw badEnd(path, 0, "header", header);
  const at = length - RUN_FOOTER_BYTES;
  const { seed } = header;
  const footer = decodeRunFooter(read(at, RUN_FOOTER_BYTES), place, at, seed, checksum);
  if (!footer.ok) throw badEnd(path, at, "footer", footer);
  if (footer.checksum !== file.checksum) {
    throw corruptRun(path, at, "the footer is not the one the manifest means");
  }
  return { layout: footer.layout, seed };
}

function badEnd(
  path: string,
  offset: number,
  name: string,
  checked: Extract<Checked<unknown>, { ok: false }>,
): HoldfastError {
  const { why, detail } = checked;
  if (why === "damaged") return corruptRun(path, offset, `the ${name} ${detail}`);
  const data = { file: path, offset };
  return new HoldfastError("FORMAT_VERSION", `${path}: the ${name} ${detail}`, data);
}
