/** The history of a store for another program: without the lock, beside whoever writes it. */
import { resolve } from "node:path";
import { HoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import { sourceBeside } from "../history/log-source.js";
import { type OpenOptions, toOptions } from "./options.js";
import { checkEnvironment, readManifest } from "./read-only.js";
import { asStoreError } from "./store-error.js";
import { StoreHistory } from "./store-history.js";

/**
 * Opens the history of the store in a directory for reading. It takes no lock and changes nothing;
 * another process may be writing the store. What is not durable is not seen: the last transactions
 * come some milliseconds after they were acknowledged.
 *
 * Errors: NOT_A_STORE, WRONG_ENVIRONMENT, FORMAT_VERSION, CORRUPT_MANIFEST, INVALID_ARGUMENT, IO.
 */
export async function openHistory(
  directory: string,
  options: OpenOptions = {},
): Promise<StoreHistory> {
  if (typeof directory !== "string" || directory === "") {
    throw new HoldfastError("INVALID_ARGUMENT", "the directory must be a path");
  }
  const checked = toOptions(options);
  const disk = checked.disk ?? chooseDisk(checked.backend, checked.onWarning);
  const path = checked.disk === undefined ? resolve(directory) : directory;
  try {
    checkEnvironment(await readManifest(disk, path), path, checked);
  } catch (error) {
    throw asStoreError(error, path, "opening");
  }
  return new StoreHistory({ source: sourceBeside(disk, path), ...checked });
}
