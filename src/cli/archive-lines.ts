/** The transactions of an archive as text. */
import { errnoCode, isHoldfastError } from "../base/errors.js";
import type { FrameHeader, SegmentHeader } from "../log/format.js";
import type { ManifestArchive } from "../manifest/format.js";
import { archiveFileName } from "../snapshot/archive-format.js";
import { readArchive } from "../snapshot/read-archive.js";
import type { LogPrinter } from "./log-printer.js";
import type { StoreView } from "./read-store.js";
import type { Gap } from "./walk-log.js";

export interface ArchiveLines {
  readonly lines: readonly string[];
  /** What could not be read, up to the archive's end. */
  readonly gap: Gap | undefined;
}

/** Ends the reading: nothing that comes later is wanted. */
const ENOUGH = Symbol("enough");

/** Never throws for what is on the disk. */
export async function readArchiveLines(
  { disk, directory, manifest }: StoreView,
  archive: ManifestArchive,
  printer: LogPrinter,
): Promise<ArchiveLines> {
  const lines: string[] = [];
  const name = archiveFileName(archive.id);
  let segment: SegmentHeader | undefined;
  let last: FrameHeader | undefined;
  try {
    await readArchive({
      disk,
      directory,
      storeId: manifest?.storeId ?? "",
      archive,
      visit: (record) => {
        const place = { writer: segment?.writerId ?? null, epoch: archive.epoch };
        printer.record({ ...place, file: name, offset: null }, record, lines);
      },
      onSegment: (header) => {
        segment = header;
      },
      onFrame: (header) => {
        last = header;
      },
      check: () => {
        if (printer.done) throw ENOUGH;
      },
    });
    return { lines, gap: undefined };
  } catch (error) {
    if (error === ENOUGH) return { lines, gap: undefined };
    if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
    return { lines, gap: gapOf(`${directory}/${name}`, archive, error as Error, last) };
  }
}

function gapOf(
  file: string,
  archive: ManifestArchive,
  error: Error,
  last: FrameHeader | undefined,
): Gap {
  const offset = (isHoldfastError(error) ? error.data.offset : undefined) ?? 0;
  const sequence =
    last === undefined ? archive.firstSequence : last.firstSequence + last.recordCount;
  const why = isHoldfastError(error, "MISSING_FILE")
    ? "the file is missing"
    : error.message.slice(error.message.lastIndexOf(": ") + 2);
  const { lastSequence } = archive;
  return { file, offset, resumesAt: undefined, sequence, lastSequence, verdict: "corrupt", why };
}
