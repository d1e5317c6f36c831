/**
 * The content of a manifest as msgpack: the same bytes as of a plain encoder, made of pieces.
 *
 * Every change of a manifest is written as a whole, and all but a little of it is what was written
 * before: the same objects, which never change. So each is encoded once, and its bytes are kept for
 * as long as it is itself.
 */
import { Encoder } from "@msgpack/msgpack";
import { assert } from "../base/assert.js";
import type { Manifest } from "./format.js";

/** What a value is taken apart into, and what is encoded in one piece. */
type Cut = "whole" | { readonly list: Cut } | { readonly members: Readonly<Record<string, Cut>> };

const LIST: Cut = { list: "whole" };
const STATE: Cut = { members: { runs: LIST } };
const CUT = {
  methods: LIST,
  segments: LIST,
  tables: LIST,
  state: STATE,
  files: LIST,
  snapshots: { list: { members: { state: STATE } } },
  archives: LIST,
  packs: LIST,
} satisfies Partial<Record<keyof Manifest, Cut>>;

/** Pieces of a manifest's content, one behind the other. */
export interface Content {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

/** By the object that it is the encoding of. One object is always cut in one way. */
const known = new WeakMap<object, Uint8Array>();

const encoder = new Encoder();

export function encodeContent(manifest: Manifest): Content {
  const pieces = piecesOfMembers(manifest, CUT);
  return { pieces, bytes: lengthOf(pieces) };
}

function encoded(value: unknown, cut: Cut): Uint8Array {
  if (typeof value !== "object" || value === null) return encoder.encode(value);
  let bytes = known.get(value);
  if (bytes === undefined) {
    bytes = encodedAnew(value, cut);
    known.set(value, bytes);
  }
  return bytes;
}

function encodedAnew(value: object, cut: Cut): Uint8Array {
  if (cut === "whole") return encoder.encode(value);
  if ("members" in cut) return joined(piecesOfMembers(value, cut.members));
  const list = value as readonly unknown[];
  return joined([listHead(list.length), ...list.map((item) => encoded(item, cut.list))]);
}

function piecesOfMembers(value: object, cuts: Readonly<Record<string, Cut>>): Uint8Array[] {
  const members = Object.entries(value);
  const pieces = [mapHead(members.length)];
  for (const [name, member] of members) {
    pieces.push(encodedName(name), encoded(member, cuts[name] ?? "whole"));
  }
  return pieces;
}

const names = new Map<string, Uint8Array>();

/** Of a member; there are few, and always the same. */
function encodedName(name: string): Uint8Array {
  let bytes = names.get(name);
  if (bytes === undefined) {
    bytes = encoder.encode(name);
    names.set(name, bytes);
  }
  return bytes;
}

function listHead(length: number): Uint8Array {
  return head(length, 0x90, 0xdc);
}

function mapHead(length: number): Uint8Array {
  return head(length, 0x80, 0xde);
}

/** Of up to 15 entries in a byte, of more in three or five. */
function head(length: number, short: number, long: number): Uint8Array {
  assert(length < 2 ** 32, "a list has less than 2^32 entries");
  if (length < 16) return Uint8Array.of(short | length);
  if (length < 2 ** 16) return Uint8Array.of(long, length >> 8, length & 0xff);
  const bytes = Uint8Array.of(long + 1, 0, 0, 0, 0);
  new DataView(bytes.buffer).setUint32(1, length);
  return bytes;
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  return length;
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(lengthOf(pieces));
  putPieces(pieces, bytes, 0);
  return bytes;
}

/** One behind the other, from a place on. */
export function putPieces(pieces: readonly Uint8Array[], target: Uint8Array, from: number): void {
  let at = from;
  for (const piece of pieces) {
    target.set(piece, at);
    at += piece.length;
  }
}
