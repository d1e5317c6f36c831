/** What `put` is given, as chunks in their order: cut, copied, and sent no faster than taken. */
import { isAnyArrayBuffer } from "node:util/types";
import { HoldfastError } from "../base/errors.js";
import type { Width } from "../blobs/coding.js";
import { BLOB_BYTES_MAX, PACK_CHUNK_BYTES } from "../blobs/format.js";
import {
  makeTensorHead,
  parseTensorHeader,
  TENSOR_PREFIX_BYTES,
  type TensorHeader,
  type TensorInput,
  tensorHeadBytes,
  viewOfData,
  widthOf,
} from "../blobs/tensors.js";
import { invalid } from "./option-checks.js";

/** A set of named tensors. */
export type TensorSet = Readonly<Record<string, TensorInput>>;

/** What a blob can be made of. */
export type BlobData =
  | ArrayBufferView
  | ArrayBuffer
  | SharedArrayBuffer
  | Iterable<Uint8Array>
  | AsyncIterable<Uint8Array>
  | TensorSet;

/** Pieces of any length, in their order. */
export interface BlobInput {
  readonly pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
  /** Of an element, where all are alike. */
  readonly width: Width;
  readonly isTensors: boolean;
}

const WIDTHS: readonly number[] = [1, 2, 4, 8];

/** Throws INVALID_ARGUMENT for what is no blob. */
export function inputOf(
  data: BlobData,
  elementBytes: Width | undefined,
  format: "safetensors" | undefined,
): BlobInput {
  const isTensors = format === "safetensors";
  const width = elementBytes ?? 4;
  if (ArrayBuffer.isView(data)) {
    const { BYTES_PER_ELEMENT: own } = data as { BYTES_PER_ELEMENT?: number };
    const isElements = own !== undefined && own > 1 && WIDTHS.includes(own);
    const ofOwn = (isElements ? own : width) as Width;
    return { pieces: [viewOfData(data)], width: elementBytes ?? ofOwn, isTensors };
  }
  if (isAnyArrayBuffer(data)) return { pieces: [viewOfData(data)], width, isTensors };
  if (typeof data === "object" && data !== null) {
    if (Symbol.asyncIterator in data || Symbol.iterator in data) {
      return { pieces: data as BlobInput["pieces"], width, isTensors };
    }
    if (Object.getPrototypeOf(data) === Object.prototype || isNullObject(data)) {
      return { pieces: piecesOfTensors(data as TensorSet), width, isTensors: true };
    }
  }
  throw invalid("the data must be bytes, an iterable of bytes, or a set of named tensors");
}

function isNullObject(data: object): boolean {
  return Object.getPrototypeOf(data) === null;
}

function piecesOfTensors(tensors: TensorSet): Uint8Array[] {
  for (const [name, tensor] of Object.entries(tensors)) {
    const { data } = (tensor ?? {}) as Partial<TensorInput>;
    if (ArrayBuffer.isView(data) || isAnyArrayBuffer(data)) continue;
    throw invalid(`tensor ${JSON.stringify(name)} has no data`);
  }
  const head = makeTensorHead(tensors);
  return [head, ...Object.values(tensors).map(({ data }) => viewOfData(data))];
}

/** A chunk in memory that is the receiver's, or shared with who may go on to write it. */
export interface InputChunk {
  readonly bytes: Uint8Array;
  readonly isShared: boolean;
  readonly width: Width;
  /** It is of what comes before the tensors; and its number among those of its part. */
  readonly isHead: boolean;
  readonly index: number;
  /** Where it is in the blob. */
  readonly offset: number;
}

export interface ChunkerHooks {
  /** Memory for a chunk. */
  readonly take: () => Uint8Array;
  /** Called before anything of a chunk is copied; its length as far as that is known. */
  readonly before: (offset: number, length: number) => Promise<void>;
}

/**
 * Cuts pieces into chunks. What is read of the source and not given on is less than a chunk; of a
 * set of tensors the header, too.
 */
export class Chunker {
  readonly #input: BlobInput;
  readonly #hooks: ChunkerHooks;
  #header: TensorHeader | undefined;
  #length = 0;

  constructor(input: BlobInput, hooks: ChunkerHooks) {
    this.#input = input;
    this.#hooks = hooks;
  }

  /** So far. */
  get length(): number {
    return this.#length;
  }

  get headBytes(): number {
    return this.#header?.headBytes ?? 0;
  }

  /** Throws INVALID_ARGUMENT, TOO_LARGE, BAD_TENSORS, and what the source throws. */
  async *chunks(): AsyncGenerator<InputChunk, void, undefined> {
    const pieces = checkedPieces(this.#input.pieces);
    if (this.#input.isTensors) {
      const { head, rest } = await takeHead(pieces);
      this.#header = parseTensorHeader(head);
      yield* this.#cut(true, [head]);
      yield* this.#cut(false, rest);
      const { length } = this.#header;
      if (this.#length === length) return;
      throw new HoldfastError(
        "BAD_TENSORS",
        `this is no safetensors file: it has ${this.#length} bytes, and its header says ${length}`,
      );
    }
    yield* this.#cut(false, pieces);
  }

  async *#cut(
    isHead: boolean,
    pieces: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  ): AsyncGenerator<InputChunk, void, undefined> {
    let memory: Uint8Array | undefined;
    let filled = 0;
    let index = 0;
    const chunk = (bytes: Uint8Array, isShared: boolean): InputChunk => {
      const offset = this.#length;
      this.#length += bytes.length;
      if (this.#length > BLOB_BYTES_MAX) {
        throw new HoldfastError("TOO_LARGE", `a blob has at most ${BLOB_BYTES_MAX} bytes`);
      }
      const width = this.#widthAt(isHead, offset + Math.floor(bytes.length / 2));
      return { bytes, isShared, width, isHead, index: index++, offset };
    };
    for await (const piece of pieces) {
      for (let at = 0; at < piece.length; ) {
        const isShared = piece.buffer instanceof SharedArrayBuffer;
        // Whole chunks of what is shared are copied by who takes them.
        if (filled === 0 && isShared && piece.length - at >= PACK_CHUNK_BYTES) {
          await this.#hooks.before(this.#length, PACK_CHUNK_BYTES);
          yield chunk(piece.subarray(at, at + PACK_CHUNK_BYTES), true);
          at += PACK_CHUNK_BYTES;
          continue;
        }
        if (memory === undefined) {
          await this.#hooks.before(this.#length, Math.min(PACK_CHUNK_BYTES, piece.length - at));
          memory = this.#hooks.take();
        }
        const length = Math.min(PACK_CHUNK_BYTES - filled, piece.length - at);
        memory.set(piece.subarray(at, at + length), filled);
        filled += length;
        at += length;
        if (filled < PACK_CHUNK_BYTES) continue;
        yield chunk(memory, false);
        memory = undefined;
        filled = 0;
      }
    }
    if (filled > 0) yield chunk((memory as Uint8Array).subarray(0, filled), false);
  }

  /** That of the tensor there. */
  #widthAt(isHead: boolean, offset: number): Width {
    if (isHead) return 1;
    const tensors = this.#header?.tensors;
    if (tensors === undefined) return this.#input.width;
    let [low, high] = [0, tensors.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((tensors[middle]?.offset ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return widthOf(tensors[low]?.dtype ?? "");
  }
}

async function* checkedPieces(pieces: BlobInput["pieces"]): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    if (!(piece instanceof Uint8Array)) throw invalid("the data must give pieces of bytes");
    yield piece;
  }
}

/** Length and header, and the pieces that follow. Throws BAD_TENSORS. */
async function takeHead(pieces: AsyncGenerator<Uint8Array>) {
  let head = new Uint8Array(0);
  let wanted = TENSOR_PREFIX_BYTES;
  let isKnown = false;
  const list: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    if (length >= wanted) {
      head = Buffer.concat(list);
      if (isKnown) break;
      wanted = tensorHeadBytes(head);
      isKnown = true;
      continue;
    }
    const { value, done } = await pieces.next();
    if (done) break;
    list.push(value);
    length += value.length;
  }
  if (!isKnown || head.length < wanted) head = Buffer.concat(list);
  const rest = head.subarray(wanted);
  async function* behind(): AsyncGenerator<Uint8Array> {
    if (rest.length > 0) yield rest;
    yield* pieces;
  }
  return { head: head.slice(0, wanted), rest: behind() };
}
