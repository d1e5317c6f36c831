/**
 * The side of the process that has a store: it is asked for it, prepares, and lets go of it. What
 * is said, and what becomes of it where either of them ends in between, is in docs/handover.md.
 */
import { HoldfastError } from "../base/errors.js";
import type { Disk } from "../disk/disk.js";
import { type LocalServer, listenAt, type Message, type Peer } from "../disk/local-socket.js";
import { sleep, within } from "../disk/sleep.js";
import { HANDOVER_NAME } from "../recovery/files.js";
import type { StoreWarning } from "./options.js";

/** Who asks for a store, or has got it. */
export interface HandoverParty {
  readonly pid: number;
  readonly host: string;
  readonly writerId: string;
}

/** How a store may be taken over while it is open. */
export interface HandoverOptions {
  /**
   * Asked first, before anything has happened: the store can still be written, and goes on as it
   * was where this gives false, or throws. The other one waits for it, but no longer than its
   * `timeoutMillis`.
   */
  readonly onRequest?: (from: HandoverParty) => boolean | undefined | Promise<boolean | undefined>;
}

/** How a store that was open here has gone to another process. */
export interface Handover {
  /** Who has asked for it. */
  readonly to: HandoverParty;
  /** The last transaction of this process. All up to it are on disk, unless writing has failed. */
  readonly sequence: number;
  /**
   * True when the other one has opened it; false if it has ended, or failed, before. Then nobody
   * has the store, and whoever likes may open it.
   */
  readonly opened: Promise<boolean>;
}

const TIMEOUT_MILLIS_MAX = 600_000;

export interface HandoverDeskOptions {
  readonly disk: Disk;
  readonly directory: string;
  readonly handover: HandoverOptions;
  readonly onWarning: (warning: StoreWarning) => void;
  /**
   * Does what can be done before the gap, so that it is short; begins nothing more after the
   * signal. Never rejects.
   */
  readonly prepare: (signal: AbortSignal) => Promise<void>;
  /** It was prepared in vain. */
  readonly goOn: () => void;
  /**
   * Ends the store: from the first moment of it nothing can be written, and when it resolves the
   * lock is free and nothing is on its way any more. Resolves with the last sequence; never
   * rejects.
   */
  readonly letGo: (to: HandoverParty) => Promise<number>;
  readonly onHandedOver: (handover: Handover) => void;
}

interface Ask {
  readonly from: HandoverParty;
  readonly timeoutMillis: number;
}

/** Belongs to whoever has the lock, from `start` until `close`. */
export class HandoverDesk {
  readonly #o: HandoverDeskOptions;
  #listening: Promise<LocalServer | undefined> = Promise.resolve(undefined);
  #peer: Peer | undefined;
  #closed = false;

  constructor(options: HandoverDeskOptions) {
    this.#o = options;
  }

  /** Listens when it resolves; where that cannot be done it is told as a warning. */
  async start(): Promise<void> {
    const path = `${this.#o.directory}/${HANDOVER_NAME}`;
    this.#listening = listenAt(path, (peer) => void this.#serve(peer)).catch((error: Error) => {
      const message = `nobody can take ${this.#o.directory} over: ${error.message}`;
      this.#o.onWarning({ code: "NO_HANDOVER", message });
      return undefined;
    });
    await this.#listening;
  }

  /** Nobody is heard any more. To be called before the lock is given back. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    // Whoever is being let in goes on waiting: it is told when the lock is free.
    const server = await this.#listening;
    await server?.close().catch(() => {});
  }

  /** Sends away whoever has not been promised the store: it is being closed. */
  dismiss(): void {
    this.#peer?.close();
  }

  async #serve(peer: Peer): Promise<void> {
    const { scheduler } = this.#o.disk;
    // For as long as it likes: it reads, and makes ready, before it asks.
    const ask = readAsk(await peer.next());
    if (ask === undefined || this.#closed) return peer.close();
    if (this.#peer !== undefined) {
      peer.send({ no: "another process is taking it over just now" });
      return peer.close();
    }
    this.#peer = peer;
    peer.ref();
    const late = scheduler.after(ask.timeoutMillis, () => peer.close(), true);
    try {
      if (await this.#agrees(peer, ask)) {
        late.cancel();
        await this.#handOver(peer, ask.from);
      } else this.#o.goOn();
    } finally {
      late.cancel();
      this.#peer = undefined;
      peer.close();
    }
  }

  /** True when the other one has been told that it may have it, and still wants it, in time. */
  async #agrees(peer: Peer, { from, timeoutMillis }: Ask): Promise<boolean> {
    const no = await this.#refusalTo(from);
    if (no !== undefined) {
      peer.send({ no });
      return false;
    }
    // What takes longer than the other one waits has to be done in the gap, then.
    const giveUp = new AbortController();
    const preparing = this.#o.prepare(giveUp.signal);
    const late = await within(this.#o.disk, timeoutMillis / 2, preparing);
    if (late === "late") giveUp.abort();
    if (this.#closed) return false;
    peer.send({ ready: true });
    const answer = await peer.next();
    // Who has gone meanwhile would never open it; that shows with the next turn.
    await sleep(this.#o.disk, 0);
    return answer?.go === true && !peer.gone && !this.#closed;
  }

  async #refusalTo(from: HandoverParty): Promise<string | undefined> {
    const { onRequest } = this.#o.handover;
    if (onRequest === undefined) return undefined;
    try {
      return (await onRequest(from)) === false ? "it does not want to" : undefined;
    } catch (error) {
      return `it does not want to: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  async #handOver(peer: Peer, to: HandoverParty): Promise<void> {
    const sequence = await this.#o.letGo(to);
    peer.send({ released: sequence });
    const opened = peer.next().then((message) => message?.opened === true);
    this.#o.onHandedOver({ to, sequence, opened });
    await opened;
  }
}

function readAsk(message: Message | undefined): Ask | undefined {
  if (message === undefined) return undefined;
  const { takeOver: version, pid, host, writerId, timeoutMillis } = message;
  const known =
    version === 1 &&
    typeof pid === "number" &&
    typeof host === "string" &&
    typeof writerId === "string" &&
    typeof timeoutMillis === "number" &&
    timeoutMillis > 0;
  if (!known) return undefined;
  const bounded = Math.min(timeoutMillis, TIMEOUT_MILLIS_MAX);
  return { from: { pid, host, writerId }, timeoutMillis: bounded };
}

/** For whoever uses a store that has gone. A new one each time, so that each has its own stack. */
export function goneTo(to: HandoverParty, directory: string): HoldfastError {
  return new HoldfastError(
    "HANDED_OVER",
    `the store was handed over to process ${to.pid} on ${to.host} (writer "${to.writerId}")`,
    { file: directory },
  );
}

/** Throws INVALID_ARGUMENT. */
export function checkHandover(given: unknown): void {
  checkSwitch("handover", given, ["onRequest"]);
  const { onRequest } = given as HandoverOptions;
  if (onRequest === undefined || typeof onRequest === "function") return;
  throw invalid("handover.onRequest must be a function");
}

/** Throws INVALID_ARGUMENT unless it is true, false, or an object of such options. */
export function checkSwitch(option: string, given: unknown, names: readonly string[]): void {
  if (typeof given === "boolean") return;
  if (typeof given !== "object" || given === null) {
    throw invalid(`${option} must be true, false or an object, got ${String(given)}`);
  }
  const other = Object.keys(given).find((name) => !names.includes(name));
  if (other !== undefined) throw invalid(`unknown option "${option}.${other}"`);
}

function invalid(message: string): HoldfastError {
  return new HoldfastError("INVALID_ARGUMENT", message);
}
