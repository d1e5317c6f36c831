/** The loops over the elements of a chunk. Elements are of 1, 2, 4 or 8 bytes. */

/** `out` becomes the bits in which both differ. All three are of the same length. */
export function xor(a: Uint8Array, b: Uint8Array, out: Uint8Array): void {
  const { length } = out;
  const words = wordsOf(a, length);
  const others = wordsOf(b, length);
  const target = wordsOf(out, length);
  let from = 0;
  if (words !== undefined && others !== undefined && target !== undefined) {
    for (let i = 0; i < target.length; i++) target[i] = words[i]! ^ others[i]!;
    from = 4 * target.length;
  }
  for (let i = from; i < length; i++) out[i] = a[i]! ^ b[i]!;
}

/** The same memory in words, but for a rest; undefined where it does not begin at one. */
function wordsOf({ buffer, byteOffset }: Uint8Array, length: number): Int32Array | undefined {
  return byteOffset % 4 === 0 ? new Int32Array(buffer, byteOffset, length >>> 2) : undefined;
}

/** The first bytes of all elements, then the second ones, and so on; what is left at the end. */
export function splitPlanes(source: Uint8Array, width: number, out: Uint8Array): void {
  const count = Math.floor(source.length / width);
  if (width === 4) {
    const [a, b, c, d] = [0, count, 2 * count, 3 * count];
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      out[a + i] = source[at]!;
      out[b + i] = source[at + 1]!;
      out[c + i] = source[at + 2]!;
      out[d + i] = source[at + 3]!;
    }
  } else {
    for (let plane = 0; plane < width; plane++) {
      const start = plane * count;
      for (let i = 0, at = plane; i < count; i++, at += width) out[start + i] = source[at]!;
    }
  }
  for (let i = count * width; i < source.length; i++) out[i] = source[i]!;
}

/** Back. */
export function joinPlanes(planes: Uint8Array, width: number, out: Uint8Array): void {
  const count = Math.floor(out.length / width);
  if (width === 4) {
    const [a, b, c, d] = [0, count, 2 * count, 3 * count];
    for (let i = 0, at = 0; i < count; i++, at += 4) {
      out[at] = planes[a + i]!;
      out[at + 1] = planes[b + i]!;
      out[at + 2] = planes[c + i]!;
      out[at + 3] = planes[d + i]!;
    }
  } else {
    for (let plane = 0; plane < width; plane++) {
      const start = plane * count;
      for (let i = 0, at = plane; i < count; i++, at += width) out[at] = planes[start + i]!;
    }
  }
  for (let i = count * width; i < out.length; i++) out[i] = planes[i]!;
}

/** Elements that are not zero; as many as `limit`, if there are more. */
export function countElements(bytes: Uint8Array, width: number, limit: number): number {
  const count = Math.floor(bytes.length / width);
  const words = width === 4 ? wordsOf(bytes, 4 * count) : undefined;
  let found = 0;
  if (words !== undefined) {
    for (let i = 0; i < count && found < limit; i++) if (words[i] !== 0) found++;
    return found;
  }
  for (let i = 0; i < count && found < limit; i++) if (!isZeroAt(bytes, i * width, width)) found++;
  return found;
}

function isZeroAt(bytes: Uint8Array, at: number, width: number): boolean {
  for (let i = 0; i < width; i++) if (bytes[at + i] !== 0) return false;
  return true;
}

/**
 * Takes elements that are not zero out of `bytes`: one behind the other to `elements`, and how many
 * zeros are before each to `gaps`, as varints. Bytes of gaps.
 */
export function takeElements(
  bytes: Uint8Array,
  width: number,
  elements: Uint8Array,
  gaps: Uint8Array,
): number {
  const count = Math.floor(bytes.length / width);
  let [to, gapAt, gap] = [0, 0, 0];
  for (let i = 0, at = 0; i < count; i++, at += width) {
    if (isZeroAt(bytes, at, width)) {
      gap++;
      continue;
    }
    while (gap >= 0x80) {
      gaps[gapAt++] = 0x80 | (gap & 0x7f);
      gap >>>= 7;
    }
    gaps[gapAt++] = gap;
    gap = 0;
    for (let k = 0; k < width; k++) elements[to++] = bytes[at + k]!;
  }
  return gapAt;
}

/** Back, into zeros. False for gaps that are not such. */
export function placeElements(
  gaps: Uint8Array,
  elements: Uint8Array,
  width: number,
  out: Uint8Array,
): boolean {
  const end = Math.floor(out.length / width) * width;
  let [at, gapAt] = [0, 0];
  for (let from = 0; from < elements.length; from += width) {
    let gap = 0;
    for (let shift = 0; ; shift += 7) {
      if (gapAt >= gaps.length || shift > 21) return false;
      const byte = gaps[gapAt++]!;
      gap |= (byte & 0x7f) << shift;
      if (byte < 0x80) break;
    }
    at += gap * width;
    if (at + width > end) return false;
    for (let k = 0; k < width; k++) out[at + k] = elements[from + k]!;
    at += width;
  }
  return gapAt === gaps.length;
}
