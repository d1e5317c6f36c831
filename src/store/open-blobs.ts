/** What an open store needs for its blobs, put together. */
import { oldest } from "../history/moments.js";
import { BlobFiles } from "./blob-files.js";
import type { BlobsPlace } from "./blobs.js";
import { StoreBlobs } from "./blobs.js";
import { entriesOf, newest } from "./range.js";
import type { StoreParts } from "./store.js";
import type { StoreHistory } from "./store-history.js";
import type { TransactionRunner } from "./transaction.js";
import type { View } from "./view.js";

export interface BlobsOfStore {
  readonly blobs: StoreBlobs;
  readonly files: BlobFiles;
}

/** What it needs beside the parts of the store. */
export interface BlobWork extends Pick<BlobsPlace, "assertOpen" | "transact"> {
  readonly runner: TransactionRunner;
  readonly past: StoreHistory;
  readonly view: () => View;
  readonly views: () => Iterable<View>;
}

/** Undefined where the store was opened without them. */
export function openBlobs(parts: StoreParts, work: BlobWork): BlobsOfStore | undefined {
  const { options, background, catalog, writer, disk, directory } = parts;
  if (options.blobs === false) return undefined;
  const warn = (message: string) => options.onWarning({ code: "BACKGROUND", message });
  const files = new BlobFiles({
    disk,
    directory,
    runner: background.makeRunner((error) => warn(error.message)),
    manifest: () => background.manifest,
    change: (edit) => background.changePacks(edit),
    collector: {
      view: work.view,
      views: work.views,
      at: (name) => work.past.at(name),
      durable: async (sequence) => writer.durable(sequence),
      oldest: async () => {
        if (options.history === "none") return Number.POSITIVE_INFINITY;
        return (await oldest(parts.source)) ?? Number.POSITIVE_INFINITY;
      },
      hold: () => background.hold(),
      runJob: (job, signal) => background.runJob(job, signal),
      warn,
    },
  });
  catalog.layers.chunks = files;
  work.runner.blobWork = { nowMicros: () => disk.clock.nowMicros(), dropped: files.dropped };
  const blobs = new StoreBlobs({
    files,
    tables: {
      get: (definition, key) => catalog.of(definition).get(key),
      entries: (definition, range) => entriesOf(newest(catalog.of(definition)), range),
    },
    retention: options.blobs === true ? {} : options.blobs,
    assertOpen: work.assertOpen,
    transact: work.transact,
  });
  return { blobs, files };
}
