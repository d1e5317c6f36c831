/**
 * Nonces: numbers that a venue wants in every request, each larger than the one before. A block of
 * them is reserved on disk ahead of need, and given out from memory; after a crash the rest of the
 * block is left out, since nobody knows how much of it was used.
 */
import type { Store } from "../index.js";
import { invalid } from "./amounts.js";
import type { Step } from "./step.js";
import { nonceBlocks } from "./tables.js";

/**
 * "counter": 1, 2, 3. The others are times of that unit, as far as they can be while they rise: a
 * nonce is the time of the clock, or one more than the last one where that is larger.
 */
export type NoncePolicy = "counter" | "milliseconds" | "microseconds";

export interface NonceOptions {
  readonly policy: NoncePolicy;
  /**
   * How many are reserved at once: as many as a crash leaves out at most, and for a time as far as
   * the next nonce is ahead of the clock then. Has to be within what the venue tolerates. Default:
   * 100, or a second; at most 10,000, or a minute.
   */
  readonly block?: number | undefined;
}

/** What one unit of each policy is in microseconds, and how large a block is. */
const POLICIES = {
  counter: { unitMicros: 0, block: 100, blockMax: 10_000 },
  milliseconds: { unitMicros: 1000, block: 1000, blockMax: 60_000 },
  microseconds: { unitMicros: 1, block: 1_000_000, blockMax: 60_000_000 },
} as const;

interface Sequence {
  readonly policy: NoncePolicy;
  readonly block: number;
  /** The last one given out, or that may have been by a process before. */
  last: number;
  /** Up to here they are ours, durably. */
  reserved: number;
  reserving: Promise<void> | undefined;
}

export class Nonces {
  readonly #store: Store;
  readonly #clock: () => number;
  readonly #options: Readonly<Record<string, NonceOptions>>;
  readonly #sequences = new Map<string, Sequence>();

  /** @internal */
  constructor(
    store: Store,
    clock: () => number,
    options: Readonly<Record<string, NonceOptions>> = {},
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#options = options;
    for (const [venue, { policy, block }] of Object.entries(options)) {
      if (!Object.hasOwn(POLICIES, policy)) throw invalid(`"${policy}" is no policy of nonces`);
      const { blockMax } = POLICIES[policy];
      if (block !== undefined && !(Number.isInteger(block) && block >= 2 && block <= blockMax)) {
        throw invalid(`a block of nonces of ${venue} is from 2 to ${blockMax}, got ${block}`);
      }
    }
  }

  /**
   * The next nonce of a venue: larger than any that was given out before, by whatever process,
   * however it ended, and whatever the clock has done since. It is there at once unless half a
   * block was used up faster than the disk could reserve the next one, or, for a time, none was
   * asked for as long as a block is.
   *
   * Errors: those of a write. INVALID_ARGUMENT if the store has another policy for that venue, or a
   * clock beyond what a number holds exactly.
   */
  async next(venue: string): Promise<number> {
    const sequence = this.#sequenceOf(venue);
    for (let waited = false; ; waited = true) {
      const nonce = this.#take(sequence, waited);
      this.#reserveAhead(venue, sequence, nonce === undefined);
      if (nonce !== undefined) return nonce;
      await sequence.reserving;
    }
  }

  /** @internal The next one, used by what is sent when the transaction of the step is durable. */
  nextIn(step: Step, venue: string): number {
    const sequence = this.#sequenceOf(venue);
    const { policy, last, reserved } = sequence;
    const nonce = Math.max(last + 1, this.#now(sequence));
    assertExact(venue, nonce);
    // A block that is being reserved may reach further; one that is there covers it already.
    if (nonce > reserved) {
      const known = step.tx.get(nonceBlocks, venue)?.reserved ?? 0;
      step.put(nonceBlocks, venue, { policy, reserved: Math.max(nonce, known) });
    }
    sequence.last = nonce;
    return nonce;
  }

  #sequenceOf(venue: string): Sequence {
    let sequence = this.#sequences.get(venue);
    if (sequence === undefined) {
      const row = this.#store.table(nonceBlocks).get(venue);
      const { policy, block } = this.#options[venue] ?? { policy: row?.policy ?? "counter" };
      if (row !== undefined && row.policy !== policy) {
        throw invalid(`nonces of ${venue} are of policy "${row.policy}", not "${policy}"`);
      }
      const last = row?.reserved ?? 0;
      const size = block ?? POLICIES[policy].block;
      sequence = { policy, block: size, last, reserved: last, reserving: undefined };
      this.#sequences.set(venue, sequence);
    }
    return sequence;
  }

  /** The time in units of the policy; 0 for a counter. */
  #now({ policy }: Sequence): number {
    const { unitMicros } = POLICIES[policy];
    return unitMicros === 0 ? 0 : Math.floor(this.#clock() / unitMicros);
  }

  /** Who has waited takes what was reserved, however far the clock has gone on meanwhile. */
  #take(sequence: Sequence, waited: boolean): number | undefined {
    const { last, reserved, block } = sequence;
    const now = this.#now(sequence);
    let nonce = Math.max(last + 1, now);
    // Better a little behind the clock than waiting for the disk.
    if (nonce > reserved && (waited || now - reserved < block)) nonce = last + 1;
    if (nonce > reserved) return undefined;
    sequence.last = nonce;
    return nonce;
  }

  /** Reserves the next block when half of this one is used, or more than that is needed. */
  #reserveAhead(venue: string, sequence: Sequence, needed: boolean): void {
    if (sequence.reserving !== undefined) return;
    const { last, reserved, block } = sequence;
    const from = Math.max(last, this.#now(sequence));
    if (!needed && reserved - from > block / 2) return;
    const reserving = this.#reserve(venue, sequence, from + block);
    sequence.reserving = reserving;
    // Whoever has to wait for it is told; the others do not need it yet.
    reserving.catch(() => {});
  }

  async #reserve(venue: string, sequence: Sequence, end: number): Promise<void> {
    try {
      assertExact(venue, end);
      const { policy } = sequence;
      await this.#store.table(nonceBlocks).put(venue, { policy, reserved: end });
      sequence.reserved = end;
    } finally {
      sequence.reserving = undefined;
    }
  }
}

function assertExact(venue: string, nonce: number): void {
  if (!Number.isSafeInteger(nonce)) throw invalid(`nonces of ${venue} have reached ${nonce}`);
}
