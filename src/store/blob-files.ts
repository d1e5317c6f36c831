/** The packs of an open store: the thread that makes and reads them, and what becomes of them. */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { PACK_HASH_BYTES, packFileName } from "../blobs/format.js";
import type { FinishedPack } from "../blobs/pack-writer.js";
import type { Disk } from "../disk/disk.js";
import type { Manifest, ManifestPack } from "../manifest/format.js";
import type { Job, ResultOf } from "../snapshot/jobs.js";
import { forgetPacks } from "../snapshot/packs.js";
import { openPorts, type PortLike } from "../snapshot/port.js";
import type { FromRead, ToRead } from "../snapshot/read-blob.js";
import type { JobRunner } from "../snapshot/runner.js";
import { BlobCollector, type CollectorPlace } from "./blob-collector.js";
import { BlobGate } from "./blob-gate.js";
import type { ChunkSource } from "./blob-reads.js";
import type { Prepared } from "./blob-transaction.js";
import type { CollectedBlobs } from "./blobs.js";

/** Chunks that are read ahead of who takes them. */
const READ_AHEAD = 4;

export interface BlobFilesOptions {
  readonly disk: Disk;
  readonly directory: string;
  /** A thread of its own: what is put does not hold up the background. */
  readonly runner: JobRunner;
  /** As it is now. */
  readonly manifest: () => Manifest;
  /** Publishes a change of the packs. */
  readonly change: (edit: (manifest: Manifest) => Manifest) => Promise<Manifest>;
  readonly collector: Omit<CollectorPlace, "files">;
}

export class BlobFiles implements ChunkSource {
  readonly disk: Disk;
  readonly directory: string;
  readonly gate = new BlobGate();
  /** What is stored, and may become a version yet. */
  readonly held = new Set<Prepared>();
  readonly #o: BlobFilesOptions;
  readonly #collector: BlobCollector;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #nextPackId: number;

  constructor(options: BlobFilesOptions) {
    this.#o = options;
    this.disk = options.disk;
    this.directory = options.directory;
    const { packs = [] } = options.manifest();
    this.#nextPackId = packs.reduce((most, { id }) => Math.max(most, id), 0) + 1;
    this.#collector = new BlobCollector({ ...options.collector, files: this });
  }

  get manifest(): Manifest {
    return this.#o.manifest();
  }

  get isThread(): boolean {
    return this.#o.runner.where === "thread";
  }

  /** Never given before while this store is open; what a crash left under it is gone. */
  nextPackId(): number {
    return this.#nextPackId++;
  }

  /** Lets other work of this thread go on. */
  readonly turn = (): Promise<void> =>
    new Promise((resolve) => {
      this.disk.scheduler.after(0, resolve, true);
    });

  /** On the thread of the blobs; the process does not end before. Throws CLOSED, and the job's. */
  async run<J extends Job>(job: J, signal: AbortSignal): Promise<ResultOf<J>> {
    const { runner } = this.#o;
    const both = AbortSignal.any([signal, this.#closing.signal]);
    const running = runner.run(job, both);
    this.#running.add(running);
    runner.keepAlive(true);
    try {
      return await running;
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error;
      throw new HoldfastError("CLOSED", "the store is closed", {}, error);
    } finally {
      this.#running.delete(running);
      if (this.#running.size === 0) runner.keepAlive(false);
    }
  }

  /** A pack that is done becomes a part of the store. */
  async publish(pack: FinishedPack): Promise<void> {
    await this.change((packs) => [...packs, pack]);
  }

  /** A pack that will not be one; what cannot be removed now is a stray. */
  async forget(pack: FinishedPack | undefined): Promise<void> {
    if (pack === undefined) return;
    await this.disk.remove(`${this.directory}/${packFileName(pack.id)}`).catch(() => {});
  }

  async change(edit: (packs: readonly ManifestPack[]) => readonly ManifestPack[]): Promise<void> {
    await this.#o.change((manifest) => {
      const { packs: before, ...others } = manifest;
      const packs = edit(before ?? []);
      return packs.length === 0 ? others : { ...others, packs };
    });
  }

  /** Packs may be replaced while somebody takes his time: the rest is then in others. */
  async *read(hashes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    for (let at = 0; at < hashes.length; ) {
      const { packs } = this.manifest;
      try {
        for await (const bytes of this.#readOnce(hashes.subarray(at))) {
          at += PACK_HASH_BYTES;
          yield bytes;
        }
      } catch (error) {
        const mayBeElsewhere =
          isHoldfastError(error, "MISSING_FILE") || isHoldfastError(error, "CORRUPT_BLOB");
        if (!mayBeElsewhere || this.manifest.packs === packs) throw error;
      }
    }
  }

  async *#readOnce(hashes: Uint8Array): AsyncGenerator<Uint8Array, void, undefined> {
    const [port, far] = openPorts<ToRead, FromRead>(this.isThread);
    const ready: Uint8Array[] = [];
    let wake = (): void => {};
    let failure: { readonly error: unknown } | undefined;
    port.onMessage(({ bytes }) => {
      ready.push(bytes);
      wake();
    });
    const reading = this.#startReading(hashes, far).catch((error: unknown) => {
      failure = { error };
      wake();
    });
    port.send({ more: READ_AHEAD });
    try {
      for (let left = hashes.length / PACK_HASH_BYTES; left > 0; left--) {
        while (ready.length === 0 && failure === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
        const bytes = ready.shift();
        if (bytes === undefined) throw failure?.error;
        yield bytes;
        port.send({ more: 1 });
      }
    } finally {
      port.send({ more: -1 });
      await reading;
      port.close();
    }
  }

  #startReading(hashes: Uint8Array, port: PortLike<FromRead, ToRead>) {
    const { storeId, packs = [] } = this.manifest;
    const { directory } = this;
    const never = new AbortController().signal;
    return this.run({ kind: "read-blob", directory, storeId, packs, hashes, port }, never);
  }

  /** Something may be of no use any more. */
  readonly dropped = (): void => this.#collector.soon();

  /** A put has ended: what waited for that goes on. */
  readonly left = (): void => this.#collector.again();

  /** What goes on by itself, from now on. */
  start(): void {
    this.#collector.start();
  }

  collect(): Promise<CollectedBlobs> {
    return this.#collector.collect();
  }

  /** Ends all of it; resolves when nothing runs any more. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#collector.stop();
    await Promise.allSettled(this.#running);
    // What a put has made is published, or given up, before the manifest is closed.
    await this.gate.empty();
    await this.#o.runner.close();
    await forgetPacks(this.disk, this.directory);
  }
}
