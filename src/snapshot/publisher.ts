/** Puts what jobs have made into force: published, then read from. */
import type { Manifest } from "../manifest/format.js";
import type { SnapshotHost } from "./host.js";

export class Publisher {
  readonly #host: SnapshotHost;
  /** Published, but the store does not read from it yet. */
  #unadopted: Manifest | undefined;
  #queue: Promise<unknown> = Promise.resolve();

  constructor(host: SnapshotHost) {
    this.#host = host;
  }

  /**
   * Publishes an edit and has the store adopt it. One after the other, so that the store never goes
   * back. If it rejects, what the edit names may be in force or not: no file of it may be removed,
   * and none published again.
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

  async #publish(edit: (manifest: Manifest) => Manifest): Promise<void> {
    await this.#adopt();
    this.#unadopted = await this.#host.change(edit);
    await this.#adopt();
  }

  async #adopt(): Promise<void> {
    const manifest = this.#unadopted;
    if (manifest === undefined) return;
    await this.#host.adopt(manifest);
    this.#unadopted = undefined;
  }
}
