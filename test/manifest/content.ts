/** Manifests for tests: a good one with something in every part, and slots of any content. */
import { encode } from "@msgpack/msgpack";
import { fromHex, setUint53, viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import {
  MANIFEST_AT,
  MANIFEST_BLOCK_BYTES,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_HEADER_BYTES,
  MANIFEST_MAGIC,
  type Manifest,
  type ManifestFile,
} from "../../src/manifest/format.js";

function file(id: number, first: string, last: string): ManifestFile {
  const key = (text: string) => Uint8Array.from([0, 1, ...Buffer.from(text)]);
  return {
    id,
    bytes: 4096 * id,
    rows: 10 * id,
    tombstones: id,
    firstKey: key(first),
    lastKey: key(last),
    checksum: 0xffff_fff0 + id,
  };
}

const segment = { epoch: 1, alignment: 4096, recycled: false };

/** A fourth run on top is being made of nothing; two of three are on their way into the last. */
export const manifest: Manifest = {
  generation: 7,
  storeId: "00112233445566778899aabbccddeeff",
  environment: "test",
  createdMicros: 1_700_000_000_000_000,
  epoch: 3,
  writer: { writerId: "w", host: "h", pid: 42, openedMicros: 1_700_000_000_000_001 },
  framesInFlight: 8,
  frameBytesMax: 8192,
  methods: [
    {
      disk: "native",
      method: "direct-dsync",
      measured: [{ method: "direct-dsync", p50Micros: 60, p99Micros: 90 }],
    },
  ],
  lastMicros: 1_700_000_000_000_000,
  closed: false,
  durableThrough: 112,
  segments: [
    { ...segment, id: 3, state: "sealed", bytes: 8192, lastSequence: 50 },
    { ...segment, id: 4, state: "sealed", bytes: 16384, lastSequence: 100 },
    { ...segment, id: 6, state: "active", epoch: 3, bytes: 65536, lastSequence: 0 },
    { ...segment, id: 7, state: "spare", epoch: 3, bytes: 65536, lastSequence: 0, recycled: true },
  ],
  tables: [{ id: 1, name: "t", schemas: [{ any: "thing" }] }],
  replay: { microsPerOperation: 0.75, microsPerKilobyte: 1 },
  state: {
    runs: [
      { id: 13, tier: 0, firstSequence: 91, lastSequence: 110, files: [13] },
      { id: 11, tier: 0, firstSequence: 81, lastSequence: 90, files: [11] },
      { id: 10, tier: 1, firstSequence: 61, lastSequence: 80, files: [10] },
      { id: 5, tier: 2, firstSequence: 1, lastSequence: 60, files: [5, 6, 12] },
    ],
    runsThrough: 110,
    replayFrom: { segmentId: 6, offset: 8192, sequence: 109, frameChecksum: 0xdead_beef },
  },
  files: [
    file(5, "a", "c"),
    file(6, "d", "f"),
    file(7, "g", "m"),
    file(10, "a", "k"),
    file(11, "b", "b"),
    file(12, "g", "l"),
    file(13, "aa", "zz"),
  ],
  merge: { runs: [11, 10], throughKey: Uint8Array.from([0, 1, 0x66]) },
  snapshots: [
    {
      name: "before",
      sequence: 75,
      createdMicros: 1_700_000_000_000_000,
      state: {
        runs: [{ id: 5, tier: 2, firstSequence: 1, lastSequence: 60, files: [5, 6, 7] }],
        runsThrough: 60,
        replayFrom: { segmentId: 4, offset: 4096, sequence: 51, frameChecksum: 1 },
      },
      segments: [4],
    },
  ],
  archives: [
    {
      id: 1,
      firstSequence: 1,
      lastSequence: 30,
      lastMicros: 1_700_000_000_000_000,
      bytes: 5000,
      epoch: 1,
      alignment: 4096,
      historyBase: new Uint8Array(32),
      historyHash: new Uint8Array(32).fill(3),
    },
  ],
};

/** For a manifest that lists packs. */
export const packs: NonNullable<Manifest["packs"]> = [
  { id: 1, bytes: 4096, chunks: 3, checksum: 77, storeId: "0123456789abcdef0123456789abcdef" },
  {
    id: 4,
    bytes: 900,
    chunks: 2,
    checksum: 1,
    dead: { chunks: 1, bytes: 300, checksum: 5, since: 60 },
  },
];

/** One without packs, and without hashes of its history, is of the version before them. */
function versionOf(content: unknown): number {
  const { packs, archives } = (content ?? {}) as Partial<Manifest>;
  const list = Array.isArray(archives) ? (archives as Manifest["archives"]) : [];
  const isHashed = list.some((archive) => archive?.historyHash !== undefined);
  return packs !== undefined || isHashed ? MANIFEST_FORMAT_VERSION : MANIFEST_FORMAT_VERSION - 1;
}

/** A slot with good checksums over any content. */
export function slotOf(content: unknown, version = versionOf(content)): Uint8Array {
  const payload = encode(content);
  const used = MANIFEST_HEADER_BYTES + payload.length;
  const bytes = new Uint8Array(Math.ceil(used / MANIFEST_BLOCK_BYTES) * MANIFEST_BLOCK_BYTES);
  const view = viewOf(bytes);
  const { generation, storeId } = content as Manifest;
  bytes.set(payload, MANIFEST_HEADER_BYTES);
  view.setUint32(MANIFEST_AT.magic, MANIFEST_MAGIC, true);
  view.setUint32(MANIFEST_AT.formatVersion, version, true);
  view.setUint32(MANIFEST_AT.payloadBytes, payload.length, true);
  if (typeof generation === "number") setUint53(view, MANIFEST_AT.generation, generation);
  if (typeof storeId === "string") {
    bytes.set(fromHex(storeId) ?? new Uint8Array(16), MANIFEST_AT.storeId);
  }
  const sum = portableChecksum.crc32c(bytes, MANIFEST_HEADER_BYTES, used);
  view.setUint32(MANIFEST_AT.payloadChecksum, sum, true);
  const header = portableChecksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
  view.setUint32(MANIFEST_AT.headerChecksum, header, true);
  return bytes;
}
