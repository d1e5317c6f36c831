/**
 * The files of a run in the making: opened, split, finished, and removed if it comes to nothing.
 */
import { assert } from "../base/assert.js";
import { fromHex } from "../base/bytes.js";
import type { ManifestFile, ManifestTable } from "../manifest/format.js";
import { RunFileWriter } from "../run/file-writer.js";
import { runFileName } from "../run/format.js";
import { describeFailure, type JobContext, removeQuietly } from "./context.js";
import type { FileIds } from "./jobs.js";

/** What is added is written in pieces of about this size: bounds memory. */
const WRITE_BYTES = 256 * 1024;

export interface RunOutputOptions {
  readonly directory: string;
  /** 32 hex digits. */
  readonly storeId: string;
  readonly fileIds: FileIds;
  /** A file is finished once it is about this long. */
  readonly fileBytes: number;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly tables: readonly ManifestTable[];
}

export class RunOutput {
  readonly #o: RunOutputOptions;
  readonly #context: JobContext;
  readonly #storeId: Uint8Array;
  readonly #files: ManifestFile[] = [];
  readonly #paths: string[] = [];
  #writer: RunFileWriter | undefined;
  #bytesWritten = 0;
  /** Of the file that is being written. */
  #fileWritten = 0;

  constructor(options: RunOutputOptions, context: JobContext) {
    this.#o = options;
    this.#context = context;
    this.#storeId = fromHex(options.storeId) as Uint8Array;
  }

  get bytesWritten(): number {
    return this.#bytesWritten;
  }

  /** The file to add to, if one is open. */
  get writer(): RunFileWriter | undefined {
    return this.#writer;
  }

  /** Opens the next file. */
  async open(): Promise<RunFileWriter> {
    assert(this.#writer === undefined, "one file after the other");
    const { directory, fileIds } = this.#o;
    assert(this.#paths.length < fileIds.count, "a job has ids for all of its files");
    const fileId = fileIds.first + this.#paths.length;
    const { disk } = this.#context;
    const place = { disk, directory, storeId: this.#storeId, fileId };
    this.#writer = await RunFileWriter.create(place);
    // Only now: a file that was there already is not this job's to remove.
    this.#paths.push(`${directory}/${runFileName(fileId)}`);
    this.#fileWritten = 0;
    return this.#writer;
  }

  /** True once `flush` has something to do. */
  get due(): boolean {
    const writer = this.#writer;
    return writer !== undefined && (writer.pendingBytes >= WRITE_BYTES || this.#isFull(writer));
  }

  /** Writes what has gathered, and finishes the file if it is long enough. */
  async flush(): Promise<void> {
    const writer = this.#writer;
    if (writer === undefined) return;
    this.#count(await writer.write());
    if (this.#isFull(writer)) await this.#finishFile(writer);
  }

  /** All files, durable, checked and with durable names. */
  async finish(): Promise<readonly ManifestFile[]> {
    if (this.#writer !== undefined) await this.#finishFile(this.#writer);
    if (this.#files.length > 0) await this.#context.disk.syncDirectory(this.#o.directory);
    return this.#files;
  }

  /** Removes everything, after whatever has happened. */
  async discard(): Promise<void> {
    await this.#writer?.abandon().catch(() => {});
    this.#writer = undefined;
    await removeQuietly(this.#context.disk, this.#paths);
  }

  #isFull(writer: RunFileWriter): boolean {
    return writer.bytes >= this.#o.fileBytes;
  }

  async #finishFile(writer: RunFileWriter): Promise<void> {
    const { firstSequence, lastSequence, tables } = this.#o;
    const createdMicros = this.#context.disk.clock.nowMicros();
    const file = await writer.finish({ firstSequence, lastSequence, createdMicros, tables });
    this.#writer = undefined;
    this.#files.push(file);
    this.#count(file.bytes - this.#fileWritten);
    // It was read back to be checked.
    this.#context.budget.count(file.bytes, 0);
  }

  #count(bytes: number): void {
    this.#bytesWritten += bytes;
    this.#fileWritten += bytes;
    this.#context.budget.count(0, bytes);
  }
}

/**
 * Runs `make` with an output that is gone again if it fails; failures are those of this package.
 */
export async function withOutput<T>(
  options: RunOutputOptions,
  context: JobContext,
  make: (output: RunOutput) => Promise<T>,
): Promise<T> {
  const output = new RunOutput(options, context);
  try {
    return await make(output);
  } catch (error) {
    await output.discard();
    throw describeFailure(error, "a run");
  }
}
