/**
 * Has one run file, archive or pack after another read through, all of them in a given time, when
 * nothing else goes on.
 */
import { HoldfastError } from "../base/errors.js";
import { packFileName } from "../blobs/format.js";
import type { Timer } from "../disk/disk.js";
import { runFileName } from "../run/format.js";
import { Activity } from "./activity.js";
import { archiveFileName } from "./archive-format.js";
import type { BackgroundParts } from "./background.js";
import type { ScrubFigures } from "./host.js";
import type { ScrubResult, ScrubSubject } from "./jobs.js";

/** Between two files at least; and the time after which it looks again whether it may. */
const PAUSE_MILLIS_MIN = 100;

export interface ScrubberOptions {
  /** For all files; 0: not at all. */
  readonly periodMillis: number;
  /** Flushes and merges go first. */
  readonly isBusy: () => boolean;
  readonly onDamage: (error: HoldfastError) => void;
}

export class Scrubber {
  readonly activity: Activity;
  readonly #parts: BackgroundParts;
  readonly #o: ScrubberOptions;
  #timer: Timer | undefined;
  #bytes = 0;
  /** The file that was read last; undefined at first. */
  #last: Subject | undefined;
  #lastPassMicros = 0;
  #findings = 0;
  /** Of damaged files that were found, by name. */
  readonly #damaged = new Map<string, number>();
  #stopped = false;

  constructor(parts: BackgroundParts, options: ScrubberOptions) {
    this.#parts = parts;
    this.#o = options;
    this.activity = new Activity({
      scheduler: parts.host.scheduler,
      step: (signal) => this.#step(signal),
      onFailure: (failure) => parts.onFailure("reading files through", failure),
    });
  }

  get figures(): ScrubFigures {
    return {
      ...this.activity.figures,
      bytes: this.#bytes,
      findings: this.#findings,
      lastPassMicros: this.#lastPassMicros,
    };
  }

  start(): void {
    const { periodMillis } = this.#o;
    if (periodMillis === 0 || this.#timer !== undefined || this.#stopped) return;
    const files = Math.max(1, this.#files().length);
    const millis = Math.max(PAUSE_MILLIS_MIN, periodMillis / files);
    const due = (): void => {
      this.#timer = undefined;
      if (!this.#o.isBusy()) this.activity.wake();
      this.start();
    };
    this.#timer = this.#parts.host.scheduler.after(millis, due, false);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.activity.stop();
  }

  /** One file. */
  async #step(signal: AbortSignal): Promise<boolean> {
    const { host, runner } = this.#parts;
    const { directory, manifest } = host;
    const next = this.#next();
    if (next === undefined) return false;
    const { subject, file } = next;
    const job = { kind: "scrub", directory, storeId: manifest.storeId, subject } as const;
    const result = await runner.run(job, signal);
    if (signal.aborted) return false;
    this.#last = next;
    this.#bytes += bytesOf(subject);
    this.activity.succeeded();
    if (next.isLast) this.#lastPassMicros = host.clock.nowMicros();
    // Gone meanwhile, it is not missed.
    if (result.problems === 0 || !this.#files().some((other) => other.file === file)) return false;
    const isNews = this.#damaged.get(file) !== idOf(subject);
    this.#damaged.set(file, idOf(subject));
    if (isNews) this.#findings++;
    this.#tell(next, result, isNews);
    return false;
  }

  #tell({ subject, file }: Subject, { first, offset }: ScrubResult, isNews: boolean): void {
    const path = `${this.#parts.host.directory}/${file}`;
    const message = `${path} is damaged at ${offset}: ${first}`;
    if (subject.kind === "run") {
      this.#o.onDamage(new HoldfastError("CORRUPT_RUN", message, { file: path, offset }));
      return;
    }
    if (!isNews) return;
    if (subject.kind === "pack") {
      const loss = 'Blobs are damaged: "holdfast verify" says which';
      this.#parts.host.warn("BACKGROUND", `${message}. ${loss}; all else is as it was`);
      return;
    }
    const { firstSequence, lastSequence } = subject.archive;
    // Rows are in runs; what they were before is nowhere else.
    const loss = `History between transactions ${firstSequence} and ${lastSequence} is damaged`;
    this.#parts.host.warn("BACKGROUND", `${message}. ${loss}; all else is as it was`);
  }

  /**
   * In the order of their names, round and round. It begins where the time of day says: a store
   * that is opened often would have the same few files read again and again otherwise.
   */
  #next(): Subject | undefined {
    const files = this.#files();
    const last = this.#last?.file;
    if (last !== undefined) return files.find(({ file }) => file > last) ?? files[0];
    const { periodMillis } = this.#o;
    const millis = this.#parts.host.clock.nowMicros() / 1000;
    return files[Math.floor(((millis % periodMillis) / periodMillis) * files.length)];
  }

  #files(): Subject[] {
    const { files, archives, packs = [] } = this.#parts.host.manifest;
    const subjects: Omit<Subject, "isLast">[] = [
      ...files.map((file) => ({
        file: runFileName(file.id),
        subject: { kind: "run", file } as const,
      })),
      ...archives.map((archive) => ({
        file: archiveFileName(archive.id),
        subject: { kind: "archive", archive } as const,
      })),
      ...packs.map((pack) => ({
        file: packFileName(pack.id),
        subject: { kind: "pack", pack } as const,
      })),
    ];
    subjects.sort((a, b) => (a.file < b.file ? -1 : 1));
    return subjects.map((one, i) => ({ ...one, isLast: i + 1 === subjects.length }));
  }
}

/** A file that is to be read through. */
interface Subject {
  /** Its name. */
  readonly file: string;
  readonly subject: ScrubSubject;
  readonly isLast: boolean;
}

function bytesOf(subject: ScrubSubject): number {
  if (subject.kind === "pack") return subject.pack.bytes;
  return subject.kind === "run" ? subject.file.bytes : subject.archive.bytes;
}

/** Tells two files of one name apart. */
function idOf(subject: ScrubSubject): number {
  if (subject.kind === "pack") return subject.pack.checksum;
  return subject.kind === "run" ? subject.file.checksum : subject.archive.lastSequence;
}
