/**
 * safetensors, read strictly: the length of a header (u64), the header as JSON, and the bytes of
 * the tensors, without gaps. What is not such is refused, and says why.
 */
import { getUint53, setUint53, viewOf } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import type { Width } from "./coding.js";

/** Bits of an element. */
const DTYPES: Readonly<Record<string, number>> = {
  BOOL: 8,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  F64: 64,
  I64: 64,
  U64: 64,
};

export type Dtype =
  | "BOOL"
  | "U8"
  | "I8"
  | "F8_E5M2"
  | "F8_E4M3"
  | "I16"
  | "U16"
  | "F16"
  | "BF16"
  | "I32"
  | "U32"
  | "F32"
  | "F64"
  | "I64"
  | "U64";

/** Of a header, at most: it is kept in memory. */
export const TENSOR_HEADER_BYTES_MAX = 100_000_000;

export const TENSOR_PREFIX_BYTES = 8;

/** One tensor of a set. */
export interface TensorInput {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Row after row, little-endian. */
  readonly data: ArrayBufferView | ArrayBuffer | SharedArrayBuffer;
}

/** Where a tensor is in a blob. */
export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** In the blob, in bytes. */
  readonly offset: number;
  readonly length: number;
}

export interface TensorHeader {
  /** In the order of their bytes. */
  readonly tensors: readonly TensorInfo[];
  readonly metadata: Readonly<Record<string, string>>;
  /** Length and header: the tensors begin there. */
  readonly headBytes: number;
  /** Of the whole file. */
  readonly length: number;
}

function bad(what: string): HoldfastError {
  return new HoldfastError("BAD_TENSORS", `this is no safetensors file: ${what}`);
}

/** How long the header is, by the first 8 bytes. Throws BAD_TENSORS. */
export function tensorHeadBytes(prefix: Uint8Array): number {
  if (prefix.length < TENSOR_PREFIX_BYTES) throw bad("it is shorter than 8 bytes");
  const length = getUint53(viewOf(prefix), 0);
  if (length === undefined || length > TENSOR_HEADER_BYTES_MAX) {
    throw bad(`its header would be more than ${TENSOR_HEADER_BYTES_MAX} bytes long`);
  }
  return TENSOR_PREFIX_BYTES + length;
}

/** `head` is the length and the header. Throws BAD_TENSORS, saying what is wrong. */
export function parseTensorHeader(head: Uint8Array): TensorHeader {
  const headBytes = tensorHeadBytes(head);
  if (head.length < headBytes) throw bad("its header is cut off");
  const text = decodeText(head.subarray(TENSOR_PREFIX_BYTES, headBytes));
  if (!text.startsWith("{")) throw bad("its header does not begin with {");
  const header = parseJson(text);
  const { __metadata__: metadata = {}, ...entries } = header;
  checkMetadata(metadata);
  assertNamesOnce(text, Object.keys(header));
  const tensors = Object.entries(entries).map(([name, value]) => tensorOf(name, value, headBytes));
  tensors.sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = headBytes;
  for (const { name, offset, length } of tensors) {
    if (offset !== end) throw bad(`tensor ${JSON.stringify(name)} does not begin where one ended`);
    end = offset + length;
  }
  return { tensors, metadata: metadata as Record<string, string>, headBytes, length: end };
}

function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw bad("its header is not UTF-8");
  }
}

function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw bad(`its header is not JSON (${(error as Error).message})`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw bad("its header is no object");
}

function checkMetadata(metadata: unknown): void {
  const isMap = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  if (isMap && Object.values(metadata).every((value) => typeof value === "string")) return;
  throw bad("its __metadata__ is not a map of texts");
}

/** JSON.parse takes the last one of two with the same name, and others take the first. */
function assertNamesOnce(text: string, names: readonly string[]): void {
  let count = 0;
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (c === "{") depth++;
    else if (c === "}") depth--;
    else if (c === ":" && depth === 1) count++;
    else if (c === '"') {
      for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === "\\") at++;
    }
  }
  if (count !== names.length) throw bad("its header has a name twice");
}

function tensorOf(name: string, value: unknown, headBytes: number): TensorInfo {
  const what = `tensor ${JSON.stringify(name)}`;
  if (typeof value !== "object" || value === null) throw bad(`${what} is no object`);
  const { dtype, shape, data_offsets: offsets, ...rest } = value as Record<string, unknown>;
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw bad(`${what} has an unknown member ${JSON.stringify(unknown)}`);
  if (typeof dtype !== "string" || !Object.hasOwn(DTYPES, dtype)) {
    throw bad(`${what} has an unknown dtype ${JSON.stringify(dtype)}`);
  }
  if (!isCounts(shape)) throw bad(`${what} has no shape`);
  if (!isCounts(offsets) || offsets.length !== 2) throw bad(`${what} has no data_offsets`);
  const [from, to] = offsets as [number, number];
  const length = bytesOf(dtype, shape);
  if (to - from !== length) {
    throw bad(`${what} has ${to - from} bytes, and its shape needs ${length}`);
  }
  return { name, dtype: dtype as Dtype, shape, offset: headBytes + from, length };
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((one) => Number.isSafeInteger(one) && one >= 0);
}

function bytesOf(dtype: string, shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, (DTYPES[dtype] as number) / 8);
}

/** The bytes of an element, for which they are alike. */
export function widthOf(dtype: string): Width {
  return ((DTYPES[dtype] ?? 8) / 8) as Width;
}

export function viewOfData(data: TensorInput["data"]): Uint8Array {
  if (ArrayBuffer.isView(data)) {
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }
  return new Uint8Array(data);
}

/** Length and header of a set of tensors, in the order in which they are given. */
export function makeTensorHead(
  tensors: Readonly<Record<string, TensorInput>>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  let at = 0;
  const header: Record<string, unknown> = {};
  if (Object.keys(metadata).length > 0) header.__metadata__ = metadata;
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    if (name === "__metadata__") throw badInput(name, "the name is taken");
    if (!Object.hasOwn(DTYPES, dtype)) throw badInput(name, `unknown dtype ${String(dtype)}`);
    if (!isCounts(shape)) throw badInput(name, "the shape is not a list of whole numbers");
    const { length } = viewOfData(data);
    const wanted = bytesOf(dtype, shape);
    if (length !== wanted) {
      throw badInput(name, `${length} bytes of data, and its shape needs ${wanted}`);
    }
    header[name] = { dtype, shape, data_offsets: [at, at + length] };
    at += length;
  }
  // What follows is aligned, as other tools do it.
  const text = Buffer.from(JSON.stringify(header));
  const padded = Math.ceil(text.length / 8) * 8;
  const head = new Uint8Array(TENSOR_PREFIX_BYTES + padded).fill(0x20);
  setUint53(viewOf(head), 0, padded);
  head.set(text, TENSOR_PREFIX_BYTES);
  return head;
}

function badInput(name: string, what: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", `tensor ${JSON.stringify(name)}: ${what}`);
}
