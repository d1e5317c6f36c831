/** Tells a manifest that is older than the log by an epoch that it does not know. */
import { viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Disk, DiskFile } from "../disk/disk.js";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FramePlace,
  type SegmentHeader,
} from "../log/format.js";
import type { Manifest } from "../manifest/format.js";
import { readOrUndefined } from "./scan-problems.js";

/**
 * A later opening may have got as far as the header of a spare. It writes frames only once the
 * manifest knows of it, in both slots: where there is one, this manifest is older. Throws
 * CORRUPT_MANIFEST.
 */
export async function assertNotUsedLater(
  disk: Disk,
  file: DiskFile,
  place: FramePlace,
  { epoch, alignment }: SegmentHeader,
  manifest: Manifest,
): Promise<void> {
  if (epoch <= manifest.epoch) return;
  const bytes = await readOrUndefined(file, alignment, alignment);
  if (bytes === undefined || bytes.length < FRAME_HEADER_BYTES) return;
  const here = { ...place, epoch, alignment };
  if (!decodeFrameHeader(bytes, viewOf(bytes), 0, alignment, here, disk.checksum)) return;
  throw new HoldfastError(
    "CORRUPT_MANIFEST",
    `${file.path} holds transactions of epoch ${epoch}, but the manifest (generation ` +
      `${manifest.generation}) is of epoch ${manifest.epoch}: it is older than the log. ` +
      "Nothing was changed",
    { file: file.path },
  );
}
