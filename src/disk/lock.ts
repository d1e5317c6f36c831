/**
 * Who owns a store: at most one program at a time, on any kind of disk.
 *
 * The kernel's lock (flock, native disks) excludes best: it is given back when a process has ended
 * and its writes, which can outlive it, have ended too. The portable disk has no such lock. So
 * every contender, with the lock or without one, also appends a claim to the same LOCK file, and
 * then reads the file. The owner is the first claim, in the order of the file, that is not void. A
 * claim is void
 *
 *   1. if a later line releases it,
 *   2. if its process is dead (this machine was started again, the pid is gone or is another's),
 *   3. if it was made under flock, and the reader holds the flock now, or a later claim was made
 *      under flock: the kernel has given the lock on, so that claim's owner does not have it.
 *
 * Claims whose process cannot be told alive or dead (another machine, another pid namespace) are
 * not void. A claim of the own process is as good as that of another one.
 *
 * Why there is at most one owner. Appends are atomic, so the claims have one order. Let A and B
 * both think they own the store, A's claim being the first. B read the file after it had appended,
 * so it saw A's claim and took it for void. Each way to be void is for ever: a release is not taken
 * back, a dead process stays dead, and a flock given on is lost. So A, at that time, did not own
 * the store any more. The file is made shorter only by an owner, while it takes possession: it
 * empties the file, appends its claim anew and decides anew. Whoever finds the own claim gone does
 * the same.
 *
 * What this cannot do: exclude a program on another machine, over a network file system whose locks
 * and appends do not reach this one; and know of the last writes that the kernel still does for a
 * process that was killed with io_uring writes in flight, without the flock. A portable disk waits
 * some time after such a process.
 */
import { HoldfastError } from "../base/errors.js";
import {
  type Claim,
  type Claims,
  decodeClaims,
  encodeLine,
  firstLiveClaim,
  makeClaim,
  someoneIsEnding,
} from "./claims.js";
import type { Disk, DiskFile, DiskLock, ProcessIdentity } from "./disk.js";
import { sleep } from "./sleep.js";

/** The right to write to a store. */
export interface Ownership {
  readonly lock: DiskLock;
  /** Gives it back. Idempotent. To be called once nothing is written any more. */
  release(): Promise<void>;
}

export interface OwnershipOptions {
  /** How long to wait for the last writes of a dead process. Default: 10,000. */
  readonly waitMillis?: number;
}

const WAIT_MILLIS_DEFAULT = 10_000;
const BACKOFF_MILLIS_MIN = 5;
const BACKOFF_MILLIS_MAX = 250;

/**
 * A LOCK file longer than this is emptied by the next owner: some 25 openings. Every opening reads
 * all of it several times, and asks the system for each claim that was not released.
 */
const FILE_BYTES_MAX = 8 * 1024;

/** Claims can come between a size and the read that follows it. */
const READ_AHEAD_BYTES = 64 * 1024;

/** How often to begin anew after another one has emptied the file; it happens once at most. */
const ATTEMPTS_MAX = 16;

/**
 * Without the flock there is no knowing when the last writes of a killed process have ended; on a
 * disk that works they have by then (measured: 0.1 s with 256 MiB in flight).
 */
const LAST_WRITES_MILLIS = 1000;

/**
 * Releases that could not be written down: the process that made them knows of them all the same,
 * and no other one, of which there may be several here where machines are simulated.
 */
const releasedBy = new WeakMap<ProcessIdentity, Set<string>>();

/**
 * Takes possession of the store that has this LOCK file.
 *
 * Throws LOCKED, with the holder in `data`, if another one has it: at once if that one is alive or
 * cannot be told dead, after `waitMillis` if it is dead but the kernel still does its writes.
 */
export async function acquireOwnership(
  disk: Disk,
  path: string,
  claim: { readonly writerId: string },
  options: OwnershipOptions = {},
): Promise<Ownership> {
  const lock = await takeLock(disk, path, options.waitMillis ?? WAIT_MILLIS_DEFAULT);
  try {
    const file = await disk.open(path, { write: true, create: true, append: true });
    try {
      await waitForTheEnding(disk, file, options.waitMillis ?? WAIT_MILLIS_DEFAULT);
      const own = await takePossession(disk, file, lock, claim.writerId);
      return ownership(disk, lock, own);
    } finally {
      await file.close();
    }
  } catch (error) {
    await lock.release();
    throw error;
  }
}

/** The lock of the kernel, where there is one. */
async function takeLock(disk: Disk, path: string, waitMillis: number): Promise<DiskLock> {
  const end = disk.clock.monotonicMicros() + waitMillis * 1000;
  for (let backoff = BACKOFF_MILLIS_MIN; ; backoff = Math.min(2 * backoff, BACKOFF_MILLIS_MAX)) {
    const lock = await disk.lock(path);
    if (lock !== undefined) return lock;
    const holder = firstLiveClaim(disk, await readClaimsOf(disk, path), undefined);
    if (holder !== undefined) throw lockedBy(disk, path, holder);
    const left = end - disk.clock.monotonicMicros();
    if (left <= 0) throw stillLocked(path, waitMillis);
    await sleep(disk, Math.min(backoff, left / 1000));
  }
}

/**
 * A killed process can have writes under way for some time yet; without flock nothing else tells.
 */
async function waitForTheEnding(disk: Disk, file: DiskFile, waitMillis: number): Promise<void> {
  const end = disk.clock.monotonicMicros() + waitMillis * 1000;
  while (someoneIsEnding(disk, await readClaims(disk, file))) {
    if (disk.clock.monotonicMicros() >= end) throw stillLocked(file.path, waitMillis);
    await sleep(disk, BACKOFF_MILLIS_MIN);
  }
}

/** Appends a claim and decides; gives it if it owns the store, takes it back otherwise. */
async function takePossession(
  disk: Disk,
  file: DiskFile,
  lock: DiskLock,
  writerId: string,
): Promise<Claim> {
  const own = makeClaim(disk, lock, writerId);
  let known = await readClaims(disk, file);
  let waited = false;
  let emptied = false;
  await file.write(0, encodeLine(own, known.cutOff));
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    known = await readClaims(disk, file);
    if (!known.claims.some((claim) => claim.token === own.token)) {
      // Emptied by an owner that took possession meanwhile: it will be found alive.
      await file.write(0, encodeLine(own, known.cutOff));
      continue;
    }
    const owner = firstLiveClaim(disk, known, lock.strength, own);
    if (owner !== undefined && owner.token !== own.token) {
      await file.write(0, encodeLine({ release: own.token }, known.cutOff));
      throw lockedBy(disk, file.path, owner);
    }
    if (!emptied && (waited || known.bytes > FILE_BYTES_MAX)) {
      emptied = true;
      await file.truncate(0);
      await file.write(0, encodeLine(own, false));
      continue;
    }
    if (waited || !mayStillBeWritten(disk, known, own)) return own;
    await sleep(disk, LAST_WRITES_MILLIS);
    waited = true;
  }
  throw stillLocked(file.path, 0);
}

/** The last one with the flock was killed and may have had writes in a ring; we have no flock. */
function mayStillBeWritten(disk: Disk, { claims, released }: Claims, own: Claim): boolean {
  if (own.strength === "flock") return false;
  const last = claims.findLast((claim) => claim.strength === "flock");
  return last !== undefined && last.bootId === disk.self.bootId && !released.has(last.token);
}

function ownership(disk: Disk, lock: DiskLock, own: Claim): Ownership {
  let releasing: Promise<void> | undefined;
  const release = async (): Promise<void> => {
    try {
      await appendRelease(disk, lock.path, own.token);
    } catch {
      // A disk that takes no more bytes, or a directory that is somewhere else by now, must not
      // keep the store locked: the kernel's lock is given back, and without one the end of this
      // process does it.
      const known = releasedBy.get(disk.self) ?? new Set();
      releasedBy.set(disk.self, known.add(own.token));
    } finally {
      await lock.release();
    }
  };
  return {
    lock,
    release(): Promise<void> {
      releasing ??= release();
      return releasing;
    },
  };
}

async function appendRelease(disk: Disk, path: string, token: string): Promise<void> {
  const file = await disk.open(path, { write: true, append: true });
  try {
    const { claims, cutOff } = await readClaims(disk, file);
    if (!claims.some((claim) => claim.token === token)) {
      throw new Error(`${path} is the lock of another store, made where this one was`);
    }
    await file.write(0, encodeLine({ release: token }, cutOff));
  } finally {
    await file.close();
  }
}

async function readClaimsOf(disk: Disk, path: string): Promise<Claims> {
  const file = await disk.open(path);
  try {
    return await readClaims(disk, file);
  } finally {
    await file.close();
  }
}

async function readClaims(disk: Disk, file: DiskFile): Promise<Claims> {
  const read = decodeClaims(await file.read(0, (await file.size()) + READ_AHEAD_BYTES));
  const releasedHere = releasedBy.get(disk.self) ?? [];
  return { ...read, released: new Set([...read.released, ...releasedHere]) };
}

function lockedBy(disk: Disk, path: string, holder: Claim): HoldfastError {
  const { pid, host, since, writerId } = holder;
  const what = `writer "${writerId}", ${holder.disk} disk, since ${since}`;
  const who = `process ${pid} on ${host} (${what})`;
  const unsure =
    disk.isAlive(holder) === undefined
      ? ". From here it cannot be told whether it still runs: if you are sure that it does not, " +
        `remove ${path}`
      : "";
  return new HoldfastError("LOCKED", `the store is in use by ${who}${unsure}`, {
    file: path,
    holder: { pid, host, since },
  });
}

function stillLocked(path: string, waitMillis: number): HoldfastError {
  const message =
    `the store is locked, but by no process that runs: the kernel has not finished the writes of ` +
    `one that was killed within ${waitMillis} ms`;
  return new HoldfastError("LOCKED", message, { file: path });
}
