/** A broken promise of the program to itself. Never caught inside this package. */
export class AssertionError extends Error {
  override readonly name = "AssertionError";
}

/**
 * Stops at a programmer's mistake. Stays on in production: a storage engine that has lost track of
 * its own state must not go on writing.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}
