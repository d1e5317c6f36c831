/** Files of the log come and go while it is read: then it is read as it is now. */
import { isHoldfastError } from "../base/errors.js";
import type { Manifest } from "../manifest/format.js";
import type { LogSource } from "./log-source.js";
import { idOf, piecesOf } from "./pieces.js";

/** Readings of what is there now before damage is believed to be damage. */
export const ATTEMPTS = 6;

export function mayHaveMoved(error: unknown): boolean {
  return (
    isHoldfastError(error) && ["MISSING_FILE", "CORRUPT_LOG", "HISTORY_GONE"].includes(error.code)
  );
}

/** Segments are let go of only with a manifest that is without them. */
export function hasMoved(before: Manifest, now: Manifest): boolean {
  if (before.generation !== now.generation) return true;
  const ids = (manifest: Manifest) => piecesOf(manifest).map(idOf).join();
  return ids(before) !== ids(now);
}

/** Looks with the manifest as it is now, and once more where that is no longer so. */
export async function look<T>(
  source: LogSource,
  work: (manifest: Manifest) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    const manifest = await source.manifest();
    try {
      return await work(manifest);
    } catch (error) {
      if (attempt >= ATTEMPTS || !mayHaveMoved(error)) throw error;
      if (!hasMoved(manifest, await source.manifest())) throw error;
    }
  }
}
