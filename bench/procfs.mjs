// What the kernel tells of processes, directories and its page cache.
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Memory of a process in bytes, all of its threads together; undefined once it has ended. */
export function memoryOf(pid) {
  let status;
  try {
    status = readFileSync(`/proc/${pid}/status`, "utf8");
  } catch {
    return undefined;
  }
  const bytes = (name) => {
    const match = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status);
    return match === null ? 0 : Number(match[1]) * 1024;
  };
  return {
    anonymous: bytes("RssAnon"),
    file: bytes("RssFile"),
    shared: bytes("RssShmem"),
  };
}

/** Length of all files in a directory, and the room they take up, in bytes. */
export function sizeOf(directory) {
  let bytes = 0;
  let allocated = 0;
  let files = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    try {
      const stat = statSync(join(entry.parentPath, entry.name));
      bytes += stat.size;
      allocated += stat.blocks * 512;
      files++;
    } catch (error) {
      // Files come and go while the background works.
      if (error.code !== "ENOENT") throw error;
    }
  }
  return { bytes, allocated, files };
}

/** Empties the page cache; false, and why not, where that is not permitted. */
export function dropPageCache() {
  spawnSync("sync");
  try {
    writeFileSync("/proc/sys/vm/drop_caches", "3");
    return { dropped: true };
  } catch (error) {
    return { dropped: false, why: error.code };
  }
}
