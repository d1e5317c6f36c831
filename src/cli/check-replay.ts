/** Whether replay can begin where the manifest says, and reach what it says, for all states. */
import type { FrameHeader } from "../log/format.js";
import type { Manifest, ManifestState, ReplayPosition } from "../manifest/format.js";
import type { SegmentEnd } from "./check-archives.js";
import { damage, type Finding, type Loss, sequencesOf } from "./findings.js";
import type { SegmentView } from "./read-store.js";

/** A state of the store, or of a snapshot, and what of the log belongs to it. */
interface Wanted {
  /** Undefined for the state of the store itself. */
  readonly snapshot: string | undefined;
  readonly state: ManifestState;
  /** Last transaction that it must reach. */
  readonly through: number;
  readonly segments: ReadonlySet<number> | undefined;
}

/** Watches the walk through the log. */
export class ReplayChecker {
  readonly #manifest: Manifest;
  readonly #wanted: readonly Wanted[];
  /** Places of interest, and which frame begins or ended there. */
  readonly #places = new Set<string>();
  readonly #begins = new Map<string, FrameHeader>();
  readonly #ends = new Map<string, SegmentEnd>();
  /** By segment: the last transaction in it. */
  readonly #last = new Map<number, number>();

  constructor(manifest: Manifest) {
    this.#manifest = manifest;
    this.#wanted = [
      { snapshot: undefined, state: manifest.state, through: 0, segments: undefined },
      ...manifest.snapshots.map(({ name, state, sequence, segments }) => ({
        snapshot: name,
        state,
        through: sequence,
        segments: new Set(segments),
      })),
    ];
    for (const { state } of this.#wanted) this.#places.add(placeOf(state.replayFrom));
  }

  frame(segment: SegmentView, header: FrameHeader): void {
    const { offset, frameBytes, firstSequence, recordCount, checksum } = header;
    const { id: segmentId } = segment;
    const from = placeOf({ segmentId, offset });
    if (this.#places.has(from)) this.#begins.set(from, header);
    const to = placeOf({ segmentId, offset: offset + frameBytes });
    const nextSequence = firstSequence + recordCount;
    if (this.#places.has(to)) this.#ends.set(to, { nextSequence, frameChecksum: checksum });
    this.#last.set(segmentId, nextSequence - 1);
  }

  /** Where a segment goes on from what was read before it; `findings` are those of the log. */
  finish(file: string, lastSequence: number, findings: readonly Finding[]): Finding[] {
    return this.#wanted.flatMap((wanted) => {
      const problem = this.#problem(wanted, lastSequence);
      if (problem === undefined) return [];
      const { snapshot, state } = wanted;
      const end = snapshot === undefined ? undefined : wanted.through;
      // The log being damaged there says why.
      const told = findings.some(({ sequences }) =>
        overlaps(sequences, state.replayFrom.sequence, end ?? Number.MAX_SAFE_INTEGER),
      );
      if (told) return [];
      const whose = snapshot === undefined ? "the store" : `snapshot "${snapshot}"`;
      const sequences = sequencesOf(state.runsThrough + 1, end);
      const found = damage("replay", file, 0, `${whose}: ${problem}`, sequences);
      const snapshots = snapshot === undefined ? [] : [snapshot];
      const loss = { from: null, to: null, snapshots, canBeRebuilt: null };
      return [{ ...found, loss: { ...loss, state: snapshot === undefined } }];
    });
  }

  /**
   * Adds to what is found in the log whose it is. Where no transaction is lost, as with a frame
   * that has none, replay still cannot pass: `next` is the sequence that stands behind the place.
   */
  withLoss(finding: Finding, segmentId: number | undefined, next: number | undefined): Finding {
    const { sequences, offset } = finding;
    if (finding.severity === "note" || finding.loss !== undefined) return finding;
    const place = segmentId !== undefined && next !== undefined && { segmentId, offset };
    if (sequences === null && !place) return finding;
    const concerned = this.#wanted.filter(({ state, through, segments, snapshot }) => {
      if (segmentId !== undefined && segments?.has(segmentId) === false) return false;
      const end = snapshot === undefined ? Number.MAX_SAFE_INTEGER : through;
      if (sequences !== null) return overlaps(sequences, state.runsThrough + 1, end);
      return place && isBehind(place, state.replayFrom) && (next ?? 0) <= end;
    });
    const loss: Loss = {
      from: null,
      to: null,
      state: concerned.some(({ snapshot }) => snapshot === undefined),
      snapshots: concerned.flatMap(({ snapshot }) => snapshot ?? []),
      canBeRebuilt: null,
    };
    return { ...finding, loss };
  }

  #problem({ state, through, segments }: Wanted, lastSequence: number): string | undefined {
    const { replayFrom, runsThrough } = state;
    if (through > runsThrough && segments !== undefined) {
      const reached = Math.max(0, ...[...segments].map((id) => this.#last.get(id) ?? 0));
      if (reached < through) {
        return `the log that it names ends with transaction ${reached}, before ${through}`;
      }
    }
    if (replayFrom.segmentId === 0) return undefined;
    const where = `replay begins at ${replayFrom.offset} of segment ${replayFrom.segmentId}`;
    const found = this.#found(replayFrom, lastSequence);
    if (found === undefined) return `${where}, where no frame begins or ends`;
    const { nextSequence, frameChecksum } = found;
    if (nextSequence !== replayFrom.sequence) {
      return `${where} with transaction ${replayFrom.sequence}, and there is ${nextSequence}`;
    }
    if (frameChecksum === undefined || frameChecksum === replayFrom.frameChecksum) return undefined;
    return `${where} behind a frame that is not the one there`;
  }

  #found(from: ReplayPosition, lastSequence: number) {
    const place = placeOf(from);
    const frame = this.#begins.get(place);
    if (frame !== undefined) {
      return { nextSequence: frame.firstSequence, frameChecksum: frame.previousChecksum };
    }
    const end = this.#ends.get(place);
    if (end !== undefined) return end;
    const segment = this.#manifest.segments.find(({ id }) => id === from.segmentId);
    // Nothing was written to it yet.
    const isUnused = segment?.alignment === from.offset && !this.#last.has(from.segmentId);
    return isUnused ? { nextSequence: lastSequence + 1, frameChecksum: undefined } : undefined;
  }
}

function placeOf({ segmentId, offset }: Pick<ReplayPosition, "segmentId" | "offset">): string {
  return `${segmentId}:${offset}`;
}

function isBehind(
  { segmentId, offset }: Pick<ReplayPosition, "segmentId" | "offset">,
  from: ReplayPosition,
): boolean {
  return segmentId > from.segmentId || (segmentId === from.segmentId && offset >= from.offset);
}

function overlaps(sequences: Finding["sequences"], first: number, last: number): boolean {
  if (sequences === null) return false;
  return sequences.first <= last && (sequences.last ?? Number.MAX_SAFE_INTEGER) >= first;
}
