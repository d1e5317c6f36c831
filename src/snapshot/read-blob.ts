/** Sends the chunks of a blob, one after another, no faster than they are taken. */
import { PACK_HASH_BYTES } from "../blobs/format.js";
import { checkCancelled, describeFailure, type JobContext } from "./context.js";
import type { ReadBlobJob, ReadBlobResult } from "./jobs.js";
import { packsOf } from "./packs.js";
import { portOf } from "./port.js";
import { packsFor } from "./put-blob.js";

/** The content of the next chunk. */
export interface FromRead {
  readonly bytes: Uint8Array;
}

/** So many more may be sent; -1: no more. */
export interface ToRead {
  readonly more: number;
}

export async function readBlob(job: ReadBlobJob, context: JobContext): Promise<ReadBlobResult> {
  const packs = packsOf(context.disk, job.directory);
  const port = portOf<FromRead, ToRead>(job.port);
  const { signal } = context;
  let room = 0;
  let ended = false;
  let wake = (): void => {};
  port.onMessage(({ more }) => {
    if (more < 0) ended = true;
    else room += more;
    wake();
  });
  const onAbort = (): void => wake();
  signal.addEventListener("abort", onAbort);
  let chunk = 0;
  try {
    await packs.hold(async () => {
      await packs.use(packsFor(job.packs, job.storeId), () => {});
      for (; chunk * PACK_HASH_BYTES < job.hashes.length && !ended; chunk++) {
        while (room === 0 && !ended && !signal.aborted) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        checkCancelled(context);
        if (ended) break;
        const bytes = await packs.read(
          job.hashes.subarray(chunk * PACK_HASH_BYTES, (chunk + 1) * PACK_HASH_BYTES),
        );
        room--;
        port.send({ bytes }, bytes.buffer as ArrayBuffer);
      }
    });
    return { chunks: chunk };
  } catch (error) {
    throw describeFailure(error, "reading a blob");
  } finally {
    signal.removeEventListener("abort", onAbort);
    port.close();
  }
}
