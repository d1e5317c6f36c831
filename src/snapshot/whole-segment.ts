/** A sealed segment read from end to end, whatever stands before and behind it. */
import { HoldfastError } from "../base/errors.js";
import {
  decodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  segmentFileName,
} from "../log/format.js";
import { HistoryHash } from "../log/history-hash.js";
import { walkRecords } from "../log/record.js";
import type { ManifestSegment } from "../manifest/format.js";
import type { JobContext } from "./context.js";
import { LogCursor } from "./log-cursor.js";

/** A segment of a store. */
export interface SegmentPlace {
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  readonly segment: ManifestSegment;
}

/** Hash of the history through a transaction: docs/format.md. */
export interface HistoryMark {
  readonly sequence: number;
  readonly hash: Uint8Array;
}

export function cursorOver({ segment, ...place }: SegmentPlace, context: JobContext): LogCursor {
  const start = { segmentId: segment.id, offset: segment.alignment };
  return new LogCursor(
    {
      ...place,
      segments: [segment],
      from: { ...start, sequence: 0, frameChecksum: 0 },
      end: { segmentId: segment.id, bytes: segment.bytes },
      anyLink: true,
    },
    context,
  );
}

/** Its bytes, and what they say. Throws CORRUPT_LOG for that of another segment. */
export async function readSegmentHeader(
  { directory, segment }: SegmentPlace,
  { disk }: JobContext,
): Promise<{ bytes: Uint8Array; header: SegmentHeader }> {
  const path = `${directory}/${segmentFileName(segment.id)}`;
  const file = await disk.open(path, { direct: true });
  try {
    const bytes = await file.read(0, segment.alignment);
    const result = decodeSegmentHeader(bytes, disk.checksum);
    const ours = result.ok && result.header.segmentId === segment.id;
    if (ours && result.header.epoch === segment.epoch) {
      return { bytes: bytes.subarray(0, SEGMENT_HEADER_BYTES), header: result.header };
    }
  } finally {
    await file.close();
  }
  const data = { file: path, offset: 0 };
  throw new HoldfastError("CORRUPT_LOG", `${path} is damaged at 0: its header`, data);
}

/** Goes on with what is before if the next transaction is `sequence`, and otherwise begins anew. */
export function historyFrom(sequence: number, before: HistoryMark | undefined): HistoryHash {
  return new HistoryHash(before?.sequence === sequence - 1 ? before.hash : undefined);
}

/** The hash through the segment's last transaction. */
export async function hashSegment(
  place: SegmentPlace,
  before: HistoryMark | undefined,
  context: JobContext,
): Promise<HistoryMark> {
  const { segment } = place;
  const { header } = await readSegmentHeader(place, context);
  const cursor = cursorOver(place, context);
  let hash: HistoryHash | undefined;
  try {
    for (let frame = await cursor.peek(); frame !== undefined; frame = await cursor.peek()) {
      const { bytes, view, position } = frame;
      hash ??= historyFrom(frame.header.firstSequence, before);
      const history = hash;
      const wrong = walkRecords(bytes, view, position, frame.header, (record) =>
        history.add(record, header.writerId),
      );
      if (wrong !== undefined) throw cursor.corrupt(wrong);
      cursor.advance(frame.header);
    }
  } finally {
    await cursor.close();
  }
  const sequence = segment.lastSequence;
  return { sequence, hash: (hash ?? historyFrom(sequence + 1, before)).bytes };
}
