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
  return Object.freeze({ ...codecOf(key) }) as unknown as KeyCodec<Key>;
}

function codecOf(key: KeyNode | readonly KeyNode[]) {
  if (Array.isArray(key)) return tupleCodec(key as readonly KeyNode[]);
  switch ((key as KeyNode).kind) {
    case "string":
      return STRING_CODEC;
    case "int64":
      return numberCodec(BIGINT, writeKeyBigint);
    default:
      return numberCodec(INTEGER, writeKeyInteger);
  }
}

/** How one part of a key is checked, ordered and read. */
interface Part {
  readonly check: (value: unknown) => KeyPart;
  readonly compare: (a: KeyPart, b: KeyPart) => number;
  readonly read: (source: Uint8Array, position: number, end: number) => KeyPart;
  /** Bytes of the encoded part; 0 for a string, which has any number of them. */
  readonly length: 0 | 8;
}

const INTEGER: Part = {
  check: (value) => {
    if (Number.isSafeInteger(value)) return (value as number) + 0;
    throw new ValueProblem(`expected a safe integer, got ${show(value)}`);
  },
  compare: compareNumbers,
  read: readKeyInteger,
  length: 8,
};

const BIGINT: Part = {
  check: (value) => {
    if (typeof value === "bigint" && BigInt.asIntN(64, value) === value) return value;
    throw new ValueProblem(`expected a bigint of 64 bits, signed, got ${show(value)}`);
  },
  compare: compareNumbers,
  read: readKeyBigint,
  length: 8,
};

const STRING: Part = {
  check: (value) => {
    if (typeof value !== "string") throw new ValueProblem(`expected a string, got ${show(value)}`);
    if (isWellFormed(value)) return value;
    throw new ValueProblem(`${show(value)} contains a lone surrogate, which UTF-8 cannot hold`);
  },
  compare: (a, b) => compareStrings(a as string, b as string),
  read: readKeyString,
  length: 0,
};

const PARTS: Readonly<Record<KeyNode["kind"], Part>> = {
  string: STRING,
  integer: INTEGER,
  timestamp: INTEGER,
  int64: BIGINT,
};

function compareNumbers(a: KeyPart, b: KeyPart): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

const STRING_CODEC: KeyCodec<string> = {
  validate: (key, table) => {
    if (typeof key === "string" && key.length * 3 <= KEY_BYTES_MAX && isWellFormed(key)) return key;
    return validated(key, table, () => {
      const value = STRING.check(key) as string;
      checkLength(Buffer.byteLength(value, "utf8"));
      return value;
    });
  },
  encode: (key, target, position, end) => {
    const room = end - position;
    if (key.length * 3 > room && Buffer.byteLength(key, "utf8") > room) return -1;
    return writeKeyString(target, position, key);
  },
  decode: (source, position, end) => {
    try {
      checkRange(source, position, end);
      return readKeyString(source, position, end);
    } catch (error) {
      throw refusedBytes(error);
    }
  },
  compare: compareStrings,
  mapKey: (key) => key,
  inspect: inspectKey,
};

function numberCodec<Key extends number | bigint>(
  part: Part,
  write: (target: Uint8Array, position: number, key: Key) => number,
): KeyCodec<Key> {
  return {
    validate: (key, table) => validated(key, table, () => part.check(key) as Key),
    encode: (key, target, position, end) =>
      end - position < part.length ? -1 : write(target, position, key),
    decode: (source, position, end) => {
      try {
        checkRange(source, position, end);
        if (end - position === part.length) return part.read(source, position, end) as Key;
        throw new ValueProblem(`expected ${part.length} bytes, found ${end - position}`);
      } catch (error) {
        throw refusedBytes(error);
      }
    },
    compare: compareNumbers,
    mapKey: (key) => (typeof key === "number" ? key + 0 : key),
    inspect: inspectKey,
  };
}

function tupleCodec(nodes: readonly KeyNode[]): KeyCodec<readonly KeyPart[]> {
  const parts = nodes.map(({ kind }) => PARTS[kind]);
  return {
    validate: (key, table) =>
      quickTuple(parts, key) ?? validated(key, table, () => checkTuple(parts, key)),
    encode: (key, target, position, end) => {
      const room = end - position;
      if (tupleBound(key) > room && tupleSize(key) > room) return -1;
      let at = position;
      for (const part of key) {
        if (typeof part === "string") at = writeKeyPart(target, at, part);
        else if (typeof part === "number") at = writeKeyInteger(target, at, part);
        else at = writeKeyBigint(target, at, part);
      }
      return at;
    },
    decode: (source, position, end) => {
      try {
        return readTuple(parts, source, position, end);
      } catch (error) {
        throw refusedBytes(error);
      }
    },
    compare: (a, b) => {
      for (let index = 0; index < parts.length; index++) {
        const order = parts[index]!.compare(a[index]!, b[index]!);
        if (order !== 0) return order;
      }
      return 0;
    },
    mapKey: tupleMapKey,
    inspect: inspectKey,
  };
}

/** At least the bytes of an encoded tuple: a UTF-16 unit takes three at most, escapes included. */
function tupleBound(key: readonly KeyPart[]): number {
  let bound = 0;
  for (const part of key) bound += typeof part === "string" ? part.length * 3 + 2 : 8;
  return bound;
}

function tupleSize(key: readonly KeyPart[]): number {
  let size = 0;
  for (const part of key) size += typeof part === "string" ? keyPartSize(part) : 8;
  return size;
}

/** The usual tuple of strings and integers, checked without a closure; anything else undefined. */
function quickTuple(parts: readonly Part[], key: unknown): readonly KeyPart[] | undefined {
  if (!Array.isArray(key) || key.length !== parts.length) return undefined;
  const checked: KeyPart[] = [];
  let bound = 0;
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index];
    const value: unknown = key[index];
    if (part === STRING && typeof value === "string" && isWellFormed(value)) {
      bound += value.length * 3 + 2;
      checked.push(value);
    } else if (part === INTEGER && Number.isSafeInteger(value)) {
      bound += 8;
      checked.push((value as number) + 0);
    } else return undefined;
  }
  return bound <= KEY_BYTES_MAX ? Object.freeze(checked) : undefined;
}

function checkTuple(parts: readonly Part[], key: unknown): readonly KeyPart[] {
  if (!Array.isArray(key) || key.length !== parts.length) {
    throw new ValueProblem(`expected an array of ${parts.length}, got ${show(key)}`);
  }
  const checked: KeyPart[] = [];
  try {
    for (let index = 0; index < parts.length; index++) {
      checked.push(parts[index]!.check(key[index]));
    }
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    throw new ValueProblem(`part ${checked.length + 1}: ${error.message}`);
  }
  if (tupleBound(checked) > KEY_BYTES_MAX) checkLength(tupleSize(checked));
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
  const key: KeyPart[] = [];
  for (const { length, read } of parts) {
    const start = at;
    if (length === 0) {
      const stop = findKeyPartEnd(source, start, end);
      at = stop + 2;
      key.push(readKeyPart(source, start, stop));
      continue;
    }
    at = start + length;
    if (at > end) throw new ValueProblem("the bytes end within it");
    key.push(read(source, start, at));
  }
  if (at !== end) throw new ValueProblem(`${end - at} bytes follow after it`);
  return Object.freeze(key);
}

/**
 * Numbers first, then strings, all but the last with their length before them: no two tuples of one
 * type make the same text.
 */
function tupleMapKey(key: readonly KeyPart[]): string {
  let numbers = "";
  let strings = "";
  let last: string | undefined;
  for (const part of key) {
    if (typeof part !== "string") {
      numbers += `${part},`;
      continue;
    }
    // Of a key's bytes there are fewer than surrogates begin at.
    if (last !== undefined) strings += String.fromCharCode(last.length) + last;
    last = part;
  }
  return numbers + strings + (last ?? "");
}

function checkLength(bytes: number): void {
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

/** Not a function that is given another: replay decodes a key for every operation. */
function refusedBytes(error: unknown): unknown {
  if (!(error instanceof ValueProblem)) return error;
  return new HoldfastError("INVALID_KEY", `stored key: ${error.message}`);
}

/** A key, or what was passed for one, as it stands in a message. */
export function inspectKey(key: unknown): string {
  if (!Array.isArray(key)) return inspectPart(key);
  return `[${key.slice(0, 8).map(inspectPart).join(", ")}]`;
}

function inspectPart(part: unknown): string {
  if (typeof part === "bigint" && BigInt.asIntN(64, part) === part) return `${part}n`;
  return typeof part === "number" ? String(part) : show(part);
}
