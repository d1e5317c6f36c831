/**
 * Generates the codec of a row as JavaScript: one straight function per direction, without loops
 * over fields, so that every field access has one shape. Two to four times as fast as closures
 * (measured, bench/micro/codec.mjs).
 *
 * The generated code holds the common case of every field only. For anything else it asks the
 * closures, and for anything wrong too: they know how to say what, so both refuse the same values
 * with the same words. Names come from checked schemas, texts go through JSON.stringify.
 */
import { ROW_BYTES_MAX } from "../base/limits.js";
import { Decimal } from "./decimal.js";
import type { FieldNode, TypeNode } from "./field-types.js";
import {
  readArrayHeader,
  readBoolean,
  readFloat64,
  readInteger,
  readString,
  skipNil,
} from "./msgpack-read.js";
import {
  headerSize,
  writeArrayHeader,
  writeBigint,
  writeBoolean,
  writeFloat64,
  writeInteger,
  writeNil,
  writeString,
} from "./msgpack-write.js";
import type { RecordCodec } from "./record.js";
import { compileValue } from "./value.js";
import { readDecimal, readEnumeration, readFiniteFloat, readInt64 } from "./value-read.js";
import { writeDecimal } from "./value-write.js";

/** What the generated code may use, under these names. */
const HELPERS = {
  Decimal,
  freeze: Object.freeze,
  getPrototypeOf: Object.getPrototypeOf,
  hasOwn: Object.hasOwn,
  isFinite: Number.isFinite,
  isSafeInteger: Number.isSafeInteger,
  keys: Object.keys,
  plain: Object.prototype,
  asIntN: BigInt.asIntN,
  readArrayHeader,
  readBoolean,
  readDecimal,
  readEnumeration,
  readFiniteFloat,
  readFloat64,
  readInt64,
  readInteger,
  readString,
  skipNil,
  writeBigint,
  writeBoolean,
  writeDecimal,
  writeFloat64,
  writeInteger,
  writeNil,
  writeString,
};

/** The code of one field. `v` is the variable that holds its value, `f` its codec from closures. */
interface FieldCode {
  /** A statement that makes `v` normal, or throws. */
  readonly normalize: string;
  /** At least the bytes that writing takes. */
  readonly bound: string;
  /** The position after writing. */
  readonly write: string;
  /** The value read. */
  readonly read: string;
}

/** The codec generated from `fields`; `slow` is the one made of closures. */
export function generateRecord(fields: readonly FieldNode[], slow: RecordCodec): RecordCodec {
  const source = recordSource(fields);
  const codecs = fields.map(({ type }) => compileValue(type));
  const defaults = fields.map(({ defaultValue }) => defaultValue);
  const lists = fields.map(({ type }) => {
    const item = type.kind === "nullable" ? type.item : type;
    return item.kind === "enumeration" ? item.values : undefined;
  });
  const make = new Function("helpers", "slow", "codecs", "defaults", "lists", source);
  return make(HELPERS, slow, codecs, defaults, lists) as RecordCodec;
}

/** Exported for the tests, which look at it. */
export function recordSource(fields: readonly FieldNode[]): string {
  const codes = fields.map(({ type }, index) => fieldCode(type, `v${index}`, index));
  const variables = fields.map((_, index) => `v${index}`).join(", ");
  const members = fields.map(({ name }, index) => `${name}: v${index}`).join(", ");
  const remake = fields.map(({ name }) => `row.${name}`).join(", ");
  return `"use strict";
const { ${Object.keys(HELPERS).join(", ")} } = helpers;
${fields.map((_, index) => constantsSource(index)).join("\n")}
const make = (${variables}) => freeze({ ${members} });
const remake = (row) => make(${remake});
function normalize(input) {
  if (typeof input !== "object" || input === null || getPrototypeOf(input) !== plain) {
    return remake(slow.normalize(input));
  }
  try {
    let present = ${fields.length};
${fields.map((field, index) => normalizeSource(field, codes[index]!, index)).join("\n")}
    if (keys(input).length === present) return make(${variables});
  } catch {}
  return remake(slow.normalize(input));
}
function encode(row, target, position, end) {
${fields.map(({ name }, index) => `  const v${index} = row.${name};`).join("\n")}
  if (${boundSource(codes)} > end - position) return encodeNearEnd(row, target, position, end);
  return write(target, position, ${variables});
}
function encodeNearEnd(row, target, position, end) {
  return slow.encode(row, target, position, end);
}
function write(target, at, ${variables}) {
${headerSource(fields.length)}
${codes.map(({ write }) => `  at = ${write};`).join("\n")}
  return at;
}
function read(source, cursor) {
  const { position } = cursor;
  try {
    if (readArrayHeader(source, cursor) === ${fields.length}) {
${codes.map(({ read }, index) => `      const v${index} = ${read};`).join("\n")}
      return make(${variables});
    }
  } catch {}
  cursor.position = position;
  return remake(slow.read(source, cursor));
}
return { normalize, encode, read };
`;
}

function constantsSource(index: number): string {
  const names = { f: "codecs", d: "defaults", l: "lists" };
  const all = Object.entries(names).map(([name, list]) => `${name}${index} = ${list}[${index}]`);
  return `const ${all.join(", ")};`;
}

/** Names that every object inherits are fields only where the row has them itself. */
function normalizeSource(field: FieldNode, code: FieldCode, index: number): string {
  const v = `v${index}`;
  const given = `input.${field.name}`;
  const value =
    field.name in Object.prototype
      ? `hasOwn(input, "${field.name}") ? ${given} : undefined`
      : given;
  const lines = [`let ${v} = ${value};`];
  if (field.defaultValue !== undefined) {
    lines.push(`if (${v} === undefined) { ${v} = d${index}; present--; }`);
  }
  lines.push(code.normalize);
  return lines.map((line) => `    ${line}`).join("\n");
}

function boundSource(codes: readonly FieldCode[]): string {
  const fixed = codes.reduce(
    (sum, { bound }) => sum + (Number(bound) || 0),
    headerSize(codes.length),
  );
  return [String(fixed), ...codes.map(({ bound }) => bound).filter((bound) => !Number(bound))].join(
    " + ",
  );
}

function headerSource(count: number): string {
  const bytes = new Uint8Array(headerSize(count));
  writeArrayHeader(bytes, 0, count);
  return [...bytes].map((byte) => `  target[at++] = ${byte};`).join("\n");
}

function fieldCode(type: TypeNode, v: string, index: number): FieldCode {
  const slowly = `${v} = f${index}.normalize(${v});`;
  const unless = (normal: string) => `if (!(${normal})) ${slowly}`;
  switch (type.kind) {
    case "string":
      return {
        normalize: unless(
          `typeof ${v} === "string" && ${v}.length <= ${ROW_BYTES_MAX} && ${v}.isWellFormed()`,
        ),
        bound: `3 * ${v}.length + 5`,
        write: `writeString(target, at, ${v})`,
        read: "readString(source, cursor)",
      };
    case "boolean":
      return {
        normalize: unless(`typeof ${v} === "boolean"`),
        bound: "1",
        write: `writeBoolean(target, at, ${v})`,
        read: "readBoolean(source, cursor)",
      };
    case "integer":
    case "timestamp":
      return {
        normalize: `${unless(`isSafeInteger(${v})`)} ${v} += 0;`,
        bound: "9",
        write: `writeInteger(target, at, ${v})`,
        read: "readInteger(source, cursor)",
      };
    case "int64":
      return {
        normalize: unless(`typeof ${v} === "bigint" && asIntN(64, ${v}) === ${v}`),
        bound: "9",
        write: `writeBigint(target, at, ${v})`,
        read: "readInt64(source, cursor)",
      };
    case "float64":
      return {
        normalize: unless(type.allowNonFinite ? `typeof ${v} === "number"` : `isFinite(${v})`),
        bound: "9",
        write: `writeFloat64(target, at, ${v})`,
        read: `${type.allowNonFinite ? "readFloat64" : "readFiniteFloat"}(source, cursor)`,
      };
    case "decimal":
      return decimalCode(type.scale, v, slowly);
    case "enumeration":
      return enumerationCode(type.values, v, index, slowly);
    case "nullable":
      return nullableCode(fieldCode(type.item, v, index), v);
    default:
      return {
        normalize: slowly,
        bound: `f${index}.bound(${v})`,
        write: `f${index}.write(target, at, ${v})`,
        read: `f${index}.read(source, cursor)`,
      };
  }
}

function decimalCode(scale: number, v: string, slowly: string): FieldCode {
  const isAtScale = `${v} instanceof Decimal && ${v}.scale === ${scale}`;
  return {
    // As normalizeDecimal, with the usual case in line: a call would cost 10 ns.
    normalize: `if (${isAtScale}) ${v}.keep(); else ${slowly}`,
    bound: "18",
    write: `writeDecimal(target, at, ${v})`,
    read: `readDecimal(source, cursor, ${scale})`,
  };
}

/** Values up to which a chain of comparisons beats a lookup. */
const CHAIN_MAX = 8;

function enumerationCode(
  values: readonly string[],
  v: string,
  index: number,
  slowly: string,
): FieldCode {
  const read = `readEnumeration(source, cursor, l${index})`;
  if (values.length > CHAIN_MAX) {
    return { normalize: slowly, bound: "5", write: `f${index}.write(target, at, ${v})`, read };
  }
  const texts = values.map((value) => JSON.stringify(value));
  const chain = texts.map((text, place) => `${v} === ${text} ? ${place} : `).join("");
  // The schema's own text is what is kept, so that rows share it and compare by pointer.
  const same = texts.map((text) => `if (${v} === ${text}) ${v} = ${text};`).join(" else ");
  return {
    normalize: `${same} else ${slowly}`,
    bound: "1",
    write: `(target[at] = ${chain}0, at + 1)`,
    read,
  };
}

/** `item` is the code of what is not null; its closures are those of the nullable type. */
function nullableCode(item: FieldCode, v: string): FieldCode {
  const isFixed = Number(item.bound) > 0;
  return {
    normalize: `if (${v} !== null) { ${item.normalize} }`,
    bound: isFixed ? item.bound : `(${v} === null ? 1 : ${item.bound})`,
    write: `(${v} === null ? writeNil(target, at) : ${item.write})`,
    read: `(skipNil(source, cursor) ? null : ${item.read})`,
  };
}
