/** The kinds of faults that seeds have to meet, by their number in the catalogue of faults. */
import type { FaultRow } from "../support/fault-matrix.js";

interface Kind {
  readonly fault: string;
  /** Counters that say that it happened. */
  readonly counters: readonly string[];
  readonly expected: string;
}

const KEPT = "what was acknowledged is there, and nothing else but a contiguous rest";
const REFUSED = "refused by a code that fits, naming the file, or harmless; never a wrong row";
const GOES_ON = "writes go on, or are refused by a code that fits; nothing acknowledged is lost";
const TORN = "cut off, with a copy: nothing but that frame is gone";
const UNTOUCHED = "refused, nothing is touched; once it can be read all is there";
const READER = "what the snapshot held, or SNAPSHOT_NOT_FOUND; never another state";
const NOTHING = "no effect on order, recovery or rows";

const kind = (fault: string, expected: string, ...counters: string[]): Kind => ({
  fault,
  counters,
  expected,
});

export const KINDS: readonly Kind[] = [
  kind("1 kill -9 at any operation", KEPT, "process kill"),
  kind("2 writes of a dead process land later", KEPT, "zombie write"),
  kind("3 power loss", KEPT, "power loss"),
  kind("4 unsynced sector lost", KEPT, "sector lost"),
  kind("4 unsynced sector kept, others lost", KEPT, "sector kept"),
  kind("5 torn within a sector", KEPT, "sector torn"),
  kind("6 garbage within a sector", KEPT, "sector garbage"),
  kind("7 of writes in flight some landed, others not", KEPT, "some in flight landed"),
  kind("8 stale frames of a segment used again", KEPT, "segment recycled"),
  kind("9 crash while opening", KEPT, "crash while opening"),
  kind("10 bit flip in a frame", REFUSED, "damage: bit flip in a frame"),
  kind("10 bit flip anywhere", REFUSED, "damage: bit flip anywhere"),
  kind("10 bit flip in the header of a segment", REFUSED, "damage: segment header"),
  kind("11 bit flip in the last frame, proven", REFUSED, "damage: last frame, proven"),
  kind("12 bit flip in the last frame, unproven", TORN, "damage: last frame, unproven"),
  kind("13 garbage length of a frame", REFUSED, "damage: garbage length"),
  kind("14 zeroed sector", REFUSED, "damage: zeroed sector"),
  kind("16 misdirected write", REFUSED, "device: misdirected write"),
  kind("17 misdirected read of a run", "read again, and right", "ailing: misdirected read"),
  kind("18 lost write", REFUSED, "device: lost write"),
  kind("19 missing segment", REFUSED, "damage: missing segment"),
  kind("20 truncated segment", REFUSED, "damage: truncated segment"),
  kind("21 older manifest", REFUSED, "damage: older manifest"),
  kind("21 other run in its place", REFUSED, "damage: other run in its place"),
  kind("22 one manifest damaged", REFUSED, "damage: one manifest damaged"),
  kind("23 both manifests damaged", REFUSED, "damage: both manifests damaged"),
  kind("23 both manifests missing", REFUSED, "damage: both manifests missing"),
  kind("24 crash while a manifest is written", KEPT, "crash at write manifest"),
  kind("25 change of a name lost", KEPT, "name lost"),
  kind("26 new name lost", KEPT, "new name lost"),
  kind("27 length of a file lost", KEPT, "size lost"),
  kind("28 removal durable before what came before it", KEPT, "removal kept"),
  kind("29 crash while a snapshot is made", KEPT, "crash while making a snapshot"),
  kind("29 crash while a snapshot is dropped", KEPT, "crash while dropping a snapshot"),
  kind("30 bit flip in a run", REFUSED, "damage: bit flip in a run"),
  kind("30 zeros in a run", REFUSED, "damage: zeros in a run"),
  kind("30 truncated run", REFUSED, "damage: truncated run"),
  kind("30 missing run", REFUSED, "damage: missing run"),
  kind("30 bit flip in an archive", REFUSED, "damage: bit flip in an archive"),
  kind("30 truncated archive", REFUSED, "damage: truncated archive"),
  kind("35 EIO on sync", GOES_ON, "EIO sync", "ailing: EIO on sync"),
  kind("36 sync fails once, and succeeds later", GOES_ON, "ailing: EIO on sync"),
  kind("38 EIO on a write of the log", GOES_ON, "EIO queueWrite", "ailing: EIO on the log"),
  kind("39 EROFS on everything that writes", GOES_ON, "EROFS queueWrite", "ailing: EROFS"),
  kind("40 EIO on the log while opening", UNTOUCHED, "ailing: EIO while opening"),
  kind("41 EIO on a read of a run", "that read is IO, others are right", "ailing: EIO on a read"),
  kind("42 full disk", GOES_ON, "disk full"),
  kind(
    "43 ENOSPC on a write of the log",
    GOES_ON,
    "ENOSPC queueWrite",
    "ailing: ENOSPC on the log",
  ),
  kind("44 ENOSPC while a run is written", GOES_ON, "ENOSPC write", "ailing: ENOSPC on a run"),
  kind("45 short write of the log", GOES_ON, "short queueWrite"),
  kind("45 short write of a file", GOES_ON, "short write"),
  kind("47 completions out of order", KEPT, "completion out of order"),
  kind("57 row changed after put", NOTHING, "row changed after put"),
  kind("58 EMFILE", GOES_ON, "EMFILE open", "ailing: EMFILE"),
  kind("60 slow disk", GOES_ON, "stall"),
  kind("61 clock jumps", NOTHING, "clock jump"),
  kind("63 newer format", REFUSED, "damage: newer format"),
  kind("64 crash while tables are declared", KEPT, "crash while declaring tables"),
  kind("66 row beyond the bound", "TOO_LARGE, and nothing is written", "row too large"),
  kind("67 snapshot dropped under its reader", READER, "snapshot dropped under its reader"),
];

/** Of one worker, of two: so many kinds, 1,000 times each. */
export const KINDS_MIN = 36;
export const FIRED_MIN = 500;

/** How often each kind has happened. */
export function faultRows(counts: Readonly<Record<string, number>>, seeds: number): FaultRow[] {
  return KINDS.map(({ fault, counters, expected }) => ({
    fault,
    how: `the simulator, ${seeds} seeds`,
    fired: counters.reduce((sum, counter) => sum + (counts[counter] ?? 0), 0),
    expected,
    observed: "so in every seed",
  }));
}
