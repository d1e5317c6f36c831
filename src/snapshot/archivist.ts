/** Gives back segments that nothing needs any more; their history is archived first, if wanted. */
import type { Manifest, ManifestSegment } from "../manifest/format.js";
import { Activity } from "./activity.js";
import type { BackgroundParts } from "./background.js";
import { expiredArchives } from "./history.js";
import type { ArchiveJob, ArchiveResult } from "./jobs.js";
import { inOrder, unneededSegments } from "./position.js";
import { withoutSegments } from "./publication.js";

export class Archivist {
  readonly activity: Activity;
  /** Length of the archives that were made. */
  bytes = 0;
  readonly #parts: BackgroundParts;
  /**
   * Made, but not known to be published: a manifest that names it may be in force, so the file
   * stays as it is until it is.
   */
  #made: ArchiveResult | undefined;

  constructor(parts: BackgroundParts) {
    this.#parts = parts;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("archiving the log", failure),
    });
  }

  async #step(signal: AbortSignal): Promise<boolean> {
    await this.#expire();
    const gone = unneededSegments(this.#parts.host.manifest);
    const [oldest] = gone;
    if (oldest === undefined) return false;
    const { options, publisher } = this.#parts;
    if (options.history !== "none") await this.#archive(oldest, signal);
    else await publisher.publish((manifest) => withoutSegments(manifest, gone));
    if (signal.aborted) return false;
    this.activity.succeeded();
    return true;
  }

  async #archive(segment: ManifestSegment, signal: AbortSignal): Promise<void> {
    const { host, runner, publisher } = this.#parts;
    const { directory, manifest } = host;
    if (this.#made?.archive.id !== segment.id) {
      const job = {
        kind: "archive",
        directory,
        storeId: manifest.storeId,
        segment,
        ...historyBefore(manifest, segment),
      } as const;
      await host.assertOurs();
      this.#made = await runner.run(job, signal);
    }
    const { archive, bytesWritten } = this.#made;
    if (signal.aborted) return;
    await publisher.publish((current) => withoutSegments(current, [segment], [archive]));
    this.#made = undefined;
    this.bytes += bytesWritten;
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

/** What the hash of a segment's history continues. */
function historyBefore(
  { archives, segments }: Manifest,
  { id }: ManifestSegment,
): Pick<ArchiveJob, "before" | "between"> {
  const before = archives.findLast((archive) => archive.id < id);
  const between = segments.filter((one) => one.id < id && one.id > (before?.id ?? 0));
  const hash = before?.historyHash;
  return {
    ...(before && hash && { before: { sequence: before.lastSequence, hash } }),
    between: inOrder(between),
  };
}
