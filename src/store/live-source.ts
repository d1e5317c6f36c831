/** The log of an open store, for those who read its history. */
import type { LogSource } from "../history/log-source.js";
import type { BackgroundOptions } from "./background.js";

export interface LiveSource extends LogSource {
  /** Something has become durable. */
  wake(): void;
}

export function liveSource({
  disk,
  directory,
  ledger,
  writer,
}: Pick<BackgroundOptions, "disk" | "directory" | "ledger" | "writer">): LiveSource {
  const waiting = new Set<() => void>();
  return {
    disk,
    directory,
    manifest: async () => ledger.now,
    durable: () => ({ sequence: writer.durableSequence, end: writer.durableEnd }),
    more: (signal) =>
      new Promise((resolve) => {
        if (signal.aborted) return resolve();
        const end = (): void => {
          waiting.delete(end);
          signal.removeEventListener("abort", end);
          resolve();
        };
        waiting.add(end);
        signal.addEventListener("abort", end);
      }),
    wake() {
      if (waiting.size === 0) return;
      for (const end of [...waiting]) end();
    },
  };
}
