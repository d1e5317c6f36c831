/** Whole msgpack documents, such as a manifest: decoded only once their lengths were added up. */
import { decode } from "@msgpack/msgpack";
import { viewOf } from "../base/bytes.js";

/**
 * The value that the bytes are. Throws for what is no msgpack, and for lengths that cannot be: the
 * decoder makes room for as many elements as an array says it has, before it has seen one of them,
 * so that a hundred bytes could ask for more memory than there is.
 */
export function decodeDocument(
  bytes: Uint8Array,
  options: { readonly useBigInt64?: boolean } = {},
): unknown {
  if (!lengthsFit(bytes)) throw new RangeError("msgpack with lengths that cannot be");
  return decode(bytes, options);
}

/** Every value takes a byte at least: there are never more to come than bytes are left. */
function lengthsFit(bytes: Uint8Array): boolean {
  const view = viewOf(bytes);
  let at = 0;
  for (let pending = 1; pending > 0; pending--) {
    const head = headAt(view, at);
    if (head === undefined) return false;
    at += head.bytes;
    pending += head.values;
    if (pending - 1 > bytes.length - at) return false;
  }
  return at === bytes.length;
}

interface Head {
  /** Of the value itself, without the values in it. */
  readonly bytes: number;
  readonly values: number;
}

/** Undefined where the bytes end, and for the one byte that begins nothing. */
function headAt(view: DataView, at: number): Head | undefined {
  if (at >= view.byteLength) return undefined;
  const first = view.getUint8(at);
  if (first < 0x80 || first >= 0xe0) return leaf(1);
  if (first < 0x90) return { bytes: 1, values: 2 * (first & 0x0f) };
  if (first < 0xa0) return { bytes: 1, values: first & 0x0f };
  if (first < 0xc0) return leaf(1 + (first & 0x1f));
  const fixed = FIXED_BYTES.get(first);
  if (fixed !== undefined) return leaf(fixed);
  const counted = COUNTED.get(first);
  if (counted === undefined || at + 1 + counted.width > view.byteLength) return undefined;
  const count = readCount(view, at + 1, counted.width);
  const bytes = 1 + counted.width;
  return counted.values === 0
    ? leaf(bytes + counted.more + count)
    : { bytes, values: counted.values * count };
}

function leaf(bytes: number): Head {
  return { bytes, values: 0 };
}

function readCount(view: DataView, at: number, width: number): number {
  if (width === 1) return view.getUint8(at);
  return width === 2 ? view.getUint16(at) : view.getUint32(at);
}

/** Of values whose first byte says how long they are: nil, booleans, numbers, fixed extensions. */
const FIXED_BYTES: ReadonlyMap<number, number> = new Map([
  [0xc0, 1],
  [0xc2, 1],
  [0xc3, 1],
  [0xca, 5],
  [0xcb, 9],
  [0xcc, 2],
  [0xcd, 3],
  [0xce, 5],
  [0xcf, 9],
  [0xd0, 2],
  [0xd1, 3],
  [0xd2, 5],
  [0xd3, 9],
  [0xd4, 3],
  [0xd5, 4],
  [0xd6, 6],
  [0xd7, 10],
  [0xd8, 18],
]);

/** A count follows: of `width` bytes; of bytes where `values` is 0, and of so many values each. */
const COUNTED: ReadonlyMap<number, { width: number; more: number; values: number }> = new Map([
  [0xc4, { width: 1, more: 0, values: 0 }],
  [0xc5, { width: 2, more: 0, values: 0 }],
  [0xc6, { width: 4, more: 0, values: 0 }],
  [0xc7, { width: 1, more: 1, values: 0 }],
  [0xc8, { width: 2, more: 1, values: 0 }],
  [0xc9, { width: 4, more: 1, values: 0 }],
  [0xd9, { width: 1, more: 0, values: 0 }],
  [0xda, { width: 2, more: 0, values: 0 }],
  [0xdb, { width: 4, more: 0, values: 0 }],
  [0xdc, { width: 2, more: 0, values: 1 }],
  [0xdd, { width: 4, more: 0, values: 1 }],
  [0xde, { width: 2, more: 0, values: 2 }],
  [0xdf, { width: 4, more: 0, values: 2 }],
]);
