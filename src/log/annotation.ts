/**
 * What a transaction says of itself besides its rows: why it was, what it comes of, and what it may
 * be found by. It is the first operation of its record, so that a search looks there and no
 * further. A transaction that says nothing has none.
 */
import { encode } from "@msgpack/msgpack";
import { HoldfastError } from "../base/errors.js";
import { NAME_BYTES_MAX, REASON_BYTES_MAX, TAG_BYTES_MAX, TAGS_MAX } from "../base/limits.js";
import { decodeDocument } from "../codec/msgpack-document.js";
import { isWellFormed, show } from "../codec/text.js";
import { OPERATION, OPERATION_AT, OPERATION_HEADER_BYTES, writeOperationHeader } from "./format.js";
import type { LogRecord } from "./record.js";
import type { LogWriter } from "./writer.js";

/** What a transaction may carry; see docs/history.md. */
export interface Annotation {
  /** Why it was: a text of at most 4,096 bytes. */
  readonly reason?: string;
  /** The sequence of the transaction that this one comes of; that one is in the log already. */
  readonly causedBy?: number;
  /**
   * What it may be found by: at most 32 texts of at most 1,024 bytes, by names of at most 128.
   * Names that begin with "holdfast." are those of the store itself.
   */
  readonly tags?: Readonly<Record<string, string>>;
}

/** Of tags that the store itself gives. */
const OWN_TAG_PREFIX = "holdfast.";

const KNOWN = ["reason", "causedBy", "tags"];

/**
 * What a caller gave, as it will be written; undefined if it says nothing. `lastSequence`: of the
 * last transaction that there is. Throws INVALID_ARGUMENT, and TOO_LARGE for too many tags and for
 * texts that are too long.
 */
export function checkAnnotation(given: unknown, lastSequence: number): Annotation | undefined {
  if (given === undefined) return undefined;
  if (!isObject(given)) {
    throw invalid(`what a transaction carries is { reason, causedBy, tags }, got ${show(given)}`);
  }
  for (const name of Object.keys(given)) {
    if (KNOWN.includes(name)) continue;
    throw invalid(`a transaction carries reason, causedBy and tags; "${name}" is unknown`);
  }
  const { reason, causedBy, tags } = given;
  if (reason !== undefined) {
    checkText("reason", reason, REASON_BYTES_MAX);
    if (reason === "") throw invalid("a reason is not empty");
  }
  if (causedBy !== undefined) checkCause(causedBy, lastSequence);
  const copied = tags === undefined ? undefined : checkTags(tags);
  if (reason === undefined && causedBy === undefined && copied === undefined) return undefined;
  return annotationWith(reason as string | undefined, causedBy as number | undefined, copied);
}

/** Without members for what it does not have. */
function annotationWith(
  reason: string | undefined,
  causedBy: number | undefined,
  tags: Readonly<Record<string, string>> | undefined,
): Annotation {
  return {
    ...(reason !== undefined && { reason }),
    ...(causedBy !== undefined && { causedBy }),
    ...(tags !== undefined && { tags }),
  };
}

function checkCause(causedBy: unknown, lastSequence: number): void {
  const isSequence = Number.isSafeInteger(causedBy) && (causedBy as number) >= 1;
  if (!isSequence)
    throw invalid(`causedBy is the sequence of a transaction, got ${show(causedBy)}`);
  if ((causedBy as number) <= lastSequence) return;
  throw invalid(
    `there is no transaction ${causedBy} that could be a cause; the last one is ${lastSequence}`,
  );
}

/** A copy; undefined if there are none. */
function checkTags(tags: unknown): Readonly<Record<string, string>> | undefined {
  if (!isObject(tags)) throw invalid(`tags are an object of texts, got ${show(tags)}`);
  const entries = Object.entries(tags);
  if (entries.length > TAGS_MAX) {
    throw tooLarge(`a transaction has at most ${TAGS_MAX} tags, got ${entries.length}`);
  }
  for (const [name, value] of entries) {
    checkText("the name of a tag", name, NAME_BYTES_MAX);
    if (name === "" || name === "__proto__") throw invalid(`${show(name)} is no name of a tag`);
    checkText(`tag ${show(name)}`, value, TAG_BYTES_MAX);
  }
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Record<string, string>);
}

/** One that a caller gave, as `checkAnnotation` checks it; undefined where it gave none. */
export function checkOwn(
  annotation: Annotation | undefined,
  lastSequence: number,
): Annotation | undefined {
  if (annotation === undefined) return undefined;
  const checked = checkAnnotation(annotation, lastSequence);
  assertNoOwnTags(checked);
  return checked;
}

/** Throws INVALID_ARGUMENT for tags that only the store gives. */
function assertNoOwnTags(annotation: Annotation | undefined): void {
  const own = Object.keys(annotation?.tags ?? {}).find((name) => name.startsWith(OWN_TAG_PREFIX));
  if (own !== undefined)
    throw invalid(`tag ${show(own)}: such names are those of the store itself`);
}

function checkText(what: string, value: unknown, bytesMax: number): void {
  if (typeof value !== "string") throw invalid(`${what} is a text, got ${show(value)}`);
  if (!isWellFormed(value)) throw invalid(`${what} has a lone surrogate, which UTF-8 cannot hold`);
  const bytes = Buffer.byteLength(value);
  if (bytes > bytesMax) throw tooLarge(`${what} takes ${bytes} bytes; the most is ${bytesMax}`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

function tooLarge(message: string): HoldfastError {
  return new HoldfastError("TOO_LARGE", message);
}

/** Writes it into the record that was just begun. Throws as `LogWriter.growRecord` does. */
export function appendAnnotation(writer: LogWriter, annotation: Annotation): void {
  const content = encode(annotation);
  const bytes = OPERATION_HEADER_BYTES + content.length;
  const { frame } = writer;
  while (frame.position + bytes > frame.end) writer.growRecord();
  const { view, position } = frame;
  writeOperationHeader(view, position, OPERATION.annotate, 0, 0, 0, content.length);
  frame.bytes.set(content, position + OPERATION_HEADER_BYTES);
  frame.position = position + bytes;
  frame.operationCount++;
}

/** What a record carries; undefined if nothing. Throws CORRUPT_LOG where it is none. */
export function annotationOf(record: LogRecord): Annotation | undefined {
  const { view, operationsStart: at, operationsEnd, operationCount, sequence } = record;
  if (operationCount === 0 || at + OPERATION_HEADER_BYTES > operationsEnd) return undefined;
  if (view.getUint8(at + OPERATION_AT.kind) !== OPERATION.annotate) return undefined;
  const start = at + OPERATION_HEADER_BYTES;
  const end = start + view.getUint32(at + OPERATION_AT.rowBytes, true);
  const content = record.bytes.subarray(start, end);
  const annotation = end > operationsEnd ? undefined : decode(content, sequence);
  if (annotation !== undefined) return annotation;
  throw new HoldfastError(
    "CORRUPT_LOG",
    `transaction ${sequence} is malformed: what it says of itself cannot be read`,
    { sequence },
  );
}

/** Undefined for what `checkAnnotation` would never have let through. */
function decode(bytes: Uint8Array, sequence: number): Annotation | undefined {
  try {
    return checkAnnotation(decodeDocument(bytes), sequence - 1);
  } catch {
    return undefined;
  }
}

/** True if it comes of that cause and has all of those tags, as far as they are given. */
export function matches(annotation: Annotation | undefined, wanted: Annotation): boolean {
  if (annotation === undefined) return false;
  const { causedBy, tags = {} } = wanted;
  if (causedBy !== undefined && annotation.causedBy !== causedBy) return false;
  return Object.entries(tags).every(([name, value]) => hasTag(annotation, name, value));
}

function hasTag({ tags }: Annotation, name: string, value: string): boolean {
  return tags !== undefined && Object.hasOwn(tags, name) && tags[name] === value;
}
