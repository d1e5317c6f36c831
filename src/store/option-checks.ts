/** What the checks of options share: each throws INVALID_ARGUMENT, naming the option. */
import { HoldfastError } from "../base/errors.js";
import { NAME_BYTES_MAX } from "../base/limits.js";

export function checkType(
  option: string,
  value: unknown,
  type: "boolean" | "function" | "object",
): void {
  if (typeof value === type && value !== null) return;
  throw invalid(`${option} must be of type ${type}, got ${String(value)}`);
}

export function checkAligned(option: string, value: number): void {
  if (value % 4096 !== 0) throw invalid(`${option} must be a multiple of 4096, got ${value}`);
}

export function checkName(option: string, value: unknown): void {
  const ok =
    typeof value === "string" && value !== "" && Buffer.byteLength(value) <= NAME_BYTES_MAX;
  if (!ok) throw invalid(`${option} must be a text of 1 to ${NAME_BYTES_MAX} bytes`);
}

export function checkRange(option: string, value: unknown, min: number, max: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max) return;
  throw invalid(`${option} must be a whole number from ${min} to ${max}, got ${String(value)}`);
}

export function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}

/** `before`: what stands in front of the names, for people. */
export function checkNames(before: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`unknown option "${before}${unknown}"`);
}
