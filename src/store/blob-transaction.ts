/** Blobs within a transaction: what refers to them commits with them. */
import { HoldfastError } from "../base/errors.js";
import {
  addVersion,
  type BlobVersion,
  changePins,
  findVersion,
  type NewVersion,
  removeVersion,
  type StoredVersion,
  versionsOf,
} from "../blobs/versions.js";
import type { TablesToWrite } from "../codec/table-rows.js";
import { notOpened } from "./blob-reads.js";
import { checkName, checkNames, checkRange, invalid } from "./option-checks.js";

/** Which versions of a blob stay when there is a new one. Pinned ones stay anyway. */
export interface BlobRetention {
  /** The newest so many: 1 and more. */
  readonly keepVersions?: number;
  /** Those that are not older than that, in milliseconds. */
  readonly keepForMillis?: number;
}

/** Throws INVALID_ARGUMENT. */
export function checkRetention(option: string, retention: BlobRetention): void {
  checkNames(`${option}.`, retention, ["keepVersions", "keepForMillis"]);
  const { keepVersions, keepForMillis } = retention;
  const most = Number.MAX_SAFE_INTEGER;
  if (keepVersions !== undefined) checkRange(`${option}.keepVersions`, keepVersions, 1, most);
  if (keepForMillis !== undefined) checkRange(`${option}.keepForMillis`, keepForMillis, 0, most);
}

/** A blob whose content is stored already, and which is of no version yet. */
export interface PreparedBlob {
  readonly name: string;
  /** In bytes. */
  readonly length: number;
  /** What was new in it, in bytes, and what that takes on the disk. */
  readonly newBytes: number;
  readonly storedBytes: number;
  /** It will not be used: what only it needs may be taken away. Idempotent. */
  discard(): void;
  [Symbol.dispose](): void;
}

/** Made by `prepare`. */
export class Prepared implements PreparedBlob {
  readonly blob: NewVersion;
  readonly newBytes: number;
  readonly retention: BlobRetention;
  readonly #onEnd: (prepared: Prepared) => void;
  #state: "ready" | "used" | "discarded" = "ready";

  constructor(
    blob: NewVersion,
    newBytes: number,
    retention: BlobRetention,
    onEnd: (prepared: Prepared) => void,
  ) {
    this.blob = blob;
    this.newBytes = newBytes;
    this.retention = retention;
    this.#onEnd = onEnd;
  }

  get name(): string {
    return this.blob.name;
  }

  get length(): number {
    return this.blob.length;
  }

  get storedBytes(): number {
    return this.blob.storedBytes;
  }

  /** Throws INVALID_ARGUMENT. */
  assertReady(): void {
    if (this.#state === "ready") return;
    const why = this.#state === "used" ? "is committed already" : "was discarded";
    throw invalid(`the prepared blob ${JSON.stringify(this.name)} ${why}`);
  }

  /** `kept` false: the transaction was taken back, and it can be used again. */
  use(onEnd: (ended: (kept: boolean) => void) => void): void {
    this.#state = "used";
    onEnd((kept) => {
      if (kept) this.#onEnd(this);
      else this.#state = "ready";
    });
  }

  discard(): void {
    if (this.#state !== "ready") return;
    this.#state = "discarded";
    this.#onEnd(this);
  }

  [Symbol.dispose](): void {
    this.discard();
  }
}

/** Blobs in a transaction: `transaction.blobs`. Reads see the transaction's own changes. */
export interface TransactionBlobs {
  /**
   * Makes a version of a prepared blob. With `pinned`, a row of this transaction refers to it: it
   * is not dropped before `unpin`. Throws INVALID_ARGUMENT for one that was used or discarded.
   */
  put(prepared: PreparedBlob, options?: { readonly pinned?: boolean }): BlobVersion;
  /** A version, or the newest one; undefined if there is none. */
  version(name: string, version?: number): BlobVersion | undefined;
  /**
   * Drops a version, or all there are of that name; how many. What only they need is taken away
   * later. Throws BLOB_PINNED, and then nothing of the transaction is kept.
   */
  drop(name: string, options?: { readonly version?: number }): number;
  /** A row refers to that version now. Throws INVALID_ARGUMENT if there is none. */
  pin(name: string, version: number): void;
  /** A row does not refer to it any more. Throws INVALID_ARGUMENT if none did. */
  unpin(name: string, version: number): void;
}

/** A transaction, as far as blobs need one. */
export interface BlobTransaction extends TablesToWrite {
  onEnd(ended: (kept: boolean) => void): void;
  breakOff(error: unknown): void;
  assertRunning(): void;
}

/** What blobs need to know: the time, and who is told that one was dropped. */
export interface BlobWork {
  readonly nowMicros: () => number;
  readonly dropped: () => void;
}

/** Throws INVALID_ARGUMENT where the store was opened without the option `blobs`. */
export function blobsIn(
  transaction: BlobTransaction,
  work: BlobWork | undefined,
): TransactionBlobs {
  if (work === undefined) throw notOpened();
  return new BlobsInTransaction(transaction, work.nowMicros, work.dropped);
}

class BlobsInTransaction implements TransactionBlobs {
  readonly #transaction: BlobTransaction;
  readonly #nowMicros: () => number;
  readonly #onDropped: () => void;

  constructor(transaction: BlobTransaction, nowMicros: () => number, onDropped: () => void) {
    this.#transaction = transaction;
    this.#nowMicros = nowMicros;
    this.#onDropped = onDropped;
  }

  put(prepared: PreparedBlob, options: { readonly pinned?: boolean } = {}): BlobVersion {
    this.#transaction.assertRunning();
    checkNames("", options, ["pinned"]);
    if (!(prepared instanceof Prepared)) throw invalid("that is not what prepare() has given");
    prepared.assertReady();
    return this.#whole(() => {
      const { blob, retention } = prepared;
      const pins = options.pinned === true ? 1 : 0;
      const info = addVersion(this.#transaction, blob, this.#nowMicros(), pins);
      prepared.use((ended) => this.#transaction.onEnd(ended));
      this.#retain(info, retention);
      return info;
    });
  }

  #retain({ name, createdMicros }: BlobVersion, retention: BlobRetention): void {
    const { keepVersions, keepForMillis } = retention;
    if (keepVersions === undefined && keepForMillis === undefined) return;
    const since = createdMicros - (keepForMillis ?? 0) * 1000;
    let kept = 0;
    const gone: StoredVersion[] = [];
    for (const version of versionsOf(this.#transaction, name, true)) {
      const isNew = kept < (keepVersions ?? 1);
      const isYoung = keepForMillis !== undefined && version.info.createdMicros >= since;
      if (isNew || isYoung || version.info.pins > 0) kept++;
      else gone.push(version);
    }
    for (const version of gone) removeVersion(this.#transaction, version);
    if (gone.length > 0) this.#dropped();
  }

  version(name: string, version?: number): BlobVersion | undefined {
    this.#transaction.assertRunning();
    checkName("name", name);
    return findVersion(this.#transaction, name, version)?.info;
  }

  drop(name: string, options: { readonly version?: number } = {}): number {
    this.#transaction.assertRunning();
    checkName("name", name);
    checkNames("", options, ["version"]);
    const { version } = options;
    const found =
      version === undefined
        ? [...versionsOf(this.#transaction, name)]
        : [findVersion(this.#transaction, name, version)].filter((one) => one !== undefined);
    this.#whole(() => {
      for (const one of found) removeVersion(this.#transaction, one);
    });
    if (found.length > 0) this.#dropped();
    return found.length;
  }

  pin(name: string, version: number): void {
    this.#whole(() => changePins(this.#transaction, this.#existing(name, version), 1));
  }

  unpin(name: string, version: number): void {
    this.#whole(() => changePins(this.#transaction, this.#existing(name, version), -1));
  }

  #existing(name: string, version: number): StoredVersion {
    this.#transaction.assertRunning();
    checkName("name", name);
    checkRange("version", version, 1, Number.MAX_SAFE_INTEGER);
    const found = findVersion(this.#transaction, name, version);
    if (found !== undefined) return found;
    const message = `there is no version ${version} of blob ${JSON.stringify(name)}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { blob: name, version });
  }

  #dropped(): void {
    this.#transaction.onEnd((kept) => {
      if (kept) this.#onDropped();
    });
  }

  /** A blob stands in several rows: what has changed some of them cannot be kept. */
  #whole<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      this.#transaction.breakOff(error);
      throw error;
    }
  }
}
