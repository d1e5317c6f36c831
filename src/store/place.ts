/** Where a store is to live: what the file system can promise, and the way down to it. */
import { dirname } from "node:path";
import { errnoCode, HoldfastError } from "../base/errors.js";
import type { Disk, PlaceInfo } from "../disk/disk.js";
import type { Options } from "./options.js";

/**
 * Makes the directory itself durable, before a store is made in it: what is synced in a directory
 * is lost with it. All ancestors, since an opening that was cut short may have made some of them;
 * but one that may not be read is none of ours.
 */
export async function syncAncestors(disk: Disk, directory: string): Promise<void> {
  for (let path = directory; dirname(path) !== path; ) {
    path = dirname(path);
    try {
      await disk.syncDirectory(path);
    } catch (error) {
      if (!["EACCES", "EPERM", "EROFS"].includes(errnoCode(error) ?? "")) throw error;
    }
  }
}

/** What is under it. Warns of what it cannot promise, or throws UNSUPPORTED_FILE_SYSTEM. */
export async function checkPlace(
  disk: Disk,
  directory: string,
  options: Pick<Options, "strict" | "onWarning">,
): Promise<PlaceInfo> {
  const place = await disk.describe(directory);
  const weakness = weaknessOf(place);
  if (weakness === undefined) return place;
  const message = `${directory} is on ${place.fileSystem}: ${weakness}`;
  if (options.strict) {
    throw new HoldfastError("UNSUPPORTED_FILE_SYSTEM", message, { file: directory });
  }
  options.onWarning({ code: "WEAK_FILE_SYSTEM", message });
  return place;
}

/** What a file system cannot promise, or undefined. */
export function weaknessOf(place: PlaceInfo): string | undefined {
  if (place.volatile) return "it lives in memory, and nothing on it survives power loss";
  if (place.network) return "locks and syncs of network file systems cannot be relied on";
  if (!place.known) return "its guarantees are not known";
  // An overlay over memory takes O_DIRECT without a murmur, but proves no alignment.
  if (place.fileSystem === "overlay" && !place.directProven) {
    return "what lies under it, which may be memory, cannot be told";
  }
  return undefined;
}
