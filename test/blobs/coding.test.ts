/** Chunks as they are stored: whatever they are, they come back; whatever is read, nothing breaks. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ChunkCoder, type Width } from "../../src/blobs/coding.js";
import { decodeBytes, encodeBytes } from "../../src/blobs/entropy.js";
import { PACK_CODING } from "../../src/blobs/format.js";
import { chooseDisk } from "../../src/disk/choose.js";
import { portableCompressor } from "../../src/disk/compressor.js";
import { seedOfRun } from "../support/seed.js";
import { noise, same } from "./content.js";

const seed = seedOfRun(71);
const native = chooseDisk("auto", () => {}).compressor;
const widths = fc.constantFrom<Width>(1, 2, 4, 8);

/** Bytes of one kind or another: random, few symbols, runs, mostly zero. */
const bytes = fc
  .tuple(fc.integer({ min: 1, max: 3000 }), fc.integer(), fc.constantFrom(0, 1, 2, 3))
  .map(([length, of, kind]) =>
    noise(length, of).map((byte, i) => {
      if (kind === 0) return byte;
      if (kind === 1) return byte & 3;
      if (kind === 2) return Math.floor(i / 50);
      return byte < 8 ? byte : 0;
    }),
  );

test("the entropy coder gives back what it was given, or says that it cannot", () => {
  fc.assert(
    fc.property(bytes, (source) => {
      const target = new Uint8Array(source.length + 1000);
      const length = encodeBytes(source, target, 3, source.length);
      if (length === 0) return;
      const back = new Uint8Array(source.length);
      expect(decodeBytes(target, 3, 3 + length, back)).toBe(true);
      expect(same(back, source)).toBe(true);
      expect(decodeBytes(target, 3, 2 + length, back)).toBe(false);
    }),
    { seed, numRuns: 150 },
  );
});

test("every coding, every width, by the addon and without it", () => {
  const coders = [new ChunkCoder(native), new ChunkCoder(portableCompressor)];
  const seen = new Set<number>();
  fc.assert(
    fc.property(
      bytes,
      widths,
      fc.integer({ min: 0, max: 100 }),
      fc.integer(),
      (base, width, part, of) => {
        const change = noise(base.length, of);
        const chance = noise(base.length, of + 1);
        const raw = base.map((byte, i) =>
          (chance[i] as number) % 100 < part ? (change[i] as number) : byte,
        );
        for (const [i, coder] of coders.entries()) {
          for (const from of [undefined, base]) {
            const { bytes: coded, coding, width: of, usesBase } = coder.encode(raw, width, from);
            const stored = coded.slice();
            seen.add(coding);
            expect(stored.length).toBeLessThanOrEqual(raw.length);
            const back = new Uint8Array(raw.length);
            const other = coders[1 - i] as ChunkCoder;
            expect(other.decode(coding, of, stored, usesBase ? base : undefined, back)).toBe(true);
            expect(same(back, raw)).toBe(true);
          }
        }
      },
    ),
    { seed, numRuns: 150 },
  );
  expect([...seen].sort()).toEqual([
    PACK_CODING.raw,
    PACK_CODING.lz4,
    PACK_CODING.difference,
    PACK_CODING.sparse,
  ]);
});

test("bytes that are no chunk are refused, or are some chunk, and never anything else", () => {
  const coder = new ChunkCoder(native);
  const base = noise(1024, 1);
  const raw = base.map((byte, i) => (i % 90 === 0 ? byte ^ 5 : byte));
  const dense = base.map((byte, i) => (i % 4 === 0 ? byte ^ 5 : byte));
  for (const content of [raw, dense]) {
    const { bytes: coded, coding, width } = coder.encode(content, 4, base);
    const stored = coded.slice();
    fc.assert(
      fc.property(fc.nat(stored.length - 1), fc.nat(255), fc.nat(stored.length), (at, to, end) => {
        const bad = stored.slice(0, end);
        if (at < end) bad[at] = to;
        const out = new Uint8Array(raw.length);
        coder.decode(coding, width, bad, base, out);
        expect(coder.decode(9, width, bad, base, out)).toBe(false);
        expect(coder.decode(coding, 3, bad, base, out)).toBe(false);
        expect(coder.decode(coding, width, bad, undefined, out)).toBe(false);
      }),
      { seed, numRuns: 800 },
    );
  }
});
