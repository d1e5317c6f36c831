/** What a scan of the log throws, and the openings and readings that may end in it. */
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import type { SegmentScan } from "../log/reader.js";
import type { LogRecord } from "../log/record.js";

/** A place that contradicts what is known of the log; `sequence` is the next transaction. */
export function corruptLog(
  path: string,
  offset: number,
  why: string,
  sequence: number,
  cause?: unknown,
): HoldfastError {
  const message = `${path} is damaged at offset ${offset}: ${why}`;
  const data = { file: path, offset, sequence, provenAcknowledged: true };
  return new HoldfastError("CORRUPT_LOG", message, data, cause);
}

/** What a visitor finds wrong with a record: it does not know where that is. */
export function placed(error: unknown, path: string, record: LogRecord): unknown {
  if (!isHoldfastError(error, "CORRUPT_LOG") || error.data.file !== undefined) return error;
  return corruptLog(path, record.frameOffset, error.message, record.sequence, error);
}

/** The end of a scan that cannot be the end of the log. */
export function damagedLog(
  path: string,
  scan: SegmentScan,
  why: string,
  sequence: number,
  lastSequence: number,
): HoldfastError {
  const last = Math.max(sequence, lastSequence);
  return new HoldfastError(
    "CORRUPT_LOG",
    `${path} is damaged at offset ${scan.endOffset}: ${why}; ` +
      `transactions ${sequence} to ${last} are concerned. Nothing was changed`,
    {
      file: path,
      offset: scan.endOffset,
      sequence,
      lastSequence: last,
      provenAcknowledged: true,
    },
    scan.cause,
  );
}

export async function openSegment(disk: Disk, path: string, sequence: number): Promise<DiskFile> {
  try {
    return await disk.open(path, { direct: true });
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw new HoldfastError(
      "MISSING_FILE",
      `${path} is missing, and the manifest says that the log is in it`,
      { file: path, sequence },
      error,
    );
  }
}

/** Undefined where the device refuses. */
export async function readOrUndefined(
  file: DiskFile,
  offset: number,
  length: number,
): Promise<Uint8Array | undefined> {
  try {
    return await file.read(offset, length);
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}
