/** The types a field can have, as builder functions from which TypeScript infers the row type. */
import { HoldfastError } from "../base/errors.js";
import type { Decimal } from "./decimal.js";
import { show } from "./text.js";

/** A type as data: what the codec is compiled from, and what stands in a schema description. */
export type TypeNode =
  | { readonly kind: "string" | "boolean" | "integer" | "int64" | "timestamp" | "bytes" }
  | { readonly kind: "float64"; readonly allowNonFinite: boolean }
  | { readonly kind: "decimal"; readonly scale: number }
  | {
      readonly kind: "array";
      readonly element: "float64" | "float32" | "int32" | "int64";
      readonly length?: number;
      readonly lengthMax?: number;
    }
  | { readonly kind: "enumeration"; readonly values: readonly string[] }
  | { readonly kind: "list" | "map" | "nullable"; readonly item: TypeNode }
  | { readonly kind: "record"; readonly fields: readonly FieldNode[] };

/** A named field of a table or of a nested record. */
export interface FieldNode {
  readonly name: string;
  readonly type: TypeNode;
  /** What a put fills in where the field is left out; undefined: it may not be left out. */
  readonly defaultValue: unknown;
  /** The name that it had in the version before. */
  readonly was?: string;
}

declare const TYPES: unique symbol;

/**
 * The type of a field: `Value` as it is read, `Input` as it may be written, and whether it may be
 * left out when writing. Made by the functions below only.
 */
export class FieldType<Value, Input = Value, HasDefault extends boolean = boolean> {
  /** Exists for type inference only. */
  declare readonly [TYPES]: {
    readonly value: Value;
    readonly input: Input;
    readonly hasDefault: HasDefault;
  };

  constructor(
    readonly node: TypeNode,
    readonly defaultValue: unknown = undefined,
    readonly was: string | undefined = undefined,
  ) {
    Object.freeze(node);
    Object.freeze(this);
  }
}

/** A type that can also be a key, or a part of one. */
export interface KeyFieldType<Value> extends FieldType<Value, Value, false> {
  readonly node: { readonly kind: "string" | "integer" | "int64" | "timestamp" };
}

/** Named fields, in the order in which they are stored. */
export type Fields = Readonly<Record<string, FieldType<unknown, unknown>>>;

type ValueOf<F> = F extends FieldType<infer Value, unknown> ? Value : never;
type InputValueOf<F> = F extends FieldType<unknown, infer Input> ? Input : never;

type DefaultedNames<F extends Fields> = {
  [K in keyof F]: F[K] extends FieldType<unknown, unknown, true> ? K : never;
}[keyof F];

type Simplify<T> = { [K in keyof T]: T[K] } & {};

/** The row read from a table with these fields. */
export type RowOfFields<F extends Fields> = { readonly [K in keyof F]: ValueOf<F[K]> };

/** What may be written to a table with these fields: those with a default may be left out. */
export type InputOfFields<F extends Fields> = Simplify<
  { readonly [K in Exclude<keyof F, DefaultedNames<F>>]: InputValueOf<F[K]> } & {
    readonly [K in DefaultedNames<F>]?: InputValueOf<F[K]> | undefined;
  }
>;

/** Text that is valid Unicode: a lone surrogate cannot be stored. */
export function string(): KeyFieldType<string> {
  return new FieldType({ kind: "string" }) as KeyFieldType<string>;
}

export function boolean(): FieldType<boolean, boolean, false> {
  return new FieldType({ kind: "boolean" });
}

export interface Float64Options {
  /** Accept NaN, Infinity and -Infinity, which are refused otherwise. */
  readonly allowNonFinite?: boolean;
}

/** A double, to the last bit, -0 included. For what is measured; never for money. */
export function float64(options: Float64Options = {}): FieldType<number, number, false> {
  return new FieldType({ kind: "float64", allowNonFinite: options.allowNonFinite ?? false });
}

/** An integer that a number holds exactly: up to 2^53 - 1 either way. */
export function integer(): KeyFieldType<number> {
  return new FieldType({ kind: "integer" }) as KeyFieldType<number>;
}

/** A 64-bit signed integer, as a bigint. */
export function int64(): KeyFieldType<bigint> {
  return new FieldType({ kind: "int64" }) as KeyFieldType<bigint>;
}

/** Microseconds since 1970, as a safe integer: exact until the year 2255. */
export function timestamp(): KeyFieldType<number> {
  return new FieldType({ kind: "timestamp" }) as KeyFieldType<number>;
}

/** An exact decimal with `scale` (0 to 18) digits after the point; always read at that scale. */
export function decimal(scale: number): FieldType<Decimal, Decimal | string, false> {
  return new FieldType({ kind: "decimal", scale });
}

/** Bytes; copied on the way in and on the way out. */
export function bytes(): FieldType<Uint8Array, Uint8Array, false> {
  return new FieldType({ kind: "bytes" });
}

export interface ArrayOptions {
  /** Exactly so many numbers. */
  readonly length?: number;
  /** At most so many. */
  readonly lengthMax?: number;
}

/**
 * Doubles side by side, each to the last bit: NaN with any payload, -0 and the infinities too. As
 * bytes are, it is copied on the way in and on the way out. `patch` changes a part of it.
 */
export function float64Array(
  options: ArrayOptions = {},
): FieldType<Float64Array, Float64Array, false> {
  return new FieldType(arrayNode("float64", options));
}

/** The same of floats of 32 bits. */
export function float32Array(
  options: ArrayOptions = {},
): FieldType<Float32Array, Float32Array, false> {
  return new FieldType(arrayNode("float32", options));
}

/** The same of signed integers of 32 bits. */
export function int32Array(options: ArrayOptions = {}): FieldType<Int32Array, Int32Array, false> {
  return new FieldType(arrayNode("int32", options));
}

/** The same of signed integers of 64 bits. */
export function bigInt64Array(
  options: ArrayOptions = {},
): FieldType<BigInt64Array, BigInt64Array, false> {
  return new FieldType(arrayNode("int64", options));
}

/** Its lengths are checked by `defineTable`, as all nodes are. */
function arrayNode(
  element: "float64" | "float32" | "int32" | "int64",
  options: ArrayOptions,
): TypeNode {
  const { length, lengthMax } = options ?? {};
  return {
    kind: "array",
    element,
    ...(length !== undefined && { length }),
    ...(lengthMax !== undefined && { lengthMax }),
  };
}

/** One of a closed set of strings, stored as its place among them: add new ones at the end. */
export function enumeration<const Values extends readonly string[]>(
  values: Values,
): FieldType<Values[number], Values[number], false> {
  return new FieldType({ kind: "enumeration", values: Object.freeze(Array.from(values)) });
}

/** A list of values of one type. */
export function list<Value, Input>(
  item: FieldType<Value, Input, false>,
): FieldType<readonly Value[], readonly Input[], false> {
  return new FieldType({ kind: "list", item: itemNode(item) });
}

/**
 * A map from strings to values of one type, kept in the order of its keys. Read as an object
 * without a prototype, so that "constructor" and "__proto__" are keys like any other.
 */
export function map<Value, Input>(
  item: FieldType<Value, Input, false>,
): FieldType<Readonly<Record<string, Value>>, Readonly<Record<string, Input>>, false> {
  return new FieldType({ kind: "map", item: itemNode(item) });
}

/** A record inside a record. */
export function record<const F extends Fields>(
  fields: F,
): FieldType<RowOfFields<F>, InputOfFields<F>, false> {
  return new FieldType({ kind: "record", fields: fieldNodes(fields) });
}

/** The type, or null. */
export function nullable<Value, Input>(
  type: FieldType<Value, Input, false>,
): FieldType<Value | null, Input | null, false> {
  return new FieldType({ kind: "nullable", item: itemNode(type) });
}

/**
 * A field that may be left out when writing: the put fills `value` in, and it is stored like any
 * other. Reading never does: a stored row without the field is an error.
 */
export function withDefault<Value, Input>(
  type: FieldType<Value, Input, false>,
  value: NoInfer<Input>,
): FieldType<Value, Input, true> {
  return new FieldType(type?.node, value, type?.was);
}

/**
 * A field that had another name in the version before: rows of that version keep their value under
 * the new name. Without it a new name is a new field. It goes around the whole type of a field.
 */
export function was<Value, Input, HasDefault extends boolean>(
  type: FieldType<Value, Input, HasDefault>,
  name: string,
): FieldType<Value, Input, HasDefault> {
  return new FieldType(type?.node, type?.defaultValue, name);
}

function itemNode(item: FieldType<unknown, unknown> | undefined): TypeNode {
  if (item?.was === undefined) return (item as FieldType<unknown, unknown>)?.node;
  throw new HoldfastError(
    "INVALID_SCHEMA",
    `was(..., ${show(item.was)}) goes around the whole type of a field, not around a part of it`,
  );
}

/** The fields as data, in their order. Checked by `defineTable`, not here. */
export function fieldNodes(fields: Fields): readonly FieldNode[] {
  return Object.freeze(
    Object.entries(fields ?? {}).map(([name, type]) =>
      Object.freeze({
        name,
        type: type?.node,
        defaultValue: type?.defaultValue,
        ...(type?.was !== undefined && { was: type.was }),
      }),
    ),
  );
}
