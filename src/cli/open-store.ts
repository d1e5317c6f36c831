/** Opens a store for a command that writes, as its own program would. */
import { HoldfastError } from "../base/errors.js";
import { type OpenOptions, open, type Store } from "../index.js";
import type { Manifest } from "../manifest/format.js";
import { readStore, type StoreView } from "./read-store.js";

/** Throws CORRUPT_MANIFEST if there is none. */
export function manifestOf({ manifest, directory }: StoreView): Manifest {
  if (manifest !== undefined) return manifest;
  const message = `neither manifest of ${directory} can be read: "holdfast verify" tells more`;
  throw new HoldfastError("CORRUPT_MANIFEST", message, { file: directory });
}

/**
 * As its own program would open it, as far as the manifest tells. That may keep the history:
 * nothing of it is to go because of a command.
 */
function optionsFor({ environment, segments }: Manifest): OpenOptions {
  const segmentBytes = segments.findLast(({ state }) => state !== "sealed")?.bytes;
  return {
    environment,
    history: "all",
    finalSnapshotMillis: 0,
    // Nobody else is served by the store meanwhile.
    backgroundBytesPerSecond: Number.MAX_SAFE_INTEGER,
    onWarning: () => {},
    ...(segmentBytes !== undefined && { segmentBytes }),
  };
}

/** Opens, uses and closes the store that is there. Throws LOCKED, and what `use` throws. */
export async function withStore<T>(
  directory: string,
  tables: NonNullable<OpenOptions["tables"]>,
  use: (store: Store) => Promise<T>,
  more: OpenOptions = {},
): Promise<T> {
  const options = optionsFor(manifestOf(await readStore(directory)));
  return useStore(await open(directory, { ...options, ...more, tables }), use);
}

/** Uses a store, and closes it whatever came of that. */
export async function useStore<T>(store: Store, use: (store: Store) => Promise<T>): Promise<T> {
  let result: T;
  try {
    result = await use(store);
  } catch (error) {
    await store.close().catch(() => {});
    throw error;
  }
  await store.close();
  return result;
}
