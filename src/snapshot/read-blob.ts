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

/** From here on what was read has memory that is nobody else's. */
const OWN_BYTES = 64 * 1024;

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
  const readAt = (i: number): Promise<Uint8Array> | undefined => {
    const hash = job.hashes.subarray(i * PACK_HASH_BYTES, (i + 1) * PACK_HASH_BYTES);
    const reading = hash.length === 0 ? undefined : packs.read(hash);
    // Whoever awaits it is told.
    reading?.catch(() => {});
    return reading;
  };
  try {
    await packs.hold(async () => {
      await packs.use(packsFor(job.packs, job.storeId), () => {});
      // The next one is read while this one is taken.
      let next = readAt(0);
      for (; chunk * PACK_HASH_BYTES < job.hashes.length && !ended; chunk++) {
        while (room === 0 && !ended && !signal.aborted) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        checkCancelled(context);
        if (ended) break;
        const content = (await next) as Uint8Array;
        next = readAt(chunk + 1);
        room--;
        // Small ones may be in memory that others use.
        const bytes = content.length < OWN_BYTES ? content.slice() : content;
        port.send({ bytes }, bytes.buffer as ArrayBuffer);
      }
      await next?.catch(() => {});
    });
    return { chunks: chunk };
  } catch (error) {
    throw describeFailure(error, "reading a blob");
  } finally {
    signal.removeEventListener("abort", onAbort);
    port.close();
  }
}
