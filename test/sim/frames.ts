/** Where the frames of a store's log stand, and which of them something else proves. */
import { fromHex, viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { Disk } from "../../src/disk/disk.js";
import { decodeFrameHeader, segmentFileName } from "../../src/log/format.js";
import type { Manifest } from "../../src/manifest/format.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import type { SimulatedMachine } from "./machine.js";

export interface FrameAt {
  readonly path: string;
  readonly offset: number;
  readonly payloadBytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly durableThrough: number;
  /** Something says that it was durable: a later frame, or the manifest. */
  proven: boolean;
  /** Recovery reads it; runs have what stands before. */
  readonly replayed: boolean;
  /** Recovery reads something of its segment. */
  readonly segmentReplayed: boolean;
}

export async function newestManifest(
  machine: SimulatedMachine,
  disk: Disk,
  directory: string,
): Promise<Manifest> {
  const { newest } = await machine.run(readManifestSlots(disk, directory));
  if (newest === undefined) throw new Error("there is no manifest");
  return newest;
}

/** In the order of the log. */
export function framesOf(
  machine: SimulatedMachine,
  directory: string,
  manifest: Manifest,
): FrameAt[] {
  const frames: FrameAt[] = [];
  const { segmentId, offset: from } = manifest.state.replayFrom;
  for (const entry of [...manifest.segments].sort((a, b) => a.id - b.id)) {
    const path = `${directory}/${segmentFileName(entry.id)}`;
    const bytes = machine.read(path);
    const view = viewOf(bytes);
    const place = {
      storeId: fromHex(manifest.storeId) as Uint8Array,
      segmentId: entry.id,
      epoch: entry.epoch,
      alignment: entry.alignment,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    const end = entry.state === "sealed" ? entry.bytes : bytes.length;
    for (let offset = entry.alignment; offset < end; ) {
      const header = decodeFrameHeader(bytes, view, offset, offset, place, portableChecksum);
      if (header === undefined) break;
      const { payloadBytes, firstSequence, durableThrough, recordCount } = header;
      const lastSequence = firstSequence + recordCount - 1;
      frames.push({
        path,
        offset,
        payloadBytes,
        firstSequence,
        lastSequence,
        durableThrough,
        proven: manifest.durableThrough >= firstSequence,
        replayed: entry.id > segmentId || (entry.id === segmentId && offset >= from),
        segmentReplayed: entry.id >= segmentId,
      });
      offset += header.frameBytes;
    }
  }
  for (const [index, frame] of frames.entries()) {
    frame.proven ||= frames
      .slice(index + 1)
      .some(({ durableThrough }) => durableThrough >= frame.firstSequence);
  }
  return frames;
}
