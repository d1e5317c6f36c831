/**
 * Goes over the blocks of a run file one after the other by what they say themselves, without index
 * or footer, and finds the next whole block behind one that is damaged.
 */
import { isHoldfastError } from "../base/errors.js";
import { type BlockTools, claimedBlockBytes, decodeBlock } from "./block.js";
import { readUint32 } from "./entries.js";
import {
  BLOCK_AT,
  BLOCK_HEADER_BYTES,
  BLOCK_KIND,
  type BlockKind,
  RUN_HEADER_BYTES,
} from "./format.js";

export interface WholeBlock {
  readonly ok: true;
  readonly kind: BlockKind;
  readonly offset: number;
  /** As it is stored. */
  readonly length: number;
  readonly raw: Buffer;
}

/** A whole block, or a range in which there is none. */
export type Walked =
  | WholeBlock
  | { readonly ok: false; readonly offset: number; readonly length: number; readonly what: string };

export interface WalkOptions {
  readonly file: string;
  readonly fileId: number;
  /** Checksum of the header. */
  readonly seed: number;
  /** Where the footer begins. */
  readonly end: number;
  readonly tools: BlockTools;
  /** Bytes of a range inside the file. */
  readonly read: (offset: number, length: number) => Promise<Uint8Array>;
}

/** The blocks between header and footer. */
export async function* walkBlocks(options: WalkOptions): AsyncGenerator<Walked, void, undefined> {
  let at = RUN_HEADER_BYTES;
  while (at < options.end) {
    const found = await blockAt(at, options);
    if (found.ok) {
      yield found;
      at += found.length;
      continue;
    }
    const next = await nextBlock(at + 1, options);
    yield { ok: false, offset: at, length: next - at, what: found.what };
    at = next;
  }
}

async function blockAt(at: number, options: WalkOptions): Promise<Walked> {
  const { file, fileId, seed, end, tools } = options;
  const bad = (what: string): Walked => ({ ok: false, offset: at, length: 0, what });
  const header = await options.read(at, Math.min(BLOCK_HEADER_BYTES, end - at));
  const kind = kindOf(header);
  const length = kind === undefined ? undefined : claimedBlockBytes(header, 0, kind);
  if (kind === undefined || length === undefined || at + length > end) {
    return bad("there is no block where one should begin");
  }
  const stored = await options.read(at, length);
  try {
    const raw = decodeBlock(stored, { kind, fileId, offset: at, seed, file }, tools);
    return { ok: true, kind, offset: at, length, raw };
  } catch (error) {
    if (!isHoldfastError(error, "CORRUPT_RUN")) throw error;
    return bad(error.message.slice(error.message.lastIndexOf(": ") + 2));
  }
}

/** How far the search looks at a time. */
const SEARCH_BYTES = 64 * 1024;

/** Where the first whole block at or behind a place begins; the end if there is none. */
async function nextBlock(from: number, options: WalkOptions): Promise<number> {
  const { end } = options;
  const fileId = options.fileId % 0x1_0000_0000;
  for (let at = from; at + BLOCK_HEADER_BYTES <= end; at += SEARCH_BYTES) {
    const length = Math.min(SEARCH_BYTES + BLOCK_HEADER_BYTES - 1, end - at);
    const bytes = await options.read(at, length);
    for (let i = 0; i + BLOCK_HEADER_BYTES <= bytes.length; i++) {
      if (readUint32(bytes, i + BLOCK_AT.offset) !== at + i) continue;
      if (readUint32(bytes, i + BLOCK_AT.fileId) !== fileId) continue;
      if ((await blockAt(at + i, options)).ok) return at + i;
    }
  }
  return end;
}

function kindOf(header: Uint8Array): BlockKind | undefined {
  if (header.length < BLOCK_HEADER_BYTES) return undefined;
  const kind = header[BLOCK_AT.kind]!;
  return kind >= BLOCK_KIND.data && kind <= BLOCK_KIND.properties ? (kind as BlockKind) : undefined;
}
