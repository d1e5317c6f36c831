import type { Store } from "../../src/index.js";

export function keepTakingSnapshots(
  store: Store,
  pauseMillis: number,
  say: (line: string) => void,
  signal?: AbortSignal,
  life?: string | number,
): Promise<void>;
