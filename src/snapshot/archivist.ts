/** Gives back segments that nothing needs any more; their history is archived first, if wanted. */
import type { ManifestSegment } from "../manifest/format.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import { expiredArchives } from "./history.js";
import { unneededSegments } from "./position.js";
import { withoutSegments } from "./publication.js";

export class Archivist {
  readonly activity: Activity;
  /** Length of the archives that were made. */
  bytes = 0;
  readonly #parts: BackgroundParts;
  /** No longer in the manifest, but the store has not taken them back yet. */
  #released: ManifestSegment[] = [];

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("archiving the log", failure),
    });
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    await this.#release();
    await this.#expire();
    const gone = unneededSegments(this.#parts.host.manifest);
    const [oldest] = gone;
    if (oldest === undefined) return false;
    if (this.#parts.options.history === "none") await this.#drop(gone);
    else await this.#archive(oldest, signal);
    if (signal.aborted) return false;
    this.activity.succeeded();
    return true;
  }

  async #drop(gone: readonly ManifestSegment[]): Promise<void> {
    await this.#parts.publisher.publish((manifest) => withoutSegments(manifest, gone));
    this.#released.push(...gone);
    await this.#release();
  }

  async #archive(segment: ManifestSegment, signal: AbortSignal): Promise<void> {
    const { host, runner, publisher } = this.#parts;
    const { directory, manifest } = host;
    const job = { kind: "archive", directory, storeId: manifest.storeId, segment } as const;
    const { archive, bytesWritten } = await runner.run(job, signal);
    if (signal.aborted) return;
    await publisher.publish((current) => withoutSegments(current, [segment], [archive]));
    this.bytes += bytesWritten;
    this.#released.push(segment);
    await this.#release();
  }

  async #release(): Promise<void> {
    const [...segments] = this.#released;
    if (segments.length === 0) return;
    await this.#parts.host.release(segments);
    this.#released = [];
  }

  async #expire(): Promise<void> {
    const { host, options, publisher } = this.#parts;
    const expired = (archives = host.manifest.archives) =>
      expiredArchives(archives, options.history, host.clock.nowMicros());
    if (expired().length === 0) return;
    const ids = new Set(expired().map((archive) => archive.id));
    await publisher.publish((manifest) => ({
      ...manifest,
      archives: manifest.archives.filter((archive) => !ids.has(archive.id)),
    }));
  }
}
