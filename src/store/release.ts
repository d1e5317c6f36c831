/** Gives back all that an open store holds, in the order in which it may be given. */

import type { CommitQueue } from "../disk/disk.js";
import type { Ownership } from "../disk/lock.js";
import type { SegmentSupply } from "../log/segments.js";
import type { LogWriter } from "../log/writer.js";
import type { ManifestKeeper } from "../manifest/keeper.js";
import type { Catalog } from "./catalog.js";
import type { DirectoryWatch } from "./directory-watch.js";
import type { StoreLedger } from "./ledger.js";

/** Throws the first error, once every step was taken. `clean`: the log is durable to its end. */
export async function release(
  held: {
    readonly watch: DirectoryWatch;
    readonly supply: SegmentSupply;
    readonly queue: CommitQueue;
    readonly ledger: StoreLedger;
    readonly keeper: ManifestKeeper;
    readonly ownership: Ownership;
    readonly writer: LogWriter;
    readonly catalog: Catalog;
  },
  clean: boolean,
): Promise<void> {
  const steps = [
    () => held.watch.stop(),
    () => held.supply.close(),
    async () => {
      if (clean) await held.ledger.close();
      await held.ledger.settled();
      // What was published last may have retired segments: none is removed once the lock is free.
      await held.supply.settled();
    },
    () => held.keeper.close(),
    async () => held.catalog.layers.runs?.release(),
    () => held.queue.close(),
    () => held.writer.closeSegment(),
    () => held.ownership.release(),
  ];
  // Every step is taken, whatever became of those before it: nothing may stay open or locked.
  let failure: unknown;
  for (const step of steps) {
    await step().catch((error: unknown) => {
      failure ??= error;
    });
  }
  if (failure !== undefined) throw failure;
}
