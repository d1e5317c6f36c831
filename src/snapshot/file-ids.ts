/** Ids for files that are yet to be made. */
import type { Manifest } from "../manifest/format.js";
import type { FileIds } from "./jobs.js";

/**
 * Gives each job ids of its own, so that jobs side by side never meet, and none that was ever given
 * while this store is open. What a crash leaves is removed at the next opening, before anything is
 * made: so this need not be remembered.
 */
export class FileIdSource {
  #next: number;

  constructor(manifest: Manifest) {
    const { files, state, snapshots } = manifest;
    const runs = [state, ...snapshots.map((snapshot) => snapshot.state)].flatMap((s) => s.runs);
    // A run has the id that its first file had, which may be gone.
    const used = [...files.map((file) => file.id), ...runs.map((run) => run.id)];
    this.#next = used.reduce((largest, id) => Math.max(largest, id), 0) + 1;
  }

  reserve(count: number): FileIds {
    const first = this.#next;
    this.#next += count;
    return { first, count };
  }
}

/**
 * Ids for files made of so many bytes of input. Other blocks and filters may make the output larger
 * than the input, by far less than twice. But a file is finished by what its last block has before
 * it is compressed: small files of rows that compress well are much shorter than they should be,
 * and ids are only numbers.
 */
export function filesFor(inputBytes: number, fileBytes: number): number {
  return 32 * Math.ceil(inputBytes / fileBytes) + 2;
}
