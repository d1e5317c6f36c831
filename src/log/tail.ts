/**
 * What the first place without a good frame means: the end of the log, a torn write, or damage to
 * something that was acknowledged. The decision is a table; docs/recovery.md shows it and
 * test/log/tail.test.ts walks every combination of its inputs.
 *
 * The principle (Alagappan et al., "Protocol-Aware Recovery", FAST 2018): a checksum alone cannot
 * tell a torn tail from bit rot in a committed record. So every frame says how far the log was
 * known to be durable when it was submitted, and a later word to that effect is the proof.
 */

/** What stands where the next frame should be. */
export type Found =
  /** Zeros, the end of the file, or a whole frame of another life of this segment. */
  | "absent"
  /** Bytes that are no frame, or a frame whose records do not match its header. */
  | "broken"
  /** A whole frame for this very place that does not continue the chain. */
  | "unchained"
  /** The device refuses to read it. */
  | "unreadable";

export interface TailEvidence {
  readonly found: Found;
  /** The manifest or a later segment says that the log went on here. */
  readonly sealedBeyond: boolean;
  /** A later frame of this segment and epoch says that what should be here was durable. */
  readonly provenLater: boolean;
  /** There are later whole frames of this segment and epoch. */
  readonly laterFrames: boolean;
  /** They lie further away than all the writes that can be in flight at once. */
  readonly tooFar: boolean;
}

export type TailVerdict =
  /** The log ends here; nothing is amiss. */
  | "end"
  /** A write that was never acknowledged is incomplete: set aside, cut off, go on. */
  | "torn"
  /** Something acknowledged is damaged or missing: refuse. */
  | "corrupt"
  /** It cannot be told whether something acknowledged was here: refuse. */
  | "unreadable";

type Condition<T> = T | "any";

export interface TailRow {
  readonly found: Condition<Found>;
  readonly sealedBeyond: Condition<boolean>;
  readonly provenLater: Condition<boolean>;
  readonly laterFrames: Condition<boolean>;
  readonly tooFar: Condition<boolean>;
  readonly verdict: TailVerdict;
  readonly why: string;
}

const any = "any" as const;

function row(
  found: Condition<Found>,
  sealedBeyond: Condition<boolean>,
  provenLater: Condition<boolean>,
  laterFrames: Condition<boolean>,
  tooFar: Condition<boolean>,
  verdict: TailVerdict,
  why: string,
): TailRow {
  return { found, sealedBeyond, provenLater, laterFrames, tooFar, verdict, why };
}

/** Exactly one row matches every combination. */
// biome-ignore format: a table is read in columns.
export const TAIL_TABLE: readonly TailRow[] = [
  //   found         sealed  proven  later   tooFar  verdict
  row(any,           true,   any,    any,    any,    "corrupt",    "the log is known to go on beyond this place"),
  row(any,           false,  true,   any,    any,    "corrupt",    "a later frame proves that this one was durable"),
  row(any,           false,  false,  true,   true,   "corrupt",    "wider than all writes that can be in flight"),
  row("unchained",   false,  false,  any,    false,  "corrupt",    "only damage makes a whole frame for this place that breaks the chain"),
  row("unchained",   false,  false,  false,  true,   "corrupt",    "only damage makes a whole frame for this place that breaks the chain"),
  row("unreadable",  false,  false,  any,    false,  "unreadable", "it cannot be told what was here"),
  row("unreadable",  false,  false,  false,  true,   "unreadable", "it cannot be told what was here"),
  row("absent",      false,  false,  false,  any,    "end",        "nothing was written here"),
  row("absent",      false,  false,  true,   false,  "torn",       "a write in flight was lost, later ones landed; none was acknowledged"),
  row("broken",      false,  false,  false,  any,    "torn",       "a write in flight was cut short, and nothing says that it was acknowledged"),
  row("broken",      false,  false,  true,   false,  "torn",       "writes in flight landed in part; none was acknowledged"),
];

/** All rows that match; the table is right if that is always exactly one. */
export function matchingRows(evidence: TailEvidence): TailRow[] {
  return TAIL_TABLE.filter(
    (candidate) =>
      (candidate.found === any || candidate.found === evidence.found) &&
      (candidate.sealedBeyond === any || candidate.sealedBeyond === evidence.sealedBeyond) &&
      (candidate.provenLater === any || candidate.provenLater === evidence.provenLater) &&
      (candidate.laterFrames === any || candidate.laterFrames === evidence.laterFrames) &&
      (candidate.tooFar === any || candidate.tooFar === evidence.tooFar),
  );
}

/** The verdict and its reason. */
export function judgeTail(evidence: TailEvidence): TailRow {
  return matchingRows(evidence)[0] as TailRow;
}
