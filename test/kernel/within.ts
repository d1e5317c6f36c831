/** A limit for what has to end by itself, so that a test that hangs says what did. */
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

const STUCK_MILLIS = 30_000;

export function withinLimit<T>(work: Promise<T>, what: string): Promise<T> {
  return within(work, STUCK_MILLIS, () =>
    assert.fail(`${what} has not ended after ${STUCK_MILLIS} ms`),
  );
}

/** What `work` gives, or what `otherwise` does where it has not ended by then. */
export async function within<T, O>(
  work: Promise<T>,
  millis: number,
  otherwise: () => O,
): Promise<T | O> {
  const stop = new AbortController();
  const limit = sleep(millis, undefined, { signal: stop.signal }).then(
    otherwise,
    () => new Promise<never>(() => {}),
  );
  try {
    return await Promise.race([work, limit]);
  } finally {
    stop.abort();
  }
}
