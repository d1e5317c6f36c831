/** Keeps the manifest's list of segments and tables in step with a running log. */
import type { ManifestSegment } from "../manifest/format.js";
import type { ManifestKeeper } from "../manifest/manifest.js";
import type { Catalog } from "./catalog.js";

export class SegmentLedger {
  readonly #keeper: ManifestKeeper;
  readonly #catalog: Catalog;
  readonly #alignment: number;
  readonly #epoch: number;
  #segments: readonly ManifestSegment[];

  constructor(keeper: ManifestKeeper, catalog: Catalog, alignment: number, epoch: number) {
    this.#keeper = keeper;
    this.#catalog = catalog;
    this.#alignment = alignment;
    this.#epoch = epoch;
    this.#segments = keeper.current.segments;
  }

  /** Resolves when the manifest knows the segment: only then may it be written. */
  async addSpare(
    spare: { readonly id: number; readonly bytes: number; readonly recycled: boolean },
    durableSequence: number,
  ): Promise<void> {
    const entry: ManifestSegment = {
      ...spare,
      state: "spare",
      epoch: this.#epoch,
      alignment: this.#alignment,
      lastSequence: 0,
    };
    const before = this.#segments;
    this.#segments = [...before.filter((segment) => segment.id !== spare.id), entry];
    try {
      await this.#publish(durableSequence);
    } catch (error) {
      this.#segments = this.#segments.filter((segment) => segment !== entry);
      throw error;
    }
  }

  /**
   * A segment is full, and the next one in use. Recovery sees that by itself, so the manifest can
   * learn it with the next change: a spare is being prepared right now.
   */
  rotated(id: number, lastSequence: number, bytes: number): void {
    const next = Math.min(
      ...this.#segments.filter((s) => s.state === "spare").map((segment) => segment.id),
    );
    this.#segments = this.#segments.map((segment) => {
      if (segment.id === id) return { ...segment, state: "sealed", lastSequence, bytes };
      if (segment.id === next) return { ...segment, state: "active" };
      return segment;
    });
  }

  /** The last word of a clean close: everything up to here is proven to have been durable. */
  async close(durableSequence: number): Promise<void> {
    await this.#publish(durableSequence);
  }

  async #publish(durableThrough: number): Promise<void> {
    await this.#keeper.publish((manifest) => ({
      ...manifest,
      durableThrough,
      segments: this.#segments,
      tables: this.#catalog.list(),
    }));
  }
}
