/** Ways to damage a store, and what of it can still be read; for `log` and for `inspect`. */
import { rmSync, truncateSync } from "node:fs";
import { basename, join } from "node:path";
import { flipBit, overwrite, placeOf, segmentPath, TRANSACTIONS } from "./stores.js";

/** Bytes from the beginning of a frame to somewhere in its records. */
const INTO_THE_RECORDS = 96 + 40;

export interface Damage {
  readonly name: string;
  /** Does it, and says in which file the gap must begin. */
  readonly apply: (directory: string) => Promise<string>;
  /** Transactions that cannot be read; the last one undefined where nobody can know it. */
  readonly missing: readonly [number, number | undefined];
  /** Good transactions lie behind. */
  readonly resumes: boolean;
}

async function flipIn(directory: string, sequence: number): Promise<string> {
  const { file, offset } = await placeOf(directory, sequence);
  flipBit(join(directory, file), offset + INTO_THE_RECORDS);
  return file;
}

/** Every segment has 15 frames of one block: 1 to 15, 16 to 30, 31 to 45, 46 to 60, then 61. */
export const DAMAGES: readonly Damage[] = [
  {
    name: "a flipped bit in the middle",
    apply: (directory) => flipIn(directory, 20),
    missing: [20, 20],
    resumes: true,
  },
  {
    name: "a flipped bit in the first frame",
    apply: (directory) => flipIn(directory, 1),
    missing: [1, 1],
    resumes: true,
  },
  {
    name: "a flipped bit in the last transaction",
    apply: (directory) => flipIn(directory, TRANSACTIONS),
    missing: [TRANSACTIONS, TRANSACTIONS],
    resumes: true,
  },
  {
    name: "two zeroed blocks",
    async apply(directory) {
      const { file, offset } = await placeOf(directory, 40);
      overwrite(join(directory, file), offset, new Uint8Array(2 * 4096));
      return file;
    },
    missing: [40, 41],
    resumes: true,
  },
  {
    name: "a truncated segment",
    async apply(directory) {
      const { file, offset } = await placeOf(directory, 35);
      truncateSync(join(directory, file), offset + 100);
      return file;
    },
    missing: [35, 45],
    resumes: true,
  },
  {
    name: "a truncated active segment",
    async apply(directory) {
      const { file, offset } = await placeOf(directory, TRANSACTIONS);
      truncateSync(join(directory, file), offset + 4096);
      return file;
    },
    missing: [TRANSACTIONS + 1, undefined],
    resumes: false,
  },
  {
    name: "a missing segment",
    apply: async (directory) => remove(segmentPath(directory, 3)),
    missing: [31, 45],
    resumes: true,
  },
  {
    name: "a missing active segment",
    apply: async (directory) => remove(segmentPath(directory, 5)),
    missing: [TRANSACTIONS, TRANSACTIONS],
    resumes: false,
  },
  {
    name: "a missing spare segment",
    apply: async (directory) => remove(segmentPath(directory, 6)),
    missing: [TRANSACTIONS + 1, undefined],
    resumes: false,
  },
];

function remove(path: string): string {
  rmSync(path);
  return basename(path);
}
