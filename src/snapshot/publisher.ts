/** Puts what jobs have made into force: published, adopted, and only then is the old removed. */
import type { Manifest } from "../manifest/format.js";
import type { SnapshotHost } from "./host.js";
import { filesDropped } from "./publication.js";
import type { JobRunner } from "./runner.js";

export class Publisher {
  readonly #host: SnapshotHost;
  readonly #runner: JobRunner;
  /** Published, but the store does not read from it yet. */
  #unadopted: Manifest | undefined;
  /** Names of files that no manifest names any more; the store may still read them. */
  #dropped: string[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  constructor(host: SnapshotHost, runner: JobRunner) {
    this.#host = host;
    this.#runner = runner;
  }

  /**
   * Publishes an edit and has the store adopt it. One after the other, so that the store never goes
   * back. If it rejects, what the edit names may be in force or not: no file of it may be removed.
   */
  publish(edit: (manifest: Manifest) => Manifest): Promise<void> {
    const next = this.#queue.then(() => this.#publish(edit));
    this.#queue = next.catch(() => {});
    return next;
  }

  /** Takes up what a failure has left undone. */
  settle(): Promise<void> {
    const next = this.#queue.then(() => this.#adopt());
    this.#queue = next.catch(() => {});
    return next;
  }

  /** Removes what is no longer named. What fails now is tried again with the next. */
  async removeDropped(signal: AbortSignal): Promise<void> {
    if (this.#unadopted !== undefined || this.#dropped.length === 0) return;
    const names = this.#dropped;
    this.#dropped = [];
    const { directory, manifest } = this.#host;
    const job = { kind: "remove", directory, storeId: manifest.storeId, names } as const;
    await this.#runner.run(job, signal).catch(() => void this.#dropped.push(...names));
  }

  /** These files are no longer named, and the store does not read them. */
  drop(names: readonly string[]): void {
    this.#dropped.push(...names);
  }

  async #publish(edit: (manifest: Manifest) => Manifest): Promise<void> {
    await this.#adopt();
    let dropped: string[] = [];
    const manifest = await this.#host.change((before) => {
      const after = edit(before);
      dropped = filesDropped(before, after);
      return after;
    });
    this.#unadopted = manifest;
    this.#dropped.push(...dropped);
    await this.#adopt();
  }

  async #adopt(): Promise<void> {
    const manifest = this.#unadopted;
    if (manifest === undefined) return;
    await this.#host.adopt(manifest);
    this.#unadopted = undefined;
  }
}
