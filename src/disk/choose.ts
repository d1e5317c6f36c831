/** Picks the disk: the best that this machine and process allow. */
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "./disk.js";
import { loadNativeDisk } from "./native.js";
import { portableDisk } from "./portable.js";

/**
 * - "auto": native, or portable where the addon cannot be loaded, with a warning.
 * - "native": native with its best back end; "io_uring" and "threads": native with that one.
 * - "portable": `node:fs` only.
 *
 * Throws INVALID_ARGUMENT if the one asked for is not to be had.
 */
export function chooseDisk(
  backend: "auto" | "native" | "io_uring" | "threads" | "portable",
  onWarning: (warning: { readonly code: "PORTABLE_DISK"; readonly message: string }) => void,
): Disk {
  if (backend === "portable") return portableDisk();
  try {
    return loadNativeDisk(backend === "io_uring" || backend === "threads" ? { backend } : {});
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    if (backend !== "auto") {
      throw new HoldfastError(
        "INVALID_ARGUMENT",
        `backend "${backend}" is not to be had here: ${why}`,
        {},
        error,
      );
    }
    onWarning({
      code: "PORTABLE_DISK",
      message: `${why}; durable writes are slower without it`,
    });
    return portableDisk({ reason: why });
  }
}
