/**
 * How the content of a chunk becomes what is stored, and back. The smallest form is taken: as it
 * is, by LZ4, or as what differs from a chunk of an earlier version.
 */
import type { Compressor } from "../disk/disk.js";
import { PACK_CODING } from "./format.js";
import {
  countElements,
  joinPlanes,
  placeElements,
  splitPlanes,
  takeElements,
  xor,
} from "./planes.js";
import { readStream, writeStream } from "./streams.js";

/** Bytes of an element: its planes are alike. */
export type Width = 1 | 2 | 4 | 8;

export interface Coded {
  readonly coding: number;
  readonly width: number;
  /** It is nothing without the base. */
  readonly usesBase: boolean;
  /** In memory of the coder, until the next one. */
  readonly bytes: Uint8Array;
}

/** Of a chunk that has no base, pieces so long are tried first: most models do not compress. */
const SAMPLE_BYTES = 4096;
const SAMPLES = 8;
/** LZ4 has to save an eighth of them. */
const SAMPLE_WORTH = 7 / 8;

/** What differs is looked at element by element if no more than this part of them does. */
const SPARSE_PART = 1 / 8;

/** A difference no larger than that is taken without a look at what LZ4 makes of the whole. */
const GOOD_PART = 1 / 2;

const COUNT_BYTES = 4;

/** Memory for one chunk after another. Not to be used by two at a time. */
export class ChunkCoder {
  readonly #compressor: Compressor;
  #out = new Uint8Array(0);
  #a = new Uint8Array(0);
  #b = new Uint8Array(0);

  constructor(compressor: Compressor) {
    this.#compressor = compressor;
  }

  /** `base` has the same length. */
  encode(raw: Uint8Array, width: Width, base: Uint8Array | undefined): Coded {
    this.#reserve(raw.length);
    const coded = base && this.#difference(raw, width, base);
    if (coded !== undefined && coded.bytes.length <= raw.length * GOOD_PART) return coded;
    const alone = this.#alone(raw, coded?.bytes.length ?? raw.length);
    return coded === undefined || alone.bytes.length < coded.bytes.length ? alone : coded;
  }

  /** Of the length that it had. False for bytes that are not such. */
  decode(
    coding: number,
    width: number,
    stored: Uint8Array,
    base: Uint8Array | undefined,
    out: Uint8Array,
  ): boolean {
    this.#reserve(out.length);
    switch (coding) {
      case PACK_CODING.raw:
        if (stored.length !== out.length) return false;
        out.set(stored);
        return true;
      case PACK_CODING.lz4:
        return this.#compressor.decompress(stored, 0, stored.length, out) === out.length;
      case PACK_CODING.planes:
        return this.#readPlanes(stored, 0, width, out) === stored.length;
      case PACK_CODING.difference:
        if (base?.length !== out.length) return false;
        if (this.#readPlanes(stored, 0, width, out) !== stored.length) return false;
        xor(out, base, out);
        return true;
      case PACK_CODING.sparse:
        if (base?.length !== out.length || !this.#readSparse(stored, width, out)) return false;
        xor(out, base, out);
        return true;
      default:
        return false;
    }
  }

  #reserve(bytes: number): void {
    if (this.#a.length >= bytes) return;
    this.#out = new Uint8Array(bytes);
    this.#a = new Uint8Array(bytes);
    this.#b = new Uint8Array(bytes);
  }

  // ---- alone -----------------------------------------------------------------------------------

  #alone(raw: Uint8Array, most: number): Coded {
    if (this.#isWorthLz4(raw)) {
      // Not where what differs stands.
      const out = this.#a;
      const bytes = this.#compressor.compress(raw, 0, raw.length, out, 0, most - 1);
      if (bytes > 0)
        return {
          coding: PACK_CODING.lz4,
          width: 1,
          usesBase: false,
          bytes: out.subarray(0, bytes),
        };
    }
    return { coding: PACK_CODING.raw, width: 1, usesBase: false, bytes: raw };
  }

  #isWorthLz4(raw: Uint8Array): boolean {
    if (raw.length <= SAMPLES * SAMPLE_BYTES) return raw.length > 1;
    let bytes = 0;
    const step = Math.floor((raw.length - SAMPLE_BYTES) / (SAMPLES - 1));
    for (let i = 0; i < SAMPLES; i++) {
      const [from, to] = [i * step, i * step + SAMPLE_BYTES];
      const room = SAMPLE_BYTES - 1;
      bytes += this.#compressor.compress(raw, from, to, this.#b, 0, room) || SAMPLE_BYTES;
    }
    return bytes < SAMPLE_WORTH * SAMPLES * SAMPLE_BYTES;
  }

  // ---- against a base --------------------------------------------------------------------------

  #difference(raw: Uint8Array, width: Width, base: Uint8Array): Coded | undefined {
    const differing = this.#a.subarray(0, raw.length);
    xor(raw, base, differing);
    const sparseMost = Math.floor((raw.length / width) * SPARSE_PART);
    const count = countElements(differing, width, sparseMost + 1);
    const isSparse = count <= sparseMost;
    const end = isSparse
      ? this.#writeSparse(differing, width, count)
      : this.#writePlanes(differing, width, this.#out, 0);
    if (end < 0 || end >= raw.length) return undefined;
    const coding = isSparse ? PACK_CODING.sparse : PACK_CODING.difference;
    return { coding, width, usesBase: true, bytes: this.#out.subarray(0, end) };
  }

  #writePlanes(source: Uint8Array, width: number, target: Uint8Array, at: number): number {
    const planes = this.#b.subarray(0, source.length);
    splitPlanes(source, width, planes);
    let end = at;
    for (const plane of planesOf(planes, width)) {
      end = writeStream(plane, target, end, this.#compressor);
      if (end < 0) return -1;
    }
    return end;
  }

  #readPlanes(stored: Uint8Array, at: number, width: number, out: Uint8Array): number {
    if (!isWidth(width)) return -1;
    const planes = this.#b.subarray(0, out.length);
    let end = at;
    for (const plane of planesOf(planes, width)) {
      end = readStream(stored, end, plane, this.#compressor);
      if (end < 0) return -1;
    }
    joinPlanes(planes, width, out);
    return end;
  }

  /** Numbers of elements and bytes of gaps; gaps; planes of the elements; what is left. */
  #writeSparse(differing: Uint8Array, width: number, count: number): number {
    const out = this.#out;
    if (out.length < 2 * COUNT_BYTES) return -1;
    const elements = new Uint8Array(count * width);
    const gaps = new Uint8Array(4 * count);
    const gapBytes = takeElements(differing, width, elements, gaps);
    const view = new DataView(out.buffer);
    view.setUint32(0, count, true);
    view.setUint32(COUNT_BYTES, gapBytes, true);
    const start = 2 * COUNT_BYTES;
    let end = writeStream(gaps.subarray(0, gapBytes), out, start, this.#compressor);
    if (end < 0) return -1;
    end = this.#writePlanes(elements, width, out, end);
    if (end < 0) return -1;
    const rest = differing.subarray(differing.length - (differing.length % width));
    return writeStream(rest, out, end, this.#compressor);
  }

  #readSparse(stored: Uint8Array, width: number, out: Uint8Array): boolean {
    if (!isWidth(width) || stored.length < 2 * COUNT_BYTES) return false;
    const view = new DataView(stored.buffer, stored.byteOffset, stored.length);
    const count = view.getUint32(0, true);
    const gapBytes = view.getUint32(COUNT_BYTES, true);
    if (count * width > out.length || gapBytes > 4 * count) return false;
    const gaps = new Uint8Array(gapBytes);
    const elements = new Uint8Array(count * width);
    let at = readStream(stored, 2 * COUNT_BYTES, gaps, this.#compressor);
    if (at < 0) return false;
    at = this.#readPlanes(stored, at, width, elements);
    if (at < 0) return false;
    out.fill(0);
    if (!placeElements(gaps, elements, width, out)) return false;
    const rest = out.subarray(out.length - (out.length % width));
    return readStream(stored, at, rest, this.#compressor) === stored.length;
  }
}

function isWidth(width: number): boolean {
  return width === 1 || width === 2 || width === 4 || width === 8;
}

/** Each plane, and what is left of the last element. */
function planesOf(planes: Uint8Array, width: number): Uint8Array[] {
  const count = Math.floor(planes.length / width);
  const list = Array.from({ length: width }, (_, i) => planes.subarray(i * count, (i + 1) * count));
  const rest = planes.subarray(width * count);
  return rest.length > 0 ? [...list, rest] : list;
}
