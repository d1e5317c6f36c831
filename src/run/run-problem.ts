/** What `verify` finds in a run file. */
import type { ManifestFile } from "../manifest/format.js";

export interface RunProblem {
  readonly file: string;
  readonly offset: number;
  readonly what: string;
  /** Where rows are concerned: only those from this full key to the next one can be. */
  readonly firstKey?: Uint8Array;
  readonly lastKey?: Uint8Array;
}

/** Passes problems of one file on, and counts them. */
export class ProblemReporter {
  readonly path: string;
  readonly file: ManifestFile;
  count = 0;
  readonly #onProblem: (problem: RunProblem) => void;

  constructor(path: string, file: ManifestFile, onProblem: (problem: RunProblem) => void) {
    this.path = path;
    this.file = file;
    this.#onProblem = onProblem;
  }

  /** No row is concerned. */
  problem(offset: number, what: string): void {
    this.count++;
    this.#onProblem({ file: this.path, offset, what });
  }

  /** Rows are, from one key to the other; by default, of the whole file. */
  rows(
    offset: number,
    what: string,
    firstKey = this.file.firstKey,
    lastKey = this.file.lastKey,
  ): void {
    this.count++;
    this.#onProblem({ file: this.path, offset, what, firstKey, lastKey });
  }
}
