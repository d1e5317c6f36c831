/** One slot: there and back, and nothing damaged taken for good. */
import { expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import {
  decodeManifest,
  encodeManifest,
  MANIFEST_AT,
  MANIFEST_HEADER_BYTES,
  type Manifest,
} from "../../src/manifest/format.js";

const manifest: Manifest = {
  generation: 7,
  storeId: "00112233445566778899aabbccddeeff",
  environment: "test",
  createdMicros: 1_700_000_000_000_000,
  epoch: 3,
  writer: { writerId: "w", host: "h", pid: 42, openedMicros: 1_700_000_000_000_001 },
  framesInFlight: 8,
  frameBytesMax: 8192,
  methods: [{ disk: "native", method: "direct-dsync", measured: [] }],
  base: { sequence: 0, frameChecksum: 0 },
  durableThrough: 12,
  segments: [
    { id: 1, state: "sealed", epoch: 1, alignment: 4096, bytes: 8192, lastSequence: 12 },
    { id: 2, state: "active", epoch: 3, alignment: 4096, bytes: 65536, lastSequence: 0 },
  ],
  tables: [{ id: 1, name: "t", schemas: [{ any: "thing" }] }],
};

function resealed(bytes: Uint8Array): Uint8Array {
  const view = viewOf(bytes);
  const end = MANIFEST_HEADER_BYTES + view.getUint32(MANIFEST_AT.payloadBytes, true);
  const payload = portableChecksum.crc32c(
    bytes,
    MANIFEST_HEADER_BYTES,
    Math.min(end, bytes.length),
  );
  view.setUint32(MANIFEST_AT.payloadChecksum, payload, true);
  const header = portableChecksum.crc32c(bytes, MANIFEST_AT.formatVersion, MANIFEST_HEADER_BYTES);
  view.setUint32(MANIFEST_AT.headerChecksum, header, true);
  return bytes;
}

test("a manifest comes back as it was, in whole blocks", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  expect(bytes.length % 4096).toBe(0);
  expect(decodeManifest(bytes, portableChecksum)).toEqual({ ok: true, manifest });
});

test("every flipped bit of header and content is damage", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  for (let bit = 0; bit < used * 8; bit++) {
    const copy = bytes.slice();
    copy[bit >> 3]! ^= 1 << (bit & 7);
    expect(decodeManifest(copy, portableChecksum), `bit ${bit}`).toMatchObject({
      ok: false,
      why: "damaged",
    });
  }
});

test("a manifest that is cut off anywhere is damage", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  const used = MANIFEST_HEADER_BYTES + viewOf(bytes).getUint32(MANIFEST_AT.payloadBytes, true);
  for (let length = 0; length < used; length++) {
    expect(decodeManifest(bytes.subarray(0, length), portableChecksum).ok).toBe(false);
  }
});

test("a newer format is told apart from damage", () => {
  const bytes = encodeManifest(manifest, portableChecksum);
  viewOf(bytes).setUint32(MANIFEST_AT.formatVersion, 2, true);
  expect(decodeManifest(resealed(bytes), portableChecksum)).toMatchObject({ why: "version" });
});

const WRONG: readonly [string, object][] = [
  ["a generation that is not a number", { generation: "7" }],
  ["no segments", { segments: undefined }],
  ["a segment of no known state", { segments: [{ ...manifest.segments[0], state: "lost" }] }],
  ["a segment of negative size", { segments: [{ ...manifest.segments[0], bytes: -1 }] }],
  ["an identity that is none", { storeId: "zz" }],
];

test.each(WRONG)("%s is damage although the checksums are good", (_name, change) => {
  const bytes = encodeManifest({ ...manifest, ...change } as Manifest, portableChecksum);
  expect(decodeManifest(resealed(bytes), portableChecksum)).toMatchObject({ why: "damaged" });
});
