/** How files that never change, and the log behind them, get from a store to where one is made. */
import { errnoCode } from "../base/errors.js";
import { packFileName } from "../blobs/format.js";
import type { Disk } from "../disk/disk.js";
import type { Manifest, ManifestPack } from "../manifest/format.js";
import { IoBudget } from "../snapshot/budget.js";
import { type CopiedLog, copyLog, type LogSource, type LogTarget } from "../snapshot/copy-log.js";

export interface Transfer {
  /** The segments it makes are durable; their names are not yet. */
  copyLog(source: LogSource, target: LogTarget): Promise<CopiedLog>;
  /**
   * Files that never change, by their names; how many of them were copied. Their names need not be
   * durable. When it rejects nothing of it is under way any more.
   */
  share(names: readonly string[]): Promise<number>;
}

/** What link() says where a file system has no second names, or not for this file. */
const NO_LINKS: readonly (string | undefined)[] = [
  "EXDEV",
  "EPERM",
  "EACCES",
  "EMLINK",
  "ENOTSUP",
  "EOPNOTSUPP",
  "ENOSYS",
];

/** Gives a file a second name in another directory, or copies it there; true if it was copied. */
export async function linkOrCopy(
  disk: Disk,
  directory: string,
  to: string,
  name: string,
): Promise<boolean> {
  const [from, target] = [`${directory}/${name}`, `${to}/${name}`];
  try {
    await disk.link(from, target);
    return false;
  } catch (error) {
    if (!NO_LINKS.includes(errnoCode(error))) throw error;
    await disk.copy(from, target);
    return true;
  }
}

/**
 * Gives the packs of a store to another one, and says what its manifest has to say of them. Throws
 * MISSING_FILE, DISK_FULL or IO as the system has it.
 */
export async function sharePacks(
  disk: Disk,
  directory: string,
  to: string,
  { packs = [], storeId }: Pick<Manifest, "packs" | "storeId">,
): Promise<readonly ManifestPack[]> {
  for (const { id } of packs) await linkOrCopy(disk, directory, to, packFileName(id));
  if (packs.length > 0) await disk.syncDirectory(to);
  return packs.map(({ dead: _, ...pack }) => ({ ...pack, storeId: pack.storeId ?? storeId }));
}

/** On this thread, and as fast as it goes: for what somebody waits for. */
export function linking(disk: Disk, directory: string, to: string): Transfer {
  const unlimited = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
  return {
    copyLog: (source, target) => {
      const budget = new IoBudget(unlimited, disk.clock, disk.scheduler);
      const { signal } = new AbortController();
      return copyLog({ disk, budget, signal }, source, target);
    },
    share: async (names) => {
      const copies = await settle(names.map((name) => linkOrCopy(disk, directory, to, name)));
      return copies.filter(Boolean).length;
    },
  };
}

/** All of them have ended when this has, for good or ill. */
export async function settle<T extends readonly unknown[]>(
  work: readonly [...{ [I in keyof T]: Promise<T[I]> }],
): Promise<T> {
  const results = await Promise.allSettled(work);
  const failed = results.find(({ status }) => status === "rejected");
  if (failed?.status === "rejected") throw failed.reason;
  return results.map((result) => (result as PromiseFulfilledResult<unknown>).value) as never;
}
