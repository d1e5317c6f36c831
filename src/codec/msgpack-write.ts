/**
 * Writers of single msgpack values. None checks for room: whoever calls them has made sure of it.
 * Each writes exactly the bytes of its value, nothing beyond, and returns the position after it.
 */

const TWO_32 = 2 ** 32;

const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

/** Characters up to which a loop beats a call into the encoder of the platform. */
const LOOP_LENGTH_MAX = 64;

const encoder = new TextEncoder();

export function writeNil(target: Uint8Array, position: number): number {
  target[position] = 0xc0;
  return position + 1;
}

export function writeBoolean(target: Uint8Array, position: number, value: boolean): number {
  target[position] = value ? 0xc3 : 0xc2;
  return position + 1;
}

/** A safe integer in the shortest form. */
export function writeInteger(target: Uint8Array, position: number, value: number): number {
  if (value >= 0) {
    if (value < 0x80) {
      target[position] = value;
      return position + 1;
    }
    if (value < 0x100) {
      target[position] = 0xcc;
      target[position + 1] = value;
      return position + 2;
    }
    if (value < 0x1_0000) return writeInt16(target, position, 0xcd, value);
    if (value < TWO_32) return writeInt32(target, position, 0xce, value);
    return writeInt64(target, position, 0xcf, (value / TWO_32) >>> 0, value >>> 0);
  }
  if (value >= -0x20) {
    target[position] = value & 0xff;
    return position + 1;
  }
  if (value >= -0x80) {
    target[position] = 0xd0;
    target[position + 1] = value & 0xff;
    return position + 2;
  }
  if (value >= -0x8000) return writeInt16(target, position, 0xd1, value);
  if (value >= -0x8000_0000) return writeInt32(target, position, 0xd2, value);
  return writeInt64(target, position, 0xd3, Math.floor(value / TWO_32), value >>> 0);
}

function writeInt16(target: Uint8Array, position: number, tag: number, value: number): number {
  target[position] = tag;
  target[position + 1] = (value >>> 8) & 0xff;
  target[position + 2] = value & 0xff;
  return position + 3;
}

function writeInt32(target: Uint8Array, position: number, tag: number, value: number): number {
  target[position] = tag;
  target[position + 1] = (value >>> 24) & 0xff;
  target[position + 2] = (value >>> 16) & 0xff;
  target[position + 3] = (value >>> 8) & 0xff;
  target[position + 4] = value & 0xff;
  return position + 5;
}

function writeInt64(
  target: Uint8Array,
  position: number,
  tag: number,
  high: number,
  low: number,
): number {
  writeInt32(target, position, tag, high);
  target[position + 5] = (low >>> 24) & 0xff;
  target[position + 6] = (low >>> 16) & 0xff;
  target[position + 7] = (low >>> 8) & 0xff;
  target[position + 8] = low & 0xff;
  return position + 9;
}

/** Bytes that `writeInteger` takes. */
export function integerSize(value: number): number {
  if (value >= 0) {
    return value < 0x80 ? 1 : value < 0x100 ? 2 : value < 0x1_0000 ? 3 : value < TWO_32 ? 5 : 9;
  }
  if (value >= -0x20) return 1;
  return value >= -0x80 ? 2 : value >= -0x8000 ? 3 : value >= -0x8000_0000 ? 5 : 9;
}

const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const UINT64_MAX = 2n ** 64n - 1n;
const INT64_MIN = -(2n ** 63n);

/** The extension type of an integer beyond 64 bits: 16 bytes, big-endian two's complement. */
export const INT128_EXTENSION = 1;

/** An integer of up to 128 bits in the shortest form; beyond 64 bits as an extension. */
export function writeBigint(target: Uint8Array, position: number, value: bigint): number {
  if (value <= SAFE_MAX && value >= -SAFE_MAX) return writeInteger(target, position, Number(value));
  if (value <= UINT64_MAX && value >= INT64_MIN) {
    target[position] = value < 0n ? 0xd3 : 0xcf;
    writeBigint64(target, position + 1, value);
    return position + 9;
  }
  target[position] = 0xd8;
  target[position + 1] = INT128_EXTENSION;
  writeBigint64(target, position + 2, value >> 64n);
  writeBigint64(target, position + 10, value);
  return position + 18;
}

/** Bytes that `writeBigint` takes. */
export function bigintSize(value: bigint): number {
  if (value <= SAFE_MAX && value >= -SAFE_MAX) return integerSize(Number(value));
  return value <= UINT64_MAX && value >= INT64_MIN ? 9 : 18;
}

/** The low 64 bits, big-endian. */
export function writeBigint64(target: Uint8Array, position: number, value: bigint): void {
  scratch.setBigUint64(0, BigInt.asUintN(64, value));
  for (let index = 0; index < 8; index++) target[position + index] = scratchBytes[index]!;
}

/** Always eight bytes, so that -0 and every other double comes back as it was. */
export function writeFloat64(target: Uint8Array, position: number, value: number): number {
  target[position] = 0xcb;
  scratch.setFloat64(0, value);
  for (let index = 0; index < 8; index++) target[position + 1 + index] = scratchBytes[index]!;
  return position + 9;
}

/** A string without lone surrogates, as UTF-8. */
export function writeString(target: Uint8Array, position: number, value: string): number {
  const length = value.length;
  if (length > LOOP_LENGTH_MAX) return writeLongString(target, position, value);
  let at = position + 1;
  if (length < 32) {
    target[position] = 0xa0 | length;
  } else {
    target[position] = 0xd9;
    target[at++] = length;
  }
  for (let index = 0; index < length; index++) {
    const unit = value.charCodeAt(index);
    if (unit >= 0x80) return writeLongString(target, position, value);
    target[at++] = unit;
  }
  return at;
}

function writeLongString(target: Uint8Array, position: number, value: string): number {
  const length = Buffer.byteLength(value, "utf8");
  const at = writeStringHeader(target, position, length);
  encoder.encodeInto(value, target.subarray(at, at + length));
  return at + length;
}

function writeStringHeader(target: Uint8Array, position: number, length: number): number {
  if (length < 32) {
    target[position] = 0xa0 | length;
    return position + 1;
  }
  if (length < 0x100) {
    target[position] = 0xd9;
    target[position + 1] = length;
    return position + 2;
  }
  return length < 0x1_0000
    ? writeInt16(target, position, 0xda, length)
    : writeInt32(target, position, 0xdb, length);
}

/** Bytes that `writeString` takes. */
export function stringSize(value: string): number {
  const length = Buffer.byteLength(value, "utf8");
  return length + (length < 32 ? 1 : length < 0x100 ? 2 : length < 0x1_0000 ? 3 : 5);
}

export function writeBytes(target: Uint8Array, position: number, value: Uint8Array): number {
  const length = value.length;
  let at: number;
  if (length < 0x100) {
    target[position] = 0xc4;
    target[position + 1] = length;
    at = position + 2;
  } else {
    at =
      length < 0x1_0000
        ? writeInt16(target, position, 0xc5, length)
        : writeInt32(target, position, 0xc6, length);
  }
  target.set(value, at);
  return at + length;
}

/** Bytes that `writeBytes` takes. */
export function bytesSize(value: Uint8Array): number {
  return value.length + (value.length < 0x100 ? 2 : value.length < 0x1_0000 ? 3 : 5);
}

export function writeArrayHeader(target: Uint8Array, position: number, count: number): number {
  return writeCollectionHeader(target, position, count, 0x90, 0xdc);
}

export function writeMapHeader(target: Uint8Array, position: number, count: number): number {
  return writeCollectionHeader(target, position, count, 0x80, 0xde);
}

function writeCollectionHeader(
  target: Uint8Array,
  position: number,
  count: number,
  short: number,
  long: number,
): number {
  if (count < 16) {
    target[position] = short | count;
    return position + 1;
  }
  return count < 0x1_0000
    ? writeInt16(target, position, long, count)
    : writeInt32(target, position, long + 1, count);
}

/** Bytes of the header of an array or a map. */
export function headerSize(count: number): number {
  return count < 16 ? 1 : count < 0x1_0000 ? 3 : 5;
}
