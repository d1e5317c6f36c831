/** What the system allows a process that keeps a store, and where that is too little for one. */
import { readFile } from "node:fs/promises";
import { RUN_FILE_BYTES } from "../base/limits.js";

/** Of this process, as whoever started it set them; null: no limit, or none is known. */
export interface ProcessLimits {
  readonly openFilesMax: number | null;
  /** RLIMIT_FSIZE: no file may become longer. */
  readonly fileBytesMax: number | null;
  /** RLIMIT_MEMLOCK: kernels before 5.12 count the rings of io_uring against it. */
  readonly lockedBytesMax: number | null;
  /** RLIMIT_AS: mappings of run files count, whether they are in memory or not. */
  readonly addressBytesMax: number | null;
}

const NAMES: Readonly<Record<keyof ProcessLimits, string>> = {
  openFilesMax: "Max open files",
  fileBytesMax: "Max file size",
  lockedBytesMax: "Max locked memory",
  addressBytesMax: "Max address space",
};

/** Slots, lock and segments stay open, and merges hold some tens of files for a while. */
const OPEN_FILES_LEAST = 256;
/** A run file ends with the block that reaches its size, and an index of its blocks follows. */
const FILE_BYTES_LEAST = 2 * RUN_FILE_BYTES;
/** Node.js itself reserves tens of gigabytes; a store adds its mappings. */
const ADDRESS_BYTES_LEAST = 64 * 2 ** 30;

export async function readLimits(): Promise<ProcessLimits> {
  let text = "";
  try {
    text = await readFile("/proc/self/limits", "utf8");
  } catch {
    // Another system than Linux: nothing is known.
  }
  return parseLimits(text);
}

/** Soft limits out of the text of /proc/self/limits. */
export function parseLimits(text: string): ProcessLimits {
  const limit = (name: keyof ProcessLimits): number | null => {
    const found = new RegExp(`^${NAMES[name]} +(\\d+) `, "m").exec(text);
    return found === null ? null : Number(found[1]);
  };
  return {
    openFilesMax: limit("openFilesMax"),
    fileBytesMax: limit("fileBytesMax"),
    lockedBytesMax: limit("lockedBytesMax"),
    addressBytesMax: limit("addressBytesMax"),
  };
}

/** What a store would run into, each in one sentence; empty if nothing. */
export function limitProblems(limits: ProcessLimits): string[] {
  const problems: string[] = [];
  const isBelow = (limit: number | null, least: number): boolean => limit !== null && limit < least;
  if (isBelow(limits.openFilesMax, OPEN_FILES_LEAST)) {
    problems.push(
      `at most ${limits.openFilesMax} open files (ulimit -n): a store wants ${OPEN_FILES_LEAST}; ` +
        "with too few the background stops, and an opening may be refused",
    );
  }
  if (isBelow(limits.fileBytesMax, FILE_BYTES_LEAST)) {
    problems.push(
      `no file over ${limits.fileBytesMax} bytes (ulimit -f): run files take ` +
        `${RUN_FILE_BYTES} and somewhat more; the background stops where one cannot be written`,
    );
  }
  if (isBelow(limits.addressBytesMax, ADDRESS_BYTES_LEAST)) {
    problems.push(
      `an address space of ${limits.addressBytesMax} bytes (ulimit -v): Node.js and mappings of ` +
        "the whole state must fit; reads fail, or the process ends, where they do not",
    );
  }
  return problems;
}
