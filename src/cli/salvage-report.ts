/** What a salvage has given, and exactly what it could not. */
import { basename } from "node:path";
import type { ManifestTable } from "../manifest/format.js";
import type { LostPart, SalvagedRows } from "../snapshot/salvage-rows.js";
import type { KeyPlace, Sequences } from "./findings.js";
import { formatBytes, formatNumber, formatPairs, formatRange, formatTable } from "./output.js";
import type { StoreView } from "./read-store.js";
import type { SalvageLog } from "./salvage-log.js";
import type { SalvagedPacks } from "./salvage-packs.js";
import type { SalvageSource } from "./salvage-source.js";

/** Something that could not be had. */
export interface Loss {
  /**
   * - "transactions": they are not in the state. Those behind them may be in `beyondGap`.
   * - "rows": of the keys from `from` to `to` the newest row is lost, if it was in that place;
   *   older ones are not used.
   * - "row": its checksums are good, and nobody can read it.
   * - "file": nothing of it can be used.
   * - "chunk": of blobs; versions that have it cannot be read there.
   * - "manifest": nothing proves that no run, and no end of the log, is missing.
   */
  readonly kind: "transactions" | "rows" | "row" | "file" | "chunk" | "manifest";
  readonly file: string;
  readonly offset: number;
  /** 0 where nobody knows how much it is. */
  readonly bytes: number;
  readonly sequences: Sequences | null;
  /** Null: no key is known. */
  readonly from: KeyPlace | null;
  readonly to: KeyPlace | null;
  /** Keys of which an older row is there, in `olderRows`. */
  readonly olderRows: number;
  readonly why: string;
}

/** What `salvage --json` prints, and TO/salvage-report.json. */
export interface SalvageReport {
  readonly directory: string;
  readonly to: string;
  /** Nothing is lost. */
  readonly complete: boolean;
  /** "files": both slots were lost, and what the store was is known from its other files. */
  readonly knownBy: "manifest" | "files";
  /** The state is that after this transaction. */
  readonly sequence: number;
  readonly storeId: string;
  readonly environment: string;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  readonly tables: readonly { readonly name: string; readonly rows: number }[];
  readonly lost: readonly Loss[];
  /** Damaged places whose rows were had from elsewhere, or that held none. */
  readonly harmless: readonly Pick<Loss, "file" | "offset" | "bytes" | "why">[];
  /** Operations behind the first gap of the log: they are in `file`, not in the state. */
  readonly beyondGap: {
    readonly file: string | null;
    readonly operations: number;
    readonly sequences: Sequences | null;
  };
  /** Rows that may not be the newest of their keys: they are in `file`. */
  readonly olderRows: {
    readonly file: string | null;
    readonly rows: number;
    /** With --allow-older: they are in the state, too. */
    readonly used: boolean;
  };
  /** Of the snapshots, which are not in it: `holdfast restore` makes stores of them. */
  readonly snapshots: readonly string[];
}

/** A row that nobody can read. */
export interface BadRow extends KeyPlace {
  readonly problem: string;
}

export interface ReportInput {
  readonly store: StoreView;
  readonly source: SalvageSource;
  readonly made: SalvagedRows;
  readonly log: Pick<SalvageLog, "from" | "sequence" | "lost">;
  readonly parts: readonly LostPart[];
  readonly badRows: readonly BadRow[];
  readonly storeId: string;
  readonly to: string;
  readonly environment: string;
  readonly tables: readonly ManifestTable[];
  readonly packs: SalvagedPacks;
  readonly describe: (key: Uint8Array) => KeyPlace;
  readonly beyond: SalvageReport["beyondGap"];
  readonly older: SalvageReport["olderRows"];
}

export function salvageReport(input: ReportInput): SalvageReport {
  const { store, made, log, parts, storeId, to, environment, tables } = input;
  const ofRest = [...ofRows(input), ...ofLog(input), ...ofPacks(input)];
  const lost = [...ofManifest(input), ...ofFiles(input), ...ofRest];
  return {
    directory: store.directory,
    to,
    complete: lost.length === 0,
    knownBy: store.manifest === undefined ? "files" : "manifest",
    sequence: log.sequence,
    storeId,
    environment,
    rows: made.files.reduce((sum, file) => sum + file.rows, 0),
    files: made.files.length,
    bytes: made.files.reduce((sum, file) => sum + file.bytes, 0),
    tables: tables.map(({ id, name }) => ({ name, rows: made.rowsOf.get(id) ?? 0 })),
    lost,
    harmless: parts
      .filter((part) => part.harmless)
      .map(({ place: { file, offset, bytes, what } }) => ({ file, offset, bytes, why: what })),
    beyondGap: input.beyond,
    olderRows: input.older,
    snapshots: store.manifest?.snapshots.map(({ name }) => name) ?? [],
  };
}

const NO_ROWS = { bytes: 0, from: null, to: null, olderRows: 0 } as const;

/** Without a manifest the log proves what it has, from the first transaction on, and no more. */
function ofManifest({ store, log }: ReportInput): Loss[] {
  if (store.manifest !== undefined) return [];
  const file = store.slots.slots[0]?.file ?? store.directory;
  const what = log.from === 1 ? "no segment" : "no run, no file of one and no segment";
  const why = `neither slot can be used: nothing proves that ${what} is missing`;
  return [{ kind: "manifest", file, offset: 0, sequences: null, ...NO_ROWS, why }];
}

function ofFiles({ source, log }: ReportInput): Loss[] {
  if (log.from === 1) return [];
  return source.unusable.map(({ file, what: why }) => ({
    kind: "file",
    file,
    offset: 0,
    sequences: null,
    ...NO_ROWS,
    why,
  }));
}

function ofRows({ parts, describe, badRows, to }: ReportInput): Loss[] {
  const places = parts
    .filter(({ harmless }) => !harmless)
    .map(({ place, firstSequence: first, lastSequence: last, olderRows }): Loss => {
      const { file, offset, bytes, rows, what: why } = place;
      const known = rows === undefined || rows.from.length === 0 ? undefined : rows;
      const from = known === undefined ? null : describe(known.from);
      const end = known === undefined ? null : describe(known.to);
      const sequences = { first, last };
      return { kind: "rows", file, offset, bytes, sequences, from, to: end, olderRows, why };
    });
  const rows = badRows.map(({ table, key, problem: why }): Loss => {
    const place = { table, key };
    const at = { file: to, offset: 0, bytes: 0, sequences: null };
    return { kind: "row", ...at, from: place, to: place, olderRows: 0, why };
  });
  return [...places, ...rows];
}

function ofPacks({ packs }: ReportInput): Loss[] {
  return packs.lost.map((one) => ({ kind: "chunk", sequences: null, ...NO_ROWS, ...one }));
}

function ofLog({ log }: ReportInput): Loss[] {
  return log.lost.map(({ file, offset, first, last, why }) => {
    const sequences = { first, last };
    return { kind: "transactions", file, offset, sequences, ...NO_ROWS, why };
  });
}

/** For people. */
export function formatSalvage(report: SalvageReport): string {
  const { lost, beyondGap, olderRows, harmless, snapshots } = report;
  const files = report.files === 1 ? "1 file" : `${report.files} files`;
  const pairs: [string, string][] = [
    ["new store", report.to],
    ["state", `after transaction ${report.sequence}`],
    ["environment", report.environment],
    ["rows", `${formatNumber(report.rows)} in ${files}, ${formatBytes(report.bytes)}`],
  ];
  if (report.knownBy === "files") pairs.push(["known by", "the files: both manifests are lost"]);
  if (harmless.length > 0) {
    pairs.push(["damaged, not lost", `${formatNumber(harmless.length)} places`]);
  }
  if (beyondGap.file !== null && beyondGap.sequences !== null) {
    const { first, last } = beyondGap.sequences;
    const range = formatRange(first, last ?? undefined);
    const count = formatNumber(beyondGap.operations);
    pairs.push(["beyond the gap", `${count} operations of transactions ${range}: see below`]);
    pairs.push(["", beyondGap.file]);
  }
  if (olderRows.file !== null) {
    const use = olderRows.used ? "used" : "not used";
    pairs.push(["older rows", `${formatNumber(olderRows.rows)}, ${use}: ${olderRows.file}`]);
  }
  if (snapshots.length > 0) {
    const names = snapshots.map((name) => JSON.stringify(name)).join(", ");
    pairs.push(["snapshots", `not in it; holdfast restore may have them: ${names}`]);
  }
  const verdict =
    lost.length === 0
      ? "all of it was had"
      : `LOST: ${lost.length === 1 ? "1 thing" : `${formatNumber(lost.length)} things`} ` +
        "could not be had";
  return `${formatPairs(pairs)}\n${formatTables(report)}${verdict}\n${formatLost(lost)}`;
}

function formatTables({ tables }: SalvageReport): string {
  if (tables.length === 0) return "";
  const columns = [{ title: "table" }, { title: "rows", right: true }];
  const lines = tables.map(({ name, rows }) => [name, formatNumber(rows)]);
  return `${formatTable(columns, lines)}\n`;
}

function formatLost(lost: readonly Loss[]): string {
  if (lost.length === 0) return "";
  const columns = [
    { title: "lost" },
    { title: "file" },
    { title: "offset", right: true },
    { title: "transactions" },
    { title: "keys" },
    { title: "older rows", right: true },
    { title: "why" },
  ];
  const lines = lost.map(({ kind, file, offset, sequences, from, to, olderRows, why }) => [
    kind,
    basename(file),
    String(offset),
    sequences === null ? "" : formatRange(sequences.first, sequences.last ?? undefined),
    kind === "rows" || kind === "row" ? rangeText(from, to) : "",
    kind === "rows" ? formatNumber(olderRows) : "",
    why,
  ]);
  return formatTable(columns, lines);
}

function rangeText(from: KeyPlace | null, to: KeyPlace | null): string {
  if (from === null || to === null) return "any";
  const first = `${from.table} ${JSON.stringify(from.key)}`;
  const last = `${to.table} ${JSON.stringify(to.key)}`;
  return first === last ? first : `${first} to ${last}`;
}
