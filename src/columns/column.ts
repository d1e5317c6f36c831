/** One column: from lanes to bytes and back. */
import { assert } from "../base/assert.js";
import { type ByteReader, ByteWriter } from "./bytes.js";
import { type Choice, chooseDictionary } from "./choose.js";
import { corruptChunk } from "./errors.js";
import { CODING, CONTEXTS, FLAG_SHIFT } from "./format.js";
import { type ColumnKernels, encodedBytesMax, packedBytesMax } from "./kernels.js";
import { chooseModel, readModel, writeModel } from "./model.js";
import { roomFor } from "./scratch.js";
import { CELLS } from "./tokens.js";

/** What all lanes of a column have in common, and is taken out of them. */
export type Scale =
  | { readonly kind: "none" }
  /** lane = divisor * x + offset, 0 <= offset < divisor; all are safe integers. */
  | { readonly kind: "divisor"; readonly divisor: number; readonly offset: number }
  /** The lowest bits are these. */
  | { readonly kind: "shift"; readonly shift: number; readonly low: bigint };

export function divisorOf(scale: Scale): number {
  return scale.kind === "divisor" ? scale.divisor : 1;
}

/** Divides only what is worth it: each division costs time when it is read. */
export function findScale(lanes: BigInt64Array, isSafe: boolean, kernels: ColumnKernels): Scale {
  if (lanes.length < 2) return { kind: "none" };
  if (isSafe) {
    const divisor = kernels.commonDivisor(lanes);
    if (divisor < 2 || divisor > 2 ** 40) return { kind: "none" };
    const first = Number(lanes[0]!);
    return { kind: "divisor", divisor, offset: first - Math.floor(first / divisor) * divisor };
  }
  const shift = kernels.commonBits(lanes);
  if (shift === 0 || shift >= 64) return { kind: "none" };
  return { kind: "shift", shift, low: BigInt.asUintN(shift, lanes[0]!) };
}

export function scaleDown(lanes: BigInt64Array, scale: Scale, kernels: ColumnKernels): void {
  if (scale.kind === "divisor") kernels.divide(lanes, scale.divisor, scale.offset);
  if (scale.kind === "shift") kernels.shiftRight(lanes, scale.shift);
}

/** What another column is for this one: lanes, before they were scaled. */
export interface Neighbours {
  readonly reference: BigInt64Array | undefined;
  readonly context: BigInt64Array | undefined;
}

/** Writes lanes that are scaled already, and makes residuals of them in place. */
export function writeLanes(
  lanes: BigInt64Array,
  scale: Scale,
  choice: Choice,
  { reference, context }: Neighbours,
  target: ByteWriter,
  kernels: ColumnKernels,
): void {
  if (reference !== undefined) kernels.subtractReference(lanes, reference, divisorOf(scale));
  const seeds: bigint[] = [];
  for (let order = 0; order < choice.order; order++) {
    seeds.push(lanes[0]!);
    kernels.difference(lanes);
  }
  const bounds = new BigInt64Array(2);
  kernels.range(lanes, bounds);
  const isConstant = bounds[0] === bounds[1];
  if (isConstant) seeds.push(lanes[0]!);
  const coded = isConstant ? undefined : bestCoding(lanes, choice, context, kernels);
  const coding = coded?.coding ?? CODING.constant;
  const usesContext = coding === CODING.entropy && context !== undefined;
  target.byte(
    coding |
      (choice.order << FLAG_SHIFT.order) |
      (scale.kind === "none" ? 0 : 1 << FLAG_SHIFT.scale) |
      (reference === undefined ? 0 : 1 << FLAG_SHIFT.reference) |
      (usesContext ? 1 << FLAG_SHIFT.context : 0),
  );
  writeScale(scale, target);
  if (reference !== undefined) target.varint(choice.reference!);
  if (usesContext) target.varint(choice.context!);
  for (const seed of seeds) target.signed(seed);
  if (coded !== undefined) target.bytes(coded.bytes);
}

function writeScale(scale: Scale, target: ByteWriter): void {
  if (scale.kind === "divisor") {
    target.byte(0);
    target.varint(scale.divisor);
    target.varint(scale.offset);
  } else if (scale.kind === "shift") {
    target.byte(scale.shift);
    target.signed(BigInt.asIntN(64, scale.low));
  }
}

interface Coded {
  readonly coding: number;
  readonly bytes: Uint8Array;
}

/** Columns of fewer rows, or more bits a value, may be smaller as packed bits. */
const PACKED_ROWS = 2048;
const PACKED_BITS = 24;

function bestCoding(
  residuals: BigInt64Array,
  choice: Choice,
  context: BigInt64Array | undefined,
  kernels: ColumnKernels,
): Coded {
  const entropy = encodeEntropy(residuals, choice, context, kernels);
  if (residuals.length > PACKED_ROWS && choice.bits < PACKED_BITS) return entropy;
  const room = new Uint8Array(packedBytesMax(residuals.length));
  const packed = room.subarray(0, kernels.pack(residuals, room));
  return packed.length <= entropy.bytes.length ? { coding: CODING.packed, bytes: packed } : entropy;
}

function encodeEntropy(
  residuals: BigInt64Array,
  choice: Choice,
  context: BigInt64Array | undefined,
  kernels: ColumnKernels,
): Coded {
  const classes = context === undefined ? undefined : new Uint8Array(residuals.length);
  if (context !== undefined) kernels.classify(context, classes!);
  const contexts = context === undefined ? 1 : CONTEXTS;
  const dictionary = chooseDictionary(choice.residuals);
  const counts = new Uint32Array(contexts * (CELLS + dictionary.length));
  kernels.countSymbols(residuals, classes, dictionary, counts);
  const chosen = chooseModel({ counts, contexts, dictionary }, residuals.length);
  const target = new ByteWriter();
  writeModel(chosen, target);
  const room = roomFor(encodedBytesMax(residuals.length));
  const { symbolBins, model } = chosen;
  const bytes = kernels.encode(residuals, classes, dictionary, symbolBins, model, room);
  assert(bytes > 0, "every residual has a bin");
  target.bytes(room.subarray(0, bytes));
  return { coding: CODING.entropy, bytes: target.view() };
}

/** The lanes of a column that its header described. */
export interface LaneForm {
  readonly coding: number;
  readonly order: number;
  readonly scale: Scale;
  /** Columns, each before this one. */
  readonly reference: number | undefined;
  readonly context: number | undefined;
  readonly seeds: readonly bigint[];
}

export function readLaneForm(source: ByteReader, column: number): LaneForm {
  const flags = source.byte();
  const coding = flags & 3;
  const order = (flags >> FLAG_SHIFT.order) & 3;
  if (coding > CODING.entropy || order > 2 || flags >= 128) {
    throw corruptChunk("a column is coded in an unknown way");
  }
  const has = (shift: number): boolean => ((flags >> shift) & 1) === 1;
  const scale: Scale = has(FLAG_SHIFT.scale) ? readScale(source) : { kind: "none" };
  const reference = has(FLAG_SHIFT.reference) ? readNeighbour(source, column) : undefined;
  const context = has(FLAG_SHIFT.context) ? readNeighbour(source, column) : undefined;
  const seedCount = order + (coding === CODING.constant ? 1 : 0);
  const seeds = Array.from({ length: seedCount }, () => source.signed());
  return { coding, order, scale, reference, context, seeds };
}

function readNeighbour(source: ByteReader, column: number): number {
  if (column === 0) throw corruptChunk("the first column refers to another");
  return source.varint(column - 1);
}

function readScale(source: ByteReader): Scale {
  const shift = source.byte();
  if (shift > 63) throw corruptChunk("a scale is too large");
  if (shift > 0) return { kind: "shift", shift, low: BigInt.asUintN(shift, source.signed()) };
  const divisor = source.varint(2 ** 40);
  if (divisor < 2) throw corruptChunk("a divisor is too small");
  return { kind: "divisor", divisor, offset: source.varint(divisor - 1) };
}

/** The first lanes.length lanes of a column of `count`; source stands behind the form. */
export function readLanes(
  source: ByteReader,
  form: LaneForm,
  { reference, context }: Neighbours,
  count: number,
  lanes: BigInt64Array,
  kernels: ColumnKernels,
): void {
  readResiduals(source, form, context, count, lanes, kernels);
  for (let order = form.order - 1; order >= 0; order--) {
    kernels.accumulate(lanes, form.seeds[order]!);
  }
  if (reference !== undefined) kernels.addReference(lanes, reference, divisorOf(form.scale));
  const { scale } = form;
  if (scale.kind === "shift") kernels.shiftLeft(lanes, scale.shift, scale.low);
  if (scale.kind === "divisor" && !kernels.multiply(lanes, scale.divisor, scale.offset)) {
    throw corruptChunk("a value is too large");
  }
}

function readResiduals(
  source: ByteReader,
  form: LaneForm,
  context: BigInt64Array | undefined,
  count: number,
  lanes: BigInt64Array,
  kernels: ColumnKernels,
): void {
  if (form.coding === CODING.constant) {
    lanes.fill(form.seeds[form.order]!);
    return;
  }
  const isWhole = lanes.length === count;
  if (form.coding === CODING.packed) {
    const end = kernels.unpack(source.bytes, source.at, source.end, lanes);
    if (end < 0 || (isWhole && end !== source.end)) throw corruptChunk("packed bits are damaged");
    return;
  }
  const classes = context === undefined ? undefined : new Uint8Array(lanes.length);
  if (context !== undefined) kernels.classify(context, classes!);
  const model = readModel(source, context === undefined ? 1 : CONTEXTS);
  const { bytes, at, end } = source;
  if (kernels.decode(bytes, at, end, classes, model, lanes, isWhole)) return;
  throw corruptChunk("coded bits are damaged");
}
