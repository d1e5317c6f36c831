/**
 * Walks the log of a store from its first frame to its last, past every damaged place. What a place
 * without a good frame means is decided by the table that recovery uses (log/tail.ts); unlike
 * recovery, which refuses, this names the gap and goes on behind it.
 */
import { FRAME_BYTES_MAX, FRAMES_IN_FLIGHT_MAX } from "../base/limits.js";
import type { DiskFile } from "../disk/disk.js";
import type { FramePlace } from "../log/format.js";
import { scanSegment } from "../log/reader.js";
import { type Found, judgeTail, type TailVerdict } from "../log/tail.js";
import { beginsAnew, provenThrough, startOf } from "./log-parts.js";
import { openOrUndefined, type SegmentView, type StoreView } from "./read-store.js";
import { type FrameBytes, type FrameIndex, type Look, SegmentFrames } from "./segment-frames.js";

/** A part of the log that cannot be read or does not belong where it is. */
export interface Gap {
  readonly file: string;
  readonly offset: number;
  /** Where good frames begin again, and in which file; undefined if they do not. */
  readonly resumesAt: { readonly file: string; readonly offset: number } | undefined;
  /** Transactions concerned: the first one, and the last one as far as it is known. */
  readonly sequence: number;
  readonly lastSequence: number | undefined;
  readonly verdict: "corrupt" | "unreadable";
  readonly why: string;
}

export interface LogEnd {
  /** "corrupt" and "unreadable": the event before this one was a gap that reaches to the end. */
  readonly verdict: TailVerdict;
  readonly why: string;
  readonly file: string | undefined;
  readonly offset: number;
  readonly lastSequence: number;
  /** For "torn": bytes that opening would set aside and cut off. */
  readonly tornBytes: number;
}

export type LogEvent =
  | { readonly kind: "segment"; readonly segment: SegmentView }
  /** The frame is valid until the next event is asked for. */
  | { readonly kind: "frame"; readonly segment: SegmentView; readonly frame: FrameBytes }
  | { readonly kind: "gap"; readonly gap: Gap }
  | { readonly kind: "end"; readonly end: LogEnd };

/** Ends with exactly one "end". Throws only where the system refuses to let anyone look. */
export function walkLog(store: StoreView): AsyncGenerator<LogEvent, void, void> {
  return new LogWalk(store).run();
}

interface Beyond {
  readonly frames: boolean;
  readonly durableThrough: number;
}

const NOTHING_BEYOND: Beyond = { frames: false, durableThrough: 0 };

/** The bounds of any writer, where the manifest that names those of the last one is lost. */
const WIDEST = { framesInFlight: FRAMES_IN_FLIGHT_MAX, frameBytesMax: FRAME_BYTES_MAX };

interface Judgement {
  readonly verdict: TailVerdict;
  readonly why: string;
  readonly lastSequence: number | undefined;
  readonly dirtyEnd: number;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

class LogWalk {
  readonly #store: StoreView;
  readonly #indexes = new Map<number, FrameIndex>();
  #nextSequence = 1;
  #previousChecksum = 0;
  /** The next whole frame is taken as it is: nothing is known of what came before it. */
  #anyLink = true;
  /** A gap that has begun and whose end is not found yet. */
  #gap: Mutable<Gap> | undefined;
  #end: LogEnd | undefined;

  constructor(store: StoreView) {
    this.#store = store;
  }

  async *run(): AsyncGenerator<LogEvent, void, void> {
    for (const [index, segment] of this.#store.segments.entries()) {
      if (beginsAnew(this.#store, index)) yield* this.#begin(index);
      yield { kind: "segment", segment };
      const later = this.#store.segments.slice(index + 1);
      if (segment.place === undefined || segment.fileBytes === undefined) this.#absent(segment);
      else yield* this.#segment(segment, segment.place, later);
      if (this.#end !== undefined) break;
    }
    if (this.#gap !== undefined) {
      yield { kind: "gap", gap: this.#gap };
      const { verdict, why, file, offset } = this.#gap;
      yield this.#endEvent({ verdict, why, file, offset, tornBytes: 0 });
    } else if (this.#end !== undefined) {
      yield { kind: "end", end: this.#end };
    } else {
      const why = "every segment is sealed";
      yield this.#endEvent({ verdict: "end", why, file: undefined, offset: 0, tornBytes: 0 });
    }
  }

  /** The segments before this one are no longer there, and nobody needs them. */
  *#begin(index: number): Generator<LogEvent, void, void> {
    const { segments, manifest } = this.#store;
    if (this.#gap !== undefined) {
      this.#gap.lastSequence = segments[index - 1]?.entry?.lastSequence;
      yield { kind: "gap", gap: this.#gap };
      this.#gap = undefined;
    }
    const start = startOf(manifest, (segments[index] as SegmentView).id, index === 0);
    this.#nextSequence = start.sequence;
    this.#previousChecksum = start.frameChecksum ?? 0;
    this.#anyLink = start.frameChecksum === undefined;
  }

  #endEvent(end: Omit<LogEnd, "lastSequence">): LogEvent {
    return { kind: "end", end: { ...end, lastSequence: this.#nextSequence - 1 } };
  }

  /** A missing or headless file: a gap, since the log may have been in it. */
  #absent({ entry, path, fileBytes }: SegmentView): void {
    if (this.#gap !== undefined) return;
    const missing = this.#nextSequence;
    const sealed = entry?.state === "sealed" ? entry.lastSequence : undefined;
    if (sealed !== undefined && sealed < missing) return;
    const durable = provenThrough(this.#store.manifest);
    const last = sealed ?? (durable >= missing ? durable : undefined);
    const why = fileBytes === undefined ? "the file is missing" : "its header is damaged";
    this.#open(path, 0, "corrupt", why, last);
  }

  async *#segment(
    segment: SegmentView,
    place: FramePlace,
    later: readonly SegmentView[],
  ): AsyncGenerator<LogEvent, void, void> {
    const { disk } = this.#store;
    const file = await openOrUndefined(disk, segment.path);
    if (file === undefined) {
      this.#absent({ ...segment, fileBytes: undefined });
      return;
    }
    try {
      const frames = new SegmentFrames(file, disk.checksum, { ...segment, place });
      let offset = place.alignment;
      let judged: Judgement | "goes on" | undefined;
      for (;;) {
        const look = await frames.at(offset);
        if (look.ok && this.#belongs(look.frame)) {
          // It was not there when the index was made: the store is in use.
          if (judged !== undefined && this.#gap === undefined) this.#indexes.clear();
          judged = undefined;
          const gap = this.#close(segment, look.frame, offset);
          if (gap !== undefined) yield { kind: "gap", gap };
          this.#advance(look.frame);
          yield { kind: "frame", segment, frame: look.frame };
          offset += look.frame.header.frameBytes;
          continue;
        }
        if (this.#isEndOf(segment, offset)) return;
        if (this.#gap === undefined) {
          // In a store in use a frame may have landed before the word of it that was found: what
          // counts is what stands here after that.
          if (judged === undefined) {
            judged = await this.#judge(segment, later, offset, look, frames);
            frames.forget();
            continue;
          }
          if (judged === "goes on") return;
          if (judged.verdict === "end" || judged.verdict === "torn") {
            this.#ends(segment, offset, judged);
            return;
          }
          this.#open(segment.path, offset, judged.verdict, judged.why, judged.lastSequence);
        }
        const next = await this.#resume(segment, frames, offset, look);
        if (next === undefined) return;
        this.#anyLink = true;
        offset = next;
      }
    } finally {
      await file.close();
    }
  }

  #belongs({ header }: FrameBytes): boolean {
    return (
      this.#anyLink ||
      (header.previousChecksum === this.#previousChecksum &&
        header.firstSequence === this.#nextSequence)
    );
  }

  #advance({ header }: FrameBytes): void {
    this.#nextSequence = header.firstSequence + header.recordCount;
    this.#previousChecksum = header.checksum;
    this.#anyLink = false;
  }

  /** A sealed segment ends where the manifest says, with the sequence it says. */
  #isEndOf({ entry }: SegmentView, offset: number): boolean {
    return (
      entry?.state === "sealed" &&
      offset === entry.bytes &&
      (this.#nextSequence === entry.lastSequence + 1 || this.#gap !== undefined)
    );
  }

  #open(
    file: string,
    offset: number,
    verdict: "corrupt" | "unreadable",
    why: string,
    lastSequence: number | undefined,
  ): void {
    const sequence = this.#nextSequence;
    this.#gap = { file, offset, resumesAt: undefined, sequence, lastSequence, verdict, why };
    this.#anyLink = true;
  }

  /** The first good frame after a gap tells how many transactions are gone. */
  #close(segment: SegmentView, { header }: FrameBytes, offset: number): Gap | undefined {
    const gap = this.#gap;
    if (gap === undefined) return undefined;
    this.#gap = undefined;
    gap.resumesAt = { file: segment.path, offset };
    gap.lastSequence = header.firstSequence - 1;
    return gap;
  }

  #ends(segment: SegmentView, offset: number, judged: Judgement): void {
    this.#end = {
      verdict: judged.verdict,
      why: judged.why,
      file: segment.path,
      offset,
      lastSequence: this.#nextSequence - 1,
      tornBytes: judged.verdict === "torn" ? Math.max(0, judged.dirtyEnd - offset) : 0,
    };
  }

  /** Where to go on behind a bad place in the same segment; undefined for nowhere. */
  async #resume(
    segment: SegmentView,
    frames: SegmentFrames,
    offset: number,
    look: Look,
  ): Promise<number | undefined> {
    // Whole, but of another chain: it is the first one that can be read again.
    if (look.ok) return offset;
    const { headers } = await this.#index(segment, frames, offset);
    return headers.find((header) => header.offset > offset)?.offset;
  }

  async #index(segment: SegmentView, frames: SegmentFrames, offset: number): Promise<FrameIndex> {
    let index = this.#indexes.get(segment.id);
    if (index === undefined) {
      index = await frames.index(offset);
      this.#indexes.set(segment.id, index);
    }
    return index;
  }

  // ---- judging ---------------------------------------------------------------------------------

  /** The same evidence as in recovery/scan.ts. */
  async #judge(
    segment: SegmentView,
    later: readonly SegmentView[],
    offset: number,
    look: Look,
    frames: SegmentFrames,
  ): Promise<Judgement | "goes on"> {
    const { manifest } = this.#store;
    const malformed = !look.ok && look.found === "malformed";
    const absent = !look.ok && look.found === "absent";
    const sealed = segment.entry?.state === "sealed" ? segment.entry : undefined;
    if (!malformed && sealed === undefined && !isCut(segment)) {
      if (await this.#goesOnIn(later[0], absent)) return "goes on";
    }
    const beyond = sealed === undefined ? await this.#beyond(later) : NOTHING_BEYOND;
    const { headers, dirtyEnd } = await this.#index(segment, frames, offset);
    const after = headers.filter((header) => header.offset > offset);
    const missing = this.#nextSequence;
    const byFrames = Math.max(beyond.durableThrough, ...after.map((h) => h.durableThrough));
    const proven = provenThrough(manifest);
    const known = Math.max(byFrames, proven, sealed?.lastSequence ?? 0);
    const lastSequence = known >= missing ? known : undefined;
    if (!look.ok && look.found === "malformed") {
      const why = `a frame with a good checksum is malformed: ${look.detail}`;
      return { verdict: "corrupt", why, lastSequence, dirtyEnd };
    }
    const { framesInFlight, frameBytesMax } = manifest ?? WIDEST;
    const row = judgeTail({
      found: foundAs(look),
      sealedBeyond: sealed !== undefined || proven >= missing,
      provenLater: byFrames >= missing,
      laterFrames: after.length > 0 || beyond.frames,
      tooFar: (after.at(-1)?.offset ?? offset) - offset > framesInFlight * frameBytesMax,
    });
    // Recovery refuses these before it judges: what was in the missing part, nobody can tell.
    const lost = row.verdict === "end" || row.verdict === "torn" ? lostPart(segment, later) : "";
    if (lost !== "") return { verdict: "corrupt", why: lost, lastSequence, dirtyEnd };
    const why = sealed !== undefined && isCut(segment) ? cutText(segment) : row.why;
    return { verdict: row.verdict, why, lastSequence, dirtyEnd };
  }

  /** With nothing amiss here, also if something is at the beginning of the next one. */
  async #goesOnIn(next: SegmentView | undefined, absentHere: boolean): Promise<boolean> {
    if (next === undefined) return false;
    if (next.place === undefined || next.fileBytes === undefined) return absentHere;
    const { place } = next;
    const goesOn = await this.#withFile(next, async (file) => {
      const frames = new SegmentFrames(file, this.#store.disk.checksum, { ...next, place });
      const look = await frames.at(place.alignment);
      if (look.ok) {
        const { firstSequence, previousChecksum } = look.frame.header;
        return firstSequence === this.#nextSequence && previousChecksum === this.#previousChecksum;
      }
      if (!absentHere) return false;
      return look.found === "broken" || (await frames.index(place.alignment)).headers.length > 0;
    });
    return goesOn ?? absentHere;
  }

  /** What later segments say of how far the log went. */
  async #beyond(later: readonly SegmentView[]): Promise<Beyond> {
    let { frames, durableThrough } = NOTHING_BEYOND;
    for (const segment of later) {
      const { place, limit } = segment;
      if (place === undefined || segment.fileBytes === undefined) continue;
      await this.#withFile(segment, async (file) => {
        const scan = await scanSegment({
          file,
          place,
          checksum: this.#store.disk.checksum,
          chain: { nextSequence: 0, previousChecksum: 0, anyLink: true },
          limit,
          recycled: segment.recycled,
          visit: () => {},
          onFrame: (header) => {
            durableThrough = Math.max(durableThrough, header.durableThrough);
          },
        });
        frames ||= scan.frames > 0 || scan.lastLaterOffset !== 0;
        durableThrough = Math.max(durableThrough, scan.laterDurableThrough);
      });
    }
    return { frames, durableThrough };
  }

  /** Undefined if the file has gone since the manifest was read. */
  async #withFile<T>(
    segment: SegmentView,
    use: (file: DiskFile) => Promise<T>,
  ): Promise<T | undefined> {
    const file = await openOrUndefined(this.#store.disk, segment.path);
    if (file === undefined) return undefined;
    try {
      return await use(file);
    } finally {
      await file.close();
    }
  }
}

function foundAs(look: Look): Found {
  if (look.ok) return "unchained";
  return look.found === "malformed" ? "unchained" : look.found;
}

/** The file is shorter than the manifest says. */
function isCut({ entry, fileBytes }: SegmentView): boolean {
  return entry !== undefined && fileBytes !== undefined && fileBytes < entry.bytes;
}

/** Why the log may have gone on where nothing is any more; empty if it may not. */
function lostPart(segment: SegmentView, later: readonly SegmentView[]): string {
  if (isCut(segment)) return cutText(segment);
  const lost = later.find((one) => one.fileBytes === undefined || isCut(one));
  if (lost === undefined) return "";
  if (lost.fileBytes === undefined) return `${lost.name} is missing, and the log may go on in it`;
  return `the log may go on in ${lost.name}, and ${cutText(lost)}`;
}

function cutText({ entry, fileBytes }: SegmentView): string {
  return `the file has ${fileBytes} bytes where the manifest says ${entry?.bytes}`;
}
