/** The rows that patches of the log are of, in runs. */
import { fromHex, toHex } from "../base/bytes.js";
import type { Disk } from "../disk/disk.js";
import { BlockCache } from "../run/block-cache.js";
import { newRowPlace } from "../run/run-file.js";
import { RunSet } from "../run/run-set.js";
import type { BaseRow } from "./newest-rows.js";
import type { RunsInRange } from "./repair-plan.js";

/** Each row is looked up once. */
const CACHE_BYTES = 4 * 1024 * 1024;

export class BaseRows {
  readonly #runs: readonly RunSet[];
  readonly #place = newRowPlace();

  /** Of sets whose user somebody is; the first one that has a key counts. */
  constructor(runs: readonly RunSet[]) {
    this.#runs = runs;
  }

  /** Throws MISSING_FILE, CORRUPT_RUN or IO. To be released. */
  static async open(
    disk: Disk,
    directory: string,
    storeId: string,
    { runs, files }: RunsInRange,
  ): Promise<BaseRows> {
    const cache = new BlockCache(CACHE_BYTES);
    const id = fromHex(storeId) as Uint8Array;
    const options = { disk, directory, storeId: id, runs, files, cache, lazily: true };
    return new BaseRows([await RunSet.open(options)]);
  }

  /** Valid until the next one is looked for. Undefined if there is none, or it was deleted. */
  readonly find = (fullKey: Uint8Array): BaseRow | undefined => {
    const place = this.#place;
    const has = this.#runs.some((set) => set.get(fullKey, fullKey.length, place));
    if (!has || place.end < 0) return undefined;
    const { block, start, end, schemaVersion } = place;
    return { bytes: block, start, end, schemaVersion };
  };

  /** A row of that key, or that it was deleted. */
  has(fullKey: Uint8Array): boolean {
    return this.#runs.some((set) => set.get(fullKey, fullKey.length, this.#place));
  }

  async release(): Promise<void> {
    for (const set of this.#runs) await set.release();
  }
}

export function misfitText(fullKey: Uint8Array, why: string): string {
  return `a patch of key 0x${toHex(fullKey)} fits nothing: ${why}`;
}
