/** Every file of every run, of the state and of snapshots, and every row in them. */
import { fromHex } from "../base/bytes.js";
import { errnoCode } from "../base/errors.js";
import type { Manifest, ManifestFile, ManifestRun } from "../manifest/format.js";
import { makerOf } from "../manifest/named-files.js";
import { Entries } from "../run/entries.js";
import { decodeRunHeader } from "../run/file-header.js";
import { BLOCK_KIND, RUN_FOOTER_BYTES, RUN_HEADER_BYTES, runFileName } from "../run/format.js";
import type { RunProblem } from "../run/run-problem.js";
import { SalvageReader } from "../run/salvage-reader.js";
import { verifyRunFile } from "../run/verify.js";
import { walkBlocks } from "../run/walk.js";
import { TABLE_ID_BYTES } from "../store/layers.js";
import type { RowChecker } from "./check-rows.js";
import type { Coverage } from "./coverage.js";
import { damage, type Finding, type FindingKind, type Loss } from "./findings.js";
import type { StoreView } from "./read-store.js";

/** What was counted in run files. */
export interface RunCounts {
  files: number;
  /** Tombstones included. */
  rows: number;
  bytes: number;
}

/** Rows of one file that cannot be understood and are told one by one. */
const BAD_ROWS_MAX = 20;

/** Files found whole are not read again: they never change. */
export type WholeFiles = Map<string, number>;

export class RunChecker {
  readonly findings: Finding[] = [];
  readonly counts: RunCounts = { files: 0, rows: 0, bytes: 0 };
  readonly #store: StoreView;
  readonly #manifest: Manifest;
  readonly #rows: RowChecker;
  readonly #coverage: Coverage;
  readonly #whole: WholeFiles;

  constructor(
    store: StoreView & { readonly manifest: Manifest },
    rows: RowChecker,
    coverage: Coverage,
    whole: WholeFiles,
  ) {
    this.#store = store;
    this.#manifest = store.manifest;
    this.#rows = rows;
    this.#coverage = coverage;
    this.#whole = whole;
  }

  async check(file: ManifestFile): Promise<void> {
    this.counts.files++;
    this.counts.bytes += file.bytes;
    const identity = `${file.id} ${file.checksum} ${file.bytes}`;
    const known = this.#whole.get(identity);
    if (known !== undefined) {
      this.counts.rows += known;
      return;
    }
    const before = this.findings.length;
    const { disk, directory } = this.#store;
    const storeId = fromHex(this.#manifest.storeId) as Uint8Array;
    const verdict = await verifyRunFile(disk, directory, storeId, file, (problem) =>
      this.#report(file, problem.offset, problem.what, kindOf(problem), problem),
    );
    const rows = verdict.rows + verdict.tombstones;
    this.counts.rows += rows;
    await this.#checkRows(file, storeId, (what) => {
      // What the device refused before has been told.
      if (this.findings.length > before) return;
      this.findings.push(damage("unreadable", this.#pathOf(file), 0, what));
    });
    if (this.findings.length === before) this.#whole.set(identity, rows);
  }

  #pathOf({ id }: ManifestFile): string {
    return `${this.#store.directory}/${runFileName(id)}`;
  }

  /** What the rows mean is for whoever knows the schemas. `onRefused`: by the device, now. */
  async #checkRows(
    file: ManifestFile,
    storeId: Uint8Array,
    onRefused: (what: string) => void,
  ): Promise<void> {
    const { disk } = this.#store;
    const { checksum } = disk;
    const path = this.#pathOf(file);
    let bad = 0;
    try {
      const handle = await disk.open(path, { direct: true });
      try {
        const reader = new SalvageReader(handle, () =>
          onRefused("the device refuses a part of it that it has given before"),
        );
        const read = (offset: number, length: number) => reader.read(offset, length);
        const place = { storeId: makerOf(file, storeId), fileId: file.id };
        const header = decodeRunHeader(await read(0, RUN_HEADER_BYTES), place, checksum);
        if (!header.ok) return;
        const end = Math.min(file.bytes, await handle.size()) - RUN_FOOTER_BYTES;
        const walking = { file: path, fileId: file.id, seed: header.seed, end, tools: disk, read };
        for await (const block of walkBlocks(walking)) {
          if (!block.ok || block.kind !== BLOCK_KIND.data) continue;
          const entries = Entries.of(block.raw, block.offset);
          if (entries !== undefined) bad += this.#checkEntries(file, entries, bad);
        }
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (errnoCode(error) === undefined) throw error;
      onRefused(`it cannot be read again (${(error as Error).message})`);
    }
  }

  #checkEntries(file: ManifestFile, entries: Entries, before: number): number {
    let bad = 0;
    const { bytes, offset } = entries;
    for (let i = 0; i < entries.count; i++) {
      const start = entries.keyStart(i);
      const end = entries.keyEnd(i);
      const problem =
        end - start < TABLE_ID_BYTES
          ? "a key without a table"
          : this.#rows.checkRow(
              ((bytes[start] as number) << 8) | (bytes[start + 1] as number),
              entries.schemaVersion(i),
              bytes,
              start + TABLE_ID_BYTES,
              end,
              end,
              entries.valueEnd(i),
            );
      if (problem === undefined) continue;
      bad++;
      if (before + bad > BAD_ROWS_MAX) continue;
      const key = bytes.subarray(start, end);
      const what = `its checksums are good, and a row cannot be understood: ${problem}`;
      this.#report(file, offset, what, "run-row", { firstKey: key, lastKey: key });
    }
    return bad;
  }

  #report(
    file: ManifestFile,
    offset: number,
    what: string,
    kind: FindingKind,
    keys: Pick<RunProblem, "firstKey" | "lastKey">,
  ): void {
    const path = `${this.#store.directory}/${runFileName(file.id)}`;
    const run = this.#runOf(file.id);
    const sequences = run && { first: run.firstSequence, last: run.lastSequence };
    const found = damage(kind, path, offset, what, sequences ?? null);
    this.findings.push({ ...found, loss: this.#lossOf(file.id, run, keys) });
  }

  #lossOf(
    fileId: number,
    run: ManifestRun | undefined,
    { firstKey, lastKey }: Pick<RunProblem, "firstKey" | "lastKey">,
  ): Loss {
    const { state, snapshots } = this.#manifest;
    const names = (runs: readonly ManifestRun[]) => runs.some((one) => one.files.includes(fileId));
    return {
      from: firstKey === undefined ? null : this.#rows.describe(firstKey),
      to: lastKey === undefined ? null : this.#rows.describe(lastKey),
      state: names(state.runs),
      snapshots: snapshots.filter((one) => names(one.state.runs)).map(({ name }) => name),
      canBeRebuilt: run !== undefined && this.#coverage.covers(run.firstSequence, run.lastSequence),
    };
  }

  /** The first run that names it, that of the state before those of snapshots. */
  #runOf(fileId: number): ManifestRun | undefined {
    const { state, snapshots } = this.#manifest;
    const runs = [state, ...snapshots.map((one) => one.state)].flatMap((one) => one.runs);
    return runs.find((run) => run.files.includes(fileId));
  }
}

function kindOf({ what, offset }: RunProblem): FindingKind {
  if (offset === 0 && what === "the file is not there") return "missing-file";
  return what.startsWith("the device refuses") ? "unreadable" : "run";
}
