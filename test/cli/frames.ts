/** Stores whose frames are known one by one, for the tests of `verify`; damage and forgery. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { fromHex, viewOf } from "../../src/base/bytes.js";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import type { Finding, Sequences } from "../../src/cli/findings.js";
import type { Verification } from "../../src/cli/verify-store.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import {
  defineTable,
  integer,
  type OpenOptions,
  open,
  type Store,
  string,
} from "../../src/index.js";
import {
  decodeFrameHeader,
  FRAME_AT,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  RECORD_AT,
  segmentFileName,
} from "../../src/log/format.js";
import { decodeManifest, MANIFEST_SLOT_NAMES, type Manifest } from "../../src/manifest/format.js";
import { hashOf, holdfast, LOG_ONLY } from "./stores.js";

export const items = defineTable({
  name: "items",
  version: 1,
  key: integer(),
  fields: { value: integer(), text: string() },
});

const made: string[] = [];

/** A directory that `removeDirectories` removes. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "holdfast-cli-"));
  made.push(directory);
  return directory;
}

export async function removeDirectories(): Promise<void> {
  for (const directory of made.splice(0)) await rm(directory, { recursive: true, force: true });
}

export async function copyOf(directory: string): Promise<string> {
  const copy = await makeDirectory();
  await cp(directory, copy, { recursive: true });
  return copy;
}

export function openStore(directory: string, options: OpenOptions = {}): Promise<Store> {
  return open(directory, {
    tables: [items],
    environment: "test",
    writerId: "tester",
    segmentBytes: 64 * 1024,
    frameBytesMax: 8192,
    framesInFlight: 4,
    onWarning: () => {},
    ...LOG_ONLY,
    ...options,
  });
}

/** Rows `from` to `to` - 1, each in a frame of its own that takes up about 4 KiB anywhere. */
export async function fill(store: Store, from: number, to: number, bytes = 3500): Promise<void> {
  for (let key = from; key < to; key++) {
    await store.table(items).put(key, { value: key, text: "x".repeat(bytes) });
  }
}

/** Small rows that become durable together, in one frame. */
export async function fillTogether(store: Store, from: number, to: number): Promise<void> {
  const keys = Array.from({ length: to - from }, (_, i) => from + i);
  await Promise.all(
    keys.map((key) => store.table(items).put(key, { value: key, text: "together" })),
  );
}

/** As an object, after checking that nothing was changed and that the exit code fits. */
export async function verify(directory: string): Promise<Verified> {
  const before = hashOf(directory);
  const { code, stdout, stderr } = await holdfast("verify", directory, "--json");
  expect(stderr).toBe("");
  expect(hashOf(directory)).toBe(before);
  const result = JSON.parse(stdout) as Verification;
  expect(code).toBe(result.verdict === "sound" ? 0 : 1);
  return { ...result, code };
}

export interface Verified extends Verification {
  readonly code: number;
}

/** Everything but the words. */
export function placesOf({ findings }: Verification): Omit<Finding, "message" | "severity">[] {
  return findings.map(({ kind, file, offset, sequences }) => ({ kind, file, offset, sequences }));
}

export function rangeOf({ header, lastSequence }: FrameAt): Sequences {
  return { first: header.firstSequence, last: lastSequence };
}

/** Transactions of `makeHealthy`: the declaration of the table is the first one. */
export const TRANSACTIONS = 41;

/** A closed store of several segments; five rows in the middle are in one frame. */
export async function makeHealthy(): Promise<string> {
  const directory = await makeDirectory();
  const store = await openStore(directory);
  await fill(store, 0, 20);
  await fillTogether(store, 20, 25);
  await fill(store, 25, TRANSACTIONS - 1);
  await store.close();
  return directory;
}

/** A copy, and its frames. */
export async function copied(of: string): Promise<{ directory: string; frames: FrameAt[] }> {
  const directory = await copyOf(of);
  return { directory, frames: await framesOf(directory) };
}

/** The frame of a row that is alone in it, somewhere in the middle of the first segment. */
export function middle(frames: readonly FrameAt[]): { frame: FrameAt; index: number } {
  const index = 5;
  const frame = frames[index];
  if (frame === undefined || frame.header.recordCount !== 1) throw new Error("no such frame");
  return { frame, index };
}

export interface FrameAt {
  readonly path: string;
  readonly offset: number;
  readonly header: FrameHeader;
  /** Of its last record; one less than the first in a seal. */
  readonly lastSequence: number;
}

export async function manifestOf(directory: string): Promise<Manifest> {
  const found: Manifest[] = [];
  for (const name of MANIFEST_SLOT_NAMES) {
    const bytes = await readFile(join(directory, name));
    const result = decodeManifest(bytes, portableChecksum);
    if (result.ok) found.push(result.manifest);
  }
  const newest = found.sort((a, b) => b.generation - a.generation)[0];
  if (newest === undefined) throw new Error("there is no manifest");
  return newest;
}

/** The frames of a sound store, in the order of the log. */
export async function framesOf(directory: string): Promise<FrameAt[]> {
  const manifest = await manifestOf(directory);
  const frames: FrameAt[] = [];
  for (const entry of [...manifest.segments].sort((a, b) => a.id - b.id)) {
    const path = join(directory, segmentFileName(entry.id));
    const bytes = new Uint8Array(await readFile(path));
    const storeId = fromHex(manifest.storeId) as Uint8Array;
    const { epoch, alignment } = entry;
    const place = {
      storeId,
      segmentId: entry.id,
      epoch,
      alignment,
      frameBytesMax: FRAME_BYTES_MAX,
    };
    const end = entry.state === "sealed" ? entry.bytes : bytes.length;
    for (let offset = alignment; offset < end; ) {
      const view = viewOf(bytes);
      const header = decodeFrameHeader(bytes, view, offset, offset, place, portableChecksum);
      if (header === undefined) break;
      const lastSequence = header.firstSequence + header.recordCount - 1;
      frames.push({ path, offset, header, lastSequence });
      offset += header.frameBytes;
    }
  }
  return frames;
}

export async function edit(path: string, change: (bytes: Buffer) => void): Promise<void> {
  const bytes = await readFile(path);
  change(bytes);
  await writeFile(path, bytes);
}

export function flip(path: string, offset: number): Promise<void> {
  return edit(path, (bytes) => {
    bytes[offset] = bytes[offset]! ^ 0x10;
  });
}

export interface Forgery {
  /** Of the frame, from its first byte on. */
  readonly change: (frame: Buffer) => void;
  /** Make the checksum of its first record good again. */
  readonly record?: boolean;
  /** Leave the links of the frames behind it alone. */
  readonly alone?: boolean;
}

/** Changes a frame and makes its checksums good again, and the links of all frames behind it. */
export async function forge(
  frames: readonly FrameAt[],
  index: number,
  { change, record = false, alone = false }: Forgery,
): Promise<void> {
  let link = frames[index]!.header.previousChecksum;
  for (const [at, { path, offset, header }] of frames.entries()) {
    if (at < index || (alone && at > index)) continue;
    await edit(path, (bytes) => {
      const frame = bytes.subarray(offset, offset + header.frameBytes);
      frame.writeUInt32LE(link, FRAME_AT.previousChecksum);
      if (at === index) change(frame);
      if (at === index && record) {
        const end =
          FRAME_HEADER_BYTES + frame.readUInt32LE(FRAME_HEADER_BYTES + RECORD_AT.recordBytes);
        putChecksum(frame, FRAME_HEADER_BYTES + RECORD_AT.recordBytes, end, FRAME_HEADER_BYTES);
      }
      const payloadEnd = FRAME_HEADER_BYTES + header.payloadBytes;
      putChecksum(frame, FRAME_HEADER_BYTES, payloadEnd, FRAME_AT.payloadChecksum);
      putChecksum(frame, FRAME_AT.payloadChecksum, FRAME_HEADER_BYTES, FRAME_AT.checksum);
      link = frame.readUInt32LE(FRAME_AT.checksum);
    });
  }
}

function putChecksum(bytes: Buffer, from: number, to: number, at: number): void {
  bytes.writeUInt32LE(portableChecksum.crc32c(bytes, from, to), at);
}
