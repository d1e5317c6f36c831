/**
 * The side of the process that takes a store over. Until the one who has it is told to let go,
 * nothing has changed; and it is told so only when this process has read all it will need.
 */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { connectTo, type Message, type Peer } from "../disk/local-socket.js";
import { acquireOwnership, type Ownership } from "../disk/lock.js";
import { sleep, within } from "../disk/sleep.js";
import { HANDOVER_NAME, LOCK_NAME } from "../recovery/files.js";
import { checkSwitch } from "./handover.js";
import type { Options } from "./options.js";
import { mayHaveChanged, openNewest } from "./read-only.js";

/** How to take a store over from the process that has it open. */
export interface TakeoverOptions {
  /**
   * How long that process may take to agree and to prepare, in milliseconds: 1 to 600,000. When it
   * has not by then, nothing has changed. Default: 10,000.
   */
  readonly timeoutMillis?: number;
}

const TIMEOUT_MILLIS_DEFAULT = 10_000;
const RETRY_MILLIS_MIN = 1;
const RETRY_MILLIS_MAX = 20;

/** The right to write to the store, and those who want to know what became of it. */
export interface Possession {
  readonly ownership: Ownership;
  /** Tells the one who had the store, if anybody had, that it is open here. */
  readonly opened: () => void;
  /** Nothing has come of it. No more than the end of the conversation after `opened`. */
  readonly end: () => void;
}

/**
 * Takes possession of a store: of one that nobody has; with `takeover` also from the process that
 * has it, if it agrees. `practise` runs what the opening will run, elsewhere.
 *
 * Errors: LOCKED; with `takeover` also HANDOVER_REFUSED, HANDOVER_TIMEOUT, and what opening the
 * store would throw, as far as that can be told beforehand. After any of them whoever had the store
 * has it still, unless it had agreed.
 */
export async function possess(
  disk: Disk,
  directory: string,
  options: Options,
  practise: () => Promise<void>,
): Promise<Possession> {
  const { takeover, writerId, lockWaitMillis: waitMillis } = options;
  if (takeover !== false) return new Taking(disk, directory, options, practise).run();
  const path = `${directory}/${LOCK_NAME}`;
  return withNobody(await acquireOwnership(disk, path, { writerId }, { waitMillis }));
}

class Taking {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #o: Options;
  readonly #practise: () => Promise<void>;

  constructor(disk: Disk, directory: string, options: Options, practise: () => Promise<void>) {
    this.#practise = practise;
    this.#disk = disk;
    this.#directory = directory;
    this.#o = options;
  }

  async run(): Promise<Possession> {
    const free = await this.#tryLock();
    if (!(free instanceof HoldfastError)) return withNobody(free);
    const peer = await this.#connect();
    if (!(peer instanceof Error)) return this.#ask(peer, free);
    // Whoever had it may have closed it, or ended, just then.
    const now = await this.#tryLock();
    if (!(now instanceof HoldfastError)) return withNobody(now);
    throw refused(now, "it does not listen: it was opened without `handover`", peer);
  }

  async #ask(peer: Peer, locked: HoldfastError): Promise<Possession> {
    const disk = this.#disk;
    const { writerId, takeover } = this.#o;
    const { timeoutMillis = TIMEOUT_MILLIS_DEFAULT } = takeover as TakeoverOptions;
    const micros = timeoutMillis * 1000;
    try {
      await within(disk, timeoutMillis, this.#practise());
      await this.#rehearse(disk.clock.monotonicMicros() + micros);
      const end = disk.clock.monotonicMicros() + micros;
      const { pid, host } = disk.self;
      peer.send({ takeOver: 1, pid, host, writerId, timeoutMillis });
      const answer = await this.#within(end, peer);
      if (answer === "late") {
        throw timedOut(locked, `it has not answered within ${timeoutMillis} ms`);
      }
      if (answer?.no !== undefined) throw refused(locked, String(answer.no));
      if (answer !== undefined) return await this.#takeFrom(peer, locked);
      // It has gone: closed the store, or ended.
      const ownership = await this.#lockAfter(locked, end);
      return { ...withNobody(ownership), end: () => peer.close() };
    } catch (error) {
      peer.close();
      throw error;
    }
  }

  /** From here on it lets go, whatever becomes of this process. */
  async #takeFrom(peer: Peer, locked: HoldfastError): Promise<Possession> {
    const disk = this.#disk;
    const { lockWaitMillis } = this.#o;
    const end = disk.clock.monotonicMicros() + lockWaitMillis * 1000;
    peer.send({ go: true });
    // Without a word it may have ended in the middle: then the lock says whether it has.
    const answer = await this.#within(end, peer);
    if (answer === "late") {
      throw timedOut(locked, `it has agreed, and not let go within ${lockWaitMillis} ms`);
    }
    const ownership = await this.#lockAfter(locked, end);
    const opened = (): void => {
      peer.send({ opened: true });
      peer.close();
    };
    return { ownership, opened, end: () => peer.close() };
  }

  /** The next message; undefined if the other one has gone. */
  #within(end: number, peer: Peer): Promise<Message | "late" | undefined> {
    const left = Math.max(0, end - this.#disk.clock.monotonicMicros()) / 1000;
    return within(this.#disk, left, peer.next());
  }

  /**
   * Reads the store as the opening will, so that what cannot be opened here stays where it is, and
   * code, pages and caches are warm.
   */
  async #rehearse(end: number): Promise<void> {
    const disk = this.#disk;
    for (;;) {
      try {
        const state = await openNewest(disk, this.#directory, this.#o, false);
        await state.close();
        return;
      } catch (error) {
        const late = disk.clock.monotonicMicros() >= end;
        // Whoever writes the store may have replaced what was being read.
        if (late || !mayHaveChanged(error)) throw error;
      }
      await sleep(disk, RETRY_MILLIS_MAX);
    }
  }

  /** Undefined where nobody listens. */
  async #connect(): Promise<Peer | Error> {
    try {
      return await connectTo(`${this.#directory}/${HANDOVER_NAME}`);
    } catch (error) {
      return error as Error;
    }
  }

  /** Until then the one who had it may be ending still; another one must not have got it. */
  async #lockAfter(before: HoldfastError, end: number): Promise<Ownership> {
    const disk = this.#disk;
    for (let wait = RETRY_MILLIS_MIN; ; wait = Math.min(2 * wait, RETRY_MILLIS_MAX)) {
      const now = await this.#tryLock();
      if (!(now instanceof HoldfastError)) return now;
      const late = disk.clock.monotonicMicros() >= end;
      if (late || !isSameHolder(now, before)) throw now;
      await sleep(disk, wait);
    }
  }

  /** The lock, or LOCKED if another one has it. */
  async #tryLock(): Promise<Ownership | HoldfastError> {
    const { writerId, lockWaitMillis: waitMillis } = this.#o;
    const path = `${this.#directory}/${LOCK_NAME}`;
    try {
      return await acquireOwnership(this.#disk, path, { writerId }, { waitMillis });
    } catch (error) {
      if (isHoldfastError(error, "LOCKED") && error.data.holder !== undefined) return error;
      throw error;
    }
  }
}

function withNobody(ownership: Ownership): Possession {
  return { ownership, opened: () => {}, end: () => {} };
}

function isSameHolder(a: HoldfastError, b: HoldfastError): boolean {
  const [x, y] = [a.data.holder, b.data.holder];
  return x?.pid === y?.pid && x?.host === y?.host && x?.since === y?.since;
}

function refused(locked: HoldfastError, why: string, cause?: unknown): HoldfastError {
  const message = `${locked.message}, and was not handed over: ${why}`;
  return new HoldfastError("HANDOVER_REFUSED", message, locked.data, cause ?? locked);
}

function timedOut(locked: HoldfastError, why: string): HoldfastError {
  const message = `${locked.message}, and was not handed over: ${why}`;
  return new HoldfastError("HANDOVER_TIMEOUT", message, locked.data, locked);
}

/** Throws INVALID_ARGUMENT. */
export function checkTakeover(given: unknown): void {
  checkSwitch("takeover", given, ["timeoutMillis"]);
  const { timeoutMillis } = given as TakeoverOptions;
  if (timeoutMillis === undefined) return;
  const right = Number.isSafeInteger(timeoutMillis) && timeoutMillis >= 1;
  if (right && timeoutMillis <= 600_000) return;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `takeover.timeoutMillis must be a whole number from 1 to 600,000, got ${String(timeoutMillis)}`,
  );
}
