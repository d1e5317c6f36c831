/**
 * The lines of a LOCK file: claims, and releases of claims. What they mean is in lock.ts.
 *
 * One JSON object in a line. A line that is none (cut off by a crash) means nothing.
 */
import type { Disk, DiskInfo, DiskLock, ProcessIdentity } from "./disk.js";

/** "I want this store." */
export interface Claim extends ProcessIdentity {
  /** Random; names the claim. */
  readonly token: string;
  readonly disk: DiskInfo["kind"];
  /** The strength of the lock under which it was made. */
  readonly strength: DiskLock["strength"];
  readonly writerId: string;
  /** When it was made, by the clock of its machine, ISO 8601. */
  readonly since: string;
}

/** What a LOCK file says. */
export interface Claims {
  /** In the order of the file. */
  readonly claims: readonly Claim[];
  readonly released: ReadonlySet<string>;
  /** The last line was cut off: the next one must begin with a line end. */
  readonly cutOff: boolean;
  readonly bytes: number;
}

/** A claim of this process that is appended now. */
export function makeClaim(disk: Disk, lock: DiskLock, writerId: string): Claim {
  return {
    token: Buffer.from(disk.randomBytes(12)).toString("hex"),
    ...disk.self,
    disk: disk.info.kind,
    strength: lock.strength,
    writerId,
    since: new Date(disk.clock.nowMicros() / 1000).toISOString(),
  };
}

export function encodeLine(
  line: Claim | { readonly release: string },
  cutOff: boolean,
): Uint8Array {
  return new TextEncoder().encode(`${cutOff ? "\n" : ""}${JSON.stringify(line)}\n`);
}

/** Reads what is there. Never fails: anything can be in a file. */
export function decodeClaims(bytes: Uint8Array): Claims {
  const claims: Claim[] = [];
  const released = new Set<string>();
  for (const text of new TextDecoder().decode(bytes).split("\n")) {
    const line = parseLine(text);
    if (line === undefined) continue;
    if (typeof line.release === "string") released.add(line.release);
    else if (isClaim(line)) claims.push(line);
  }
  const cutOff = bytes.length > 0 && bytes.at(-1) !== 0x0a;
  return { claims, released, cutOff, bytes: bytes.length };
}

function parseLine(text: string): Record<string, unknown> | undefined {
  if (!text.startsWith("{")) return undefined;
  try {
    return JSON.parse(text) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

const TEXT_FIELDS = ["token", "host", "bootId", "startedAt", "pidNamespace", "disk", "writerId"];

function isClaim(line: Record<string, unknown>): line is Record<string, unknown> & Claim {
  return (
    TEXT_FIELDS.every((field) => typeof line[field] === "string") &&
    typeof line.since === "string" &&
    typeof line.pid === "number" &&
    (line.strength === "flock" || line.strength === "none")
  );
}

/**
 * The first claim that keeps others out, for somebody who has a lock of that strength (undefined:
 * who was refused it), and who made the claim `own`, if any.
 */
export function firstLiveClaim(
  disk: Disk,
  { claims, released }: Claims,
  strength: DiskLock["strength"] | undefined,
  own?: Claim,
): Claim | undefined {
  const lastUnderFlock = claims.findLastIndex((claim) => claim.strength === "flock");
  return claims.find((claim, index) => {
    if (claim.token === own?.token) return true;
    if (released.has(claim.token)) return false;
    if (claim.strength === "flock") {
      // The kernel gave the lock to somebody else since: to the caller, or to a later claimant.
      if (strength === "flock" || index < lastUnderFlock) return false;
    }
    const alive = disk.isAlive(claim);
    return alive !== false && alive !== "ending";
  });
}

/** Some claimant was killed and is still finishing what it writes. */
export function someoneIsEnding(disk: Disk, { claims, released }: Claims): boolean {
  return claims.some((claim) => !released.has(claim.token) && disk.isAlive(claim) === "ending");
}
