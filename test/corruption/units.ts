/**
 * What every byte of the specimen belongs to, and so what must come of a change of it. This is
 * worked out from docs/format.md and the whole files, never from what a reader says of changed ones.
 */
import { fromHex, viewOf } from "../../src/base/bytes.js";
import type { ErrorCode } from "../../src/base/errors.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import {
  decodeFrameHeader,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  SEGMENT_HEADER_BYTES,
  segmentFileName,
} from "../../src/log/format.js";
import { archiveFileName } from "../../src/manifest/archive-name.js";
import {
  MANIFEST_AT,
  MANIFEST_HEADER_BYTES,
  MANIFEST_SLOT_NAMES,
  type ManifestSegment,
} from "../../src/manifest/format.js";
import {
  BLOCK_AT,
  BLOCK_KIND,
  RUN_FOOTER_BYTES,
  RUN_HEADER_BYTES,
  runFileName,
} from "../../src/run/format.js";
import { ARCHIVE_HEADER_BYTES } from "../../src/snapshot/archive-format.js";
import { fastChecksum } from "./image-disk.js";
import { DIRECTORY, type Specimen } from "./specimen.js";

/**
 * - "refused": whoever needs it gets `code` with file and offset.
 * - "repaired": the other slot is used; the opening names this one.
 * - "unread": nothing that is read comes from there, but `verify` finds it.
 * - "nothing": it carries nothing: nobody needs to notice.
 */
export type Fate = "refused" | "repaired" | "unread" | "nothing";

export interface Unit {
  readonly path: string;
  /** Its bytes: [from, to). */
  readonly from: number;
  readonly to: number;
  readonly what: string;
  readonly fate: Fate;
  readonly code?: ErrorCode;
}

export interface LogFrame {
  readonly path: string;
  readonly segmentId: number;
  readonly header: FrameHeader;
}

/** All units of all files, but for the lock and strays. */
export function unitsOf(specimen: Specimen): Unit[] {
  const { manifest } = specimen;
  return [
    ...manifest.segments.flatMap((entry) => unitsOfSegment(specimen, entry)),
    ...manifest.files.flatMap(({ id }) => unitsOfRun(specimen, `${DIRECTORY}/${runFileName(id)}`)),
    ...manifest.archives.flatMap(({ id }) =>
      unitsOfArchive(specimen, `${DIRECTORY}/${archiveFileName(id)}`),
    ),
    ...MANIFEST_SLOT_NAMES.flatMap((name) => unitsOfSlot(specimen, `${DIRECTORY}/${name}`)),
  ];
}

/** The frames of the log in their order, those that runs have included. */
export function logFrames({ files, manifest }: Specimen): LogFrame[] {
  const frames: LogFrame[] = [];
  for (const { id, epoch, alignment, state, bytes: end } of manifest.segments) {
    const path = `${DIRECTORY}/${segmentFileName(id)}`;
    const bytes = files.get(path) as Uint8Array;
    const storeId = fromHex(manifest.storeId) as Uint8Array;
    const place = { storeId, segmentId: id, epoch, alignment, frameBytesMax: FRAME_BYTES_MAX };
    const limit = state === "sealed" ? end : bytes.length;
    for (let at = alignment; at < limit; ) {
      const header = decodeFrameHeader(bytes, viewOf(bytes), at, at, place, fastChecksum);
      if (header === undefined) break;
      frames.push({ path, segmentId: id, header });
      at += header.frameBytes;
    }
  }
  return frames;
}

function unitsOfSegment(specimen: Specimen, entry: ManifestSegment): Unit[] {
  const path = `${DIRECTORY}/${segmentFileName(entry.id)}`;
  const size = (specimen.files.get(path) as Uint8Array).length;
  const { segmentId, offset: replayFrom } = specimen.manifest.state.replayFrom;
  const headerFate = entry.state === "spare" ? "nothing" : "refused";
  const units: Unit[] = [
    unit(path, 0, SEGMENT_HEADER_BYTES, "segment header", headerFate, "CORRUPT_LOG"),
    unit(path, SEGMENT_HEADER_BYTES, entry.alignment, "padding of a segment header", "nothing"),
  ];
  const frames = logFrames(specimen);
  const last = frames.at(-1);
  let at = entry.alignment;
  for (const { header } of frames.filter((frame) => frame.path === path)) {
    const { offset, recordCount, payloadBytes, frameBytes } = header;
    const end = offset + FRAME_HEADER_BYTES + payloadBytes;
    // Nothing says that the seal at the end was there, and nothing is lost with it.
    const isSeal = recordCount === 0 && header === last?.header;
    const isReplayed = entry.id > segmentId || offset >= replayFrom;
    const fate = isSeal ? "nothing" : isReplayed ? "refused" : "unread";
    const what = isSeal ? "last seal" : isReplayed ? "replayed frame" : "frame that a run has";
    units.push(
      unit(path, offset, end, what, fate, "CORRUPT_LOG"),
      unit(path, end, offset + frameBytes, "padding of a frame", "nothing"),
    );
    at = offset + frameBytes;
  }
  units.push(unit(path, at, size, "space behind the last frame", "nothing"));
  return units.filter(({ from, to }) => from < to);
}

const KIND_NAMES = new Map<number, string>(
  Object.entries(BLOCK_KIND).map(([name, kind]) => [kind, name]),
);

function unitsOfRun(specimen: Specimen, path: string): Unit[] {
  const bytes = specimen.files.get(path) as Uint8Array;
  const end = bytes.length - RUN_FOOTER_BYTES;
  return [
    unit(path, 0, RUN_HEADER_BYTES, "run header", "refused", "CORRUPT_RUN"),
    ...blocks(bytes, RUN_HEADER_BYTES, end).map(({ from, to, kind }) =>
      unit(path, from, to, `run ${KIND_NAMES.get(kind)} block`, "refused", "CORRUPT_RUN"),
    ),
    unit(path, end, bytes.length, "run footer", "refused", "CORRUPT_RUN"),
  ];
}

function unitsOfArchive(specimen: Specimen, path: string): Unit[] {
  const bytes = specimen.files.get(path) as Uint8Array;
  return [
    unit(path, 0, ARCHIVE_HEADER_BYTES, "archive header", "refused", "CORRUPT_LOG"),
    ...blocks(bytes, ARCHIVE_HEADER_BYTES, bytes.length).map(({ from, to }) =>
      unit(path, from, to, "archive block", "refused", "CORRUPT_LOG"),
    ),
  ];
}

function unitsOfSlot(specimen: Specimen, path: string): Unit[] {
  const bytes = specimen.files.get(path) as Uint8Array;
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  return [
    unit(path, 0, used, "manifest slot", "repaired"),
    unit(path, used, bytes.length, "room of a manifest slot", "nothing"),
  ];
}

function blocks(bytes: Uint8Array, first: number, end: number) {
  const found: { readonly from: number; readonly to: number; readonly kind: number }[] = [];
  const view = viewOf(bytes);
  for (let from = first; from < end; ) {
    const to = from + view.getUint32(from + BLOCK_AT.blockBytes, true);
    found.push({ from, to, kind: bytes[from + BLOCK_AT.kind] as number });
    from = to;
  }
  return found;
}

function unit(
  path: string,
  from: number,
  to: number,
  what: string,
  fate: Fate,
  code?: ErrorCode,
): Unit {
  return { path, from, to, what, fate, ...(fate === "refused" && code ? { code } : {}) };
}
