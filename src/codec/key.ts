/** Keys: checked, ordered, and as bytes that sort the way the keys do. */
import { HoldfastError } from "../base/errors.js";
import { KEY_BYTES_MAX } from "../base/limits.js";
import {
  compareStrings,
  findKeyPartEnd,
  keyPartSize,
  readKeyBigint,
  readKeyInteger,
  readKeyPart,
  readKeyString,
  writeKeyBigint,
  writeKeyInteger,
  writeKeyPart,
  writeKeyString,
} from "./key-bytes.js";
import type { KeyNode } from "./schema.js";
import { isWellFormed, show } from "./text.js";
import { ValueProblem } from "./value-problem.js";

/** A key as a JavaScript value. */
export type KeyPart = string | number | bigint;

/** The codec of the keys of one table. */
export interface KeyCodec<Key> {
  /**
   * The key as it is kept: itself, or for a tuple a frozen copy. Throws INVALID_KEY naming the
   * table for what cannot be a key: a wrong type, a lone surrogate, more than KEY_BYTES_MAX.
   */
  validate(key: unknown, table: string): Key;
  /** Writes a valid key; the position after it, or -1 if it does not fit before `end`. */
  encode(key: Key, target: Uint8Array, position: number, end: number): number;
  /** Reads the key that takes up the bytes from `position` to `end`. Throws INVALID_KEY. */
  decode(source: Uint8Array, position: number, end: number): Key;
  /** Below zero, zero or above zero: the order of the encoded keys, byte by byte. */
  compare(a: Key, b: Key): number;
  /** A primitive that stands for the key in a Map: equal for equal keys only. */
  mapKey(key: Key): KeyPart;
  /** The key as it stands in a message. */
  inspect(key: unknown): string;
}

/** Compiles the codec of a key of one part, or of a tuple of several. */
export function compileKey<Key>(key: KeyNode | readonly KeyNode[]): KeyCodec<Key> {
  const codec = Array.isArray(key)
    ? tupleCodec(key as readonly KeyNode[])
    : singleCodec(PARTS[(key as KeyNode).kind]);
  return Object.freeze(codec) as unknown as KeyCodec<Key>;
}

/** How a part of one kind is handled. `write` does not check for room. */
interface Part {
  readonly check: (value: unknown) => KeyPart;
  readonly compare: (a: never, b: never) => number;
  /** As a whole key. */
  readonly size: (value: never) => number;
  readonly write: (target: Uint8Array, position: number, value: never) => number;
  readonly read: (source: Uint8Array, position: number, end: number) => KeyPart;
  /** Fixed length of the encoded part; 0 for a string. */
  readonly length: 0 | 8;
}

const INTEGER: Part = {
  check: (value) => {
    if (Number.isSafeInteger(value)) return (value as number) + 0;
    throw new ValueProblem(`expected a safe integer, got ${show(value)}`);
  },
  compare: (a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0),
  size: () => 8,
  write: writeKeyInteger,
  read: readKeyInteger,
  length: 8,
};

const BIGINT: Part = {
  check: (value) => {
    if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value;
    throw new ValueProblem(`expected a bigint of 64 bits, signed, got ${show(value)}`);
  },
  compare: (a: bigint, b: bigint) => (a < b ? -1 : a > b ? 1 : 0),
  size: () => 8,
  write: writeKeyBigint,
  read: readKeyBigint,
  length: 8,
};

const STRING: Part = {
  check: (value) => {
    if (typeof value !== "string") throw new ValueProblem(`expected a string, got ${show(value)}`);
    if (isWellFormed(value)) return value;
    throw new ValueProblem(`${show(value)} contains a lone surrogate, which UTF-8 cannot hold`);
  },
  compare: compareStrings,
  size: (value: string) => Buffer.byteLength(value, "utf8"),
  write: writeKeyString,
  read: readKeyString,
  length: 0,
};

const PARTS: Readonly<Record<KeyNode["kind"], Part>> = {
  string: STRING,
  integer: INTEGER,
  timestamp: INTEGER,
  int64: BIGINT,
};

type Codec = KeyCodec<KeyPart | readonly KeyPart[]>;

function singleCodec(part: Part): Codec {
  const { check, compare, size, write, read, length } = part;
  return {
    validate: (key, table) =>
      validated(key, table, () => {
        const value = check(key);
        if (typeof value === "string") checkLength(value.length * 3, () => size(value as never));
        return value;
      }),
    encode: (key, target, position, end) =>
      length > end - position || (length === 0 && size(key as never) > end - position)
        ? -1
        : write(target, position, key as never),
    decode: (source, position, end) =>
      decoded(() => {
        checkRange(source, position, end);
        if (length !== 0 && end - position !== length) {
          throw new ValueProblem(`expected ${length} bytes, found ${end - position}`);
        }
        return read(source, position, end);
      }),
    compare: (a, b) => compare(a as never, b as never),
    mapKey: (key) => (typeof key === "number" ? key + 0 : (key as KeyPart)),
    inspect: inspectKey,
  };
}

function tupleCodec(nodes: readonly KeyNode[]): Codec {
  const parts = nodes.map(({ kind }) => PARTS[kind]);
  const sizeOf = (key: readonly KeyPart[]) =>
    key.reduce<number>((sum, part) => sum + (typeof part === "string" ? keyPartSize(part) : 8), 0);
  return {
    validate: (key, table) => validated(key, table, () => checkTuple(parts, key, sizeOf)),
    encode: (key, target, position, end) => {
      if (sizeOf(key as readonly KeyPart[]) > end - position) return -1;
      let at = position;
      for (const part of key as readonly KeyPart[]) {
        if (typeof part === "string") at = writeKeyPart(target, at, part);
        else if (typeof part === "number") at = writeKeyInteger(target, at, part);
        else at = writeKeyBigint(target, at, part);
      }
      return at;
    },
    decode: (source, position, end) => decoded(() => readTuple(parts, source, position, end)),
    compare: (a, b) => {
      for (const [index, { compare }] of parts.entries()) {
        const order = compare(
          (a as readonly KeyPart[])[index] as never,
          (b as readonly KeyPart[])[index] as never,
        );
        if (order !== 0) return order;
      }
      return 0;
    },
    mapKey: tupleMapKey,
    inspect: inspectKey,
  };
}

function checkTuple(
  parts: readonly Part[],
  key: unknown,
  sizeOf: (key: readonly KeyPart[]) => number,
): readonly KeyPart[] {
  if (!Array.isArray(key) || key.length !== parts.length) {
    throw new ValueProblem(`expected an array of ${parts.length}, got ${show(key)}`);
  }
  let bound = 0;
  const checked = parts.map(({ check }, index) => {
    try {
      const value = check(key[index]);
      bound += typeof value === "string" ? value.length * 3 + 2 : 8;
      return value;
    } catch (error) {
      if (!(error instanceof ValueProblem)) throw error;
      throw new ValueProblem(`part ${index + 1}: ${error.message}`);
    }
  });
  checkLength(bound, () => sizeOf(checked));
  return Object.freeze(checked);
}

function readTuple(
  parts: readonly Part[],
  source: Uint8Array,
  position: number,
  end: number,
): readonly KeyPart[] {
  checkRange(source, position, end);
  let at = position;
  const key = parts.map(({ length, read }) => {
    const start = at;
    if (length === 0) {
      const stop = findKeyPartEnd(source, start, end);
      at = stop + 2;
      return readKeyPart(source, start, stop);
    }
    at = start + length;
    if (at > end) throw new ValueProblem("the bytes end within it");
    return read(source, start, at);
  });
  if (at !== end) throw new ValueProblem(`${end - at} bytes follow after it`);
  return Object.freeze(key);
}

/**
 * Numbers first, then strings, all but the last with their length before them: no two tuples of one
 * type make the same text.
 */
function tupleMapKey(key: KeyPart | readonly KeyPart[]): string {
  let numbers = "";
  let strings = "";
  let last: string | undefined;
  for (const part of key as readonly KeyPart[]) {
    if (typeof part !== "string") {
      numbers += `${part},`;
      continue;
    }
    if (last !== undefined) strings += `${last.length}:${last}`;
    last = part;
  }
  return numbers + strings + (last ?? "");
}

function checkLength(bound: number, size: () => number): void {
  if (bound <= KEY_BYTES_MAX) return;
  const bytes = size();
  if (bytes <= KEY_BYTES_MAX) return;
  throw new ValueProblem(`it takes ${bytes} bytes, and a key at most ${KEY_BYTES_MAX}`);
}

function checkRange(source: Uint8Array, position: number, end: number): void {
  if (position >= 0 && position <= end && end <= source.length) return;
  throw new ValueProblem(`there are no bytes from ${position} to ${end}`);
}

function validated<T>(key: unknown, table: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    const message = `table "${table}", key ${inspectKey(key)}: ${error.message}`;
    throw new HoldfastError("INVALID_KEY", message, { table, key });
  }
}

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw new HoldfastError("INVALID_KEY", `stored key: ${error.message}`);
  }
}

/** A key, or what was passed for one, as it stands in a message. */
export function inspectKey(key: unknown): string {
  if (!Array.isArray(key)) return inspectPart(key);
  return `[${key.slice(0, 8).map(inspectPart).join(", ")}]`;
}

function inspectPart(part: unknown): string {
  if (typeof part === "bigint") return `${show(part).slice("bigint ".length)}n`;
  return typeof part === "number" ? String(part) : show(part);
}
