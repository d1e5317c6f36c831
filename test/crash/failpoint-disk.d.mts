import type { Disk } from "../../src/disk/disk.js";

export interface Failpoint {
  readonly operation: string;
  readonly file: string;
  readonly when: "before" | "halfway" | "after";
}

export const FAILPOINTS: readonly Failpoint[];
export function failpointName(point: Failpoint): string;
export function failpointDisk(
  disk: Disk,
  point: Failpoint & { readonly nth: number },
  act: () => void,
  isArmed?: () => boolean,
): Disk;
