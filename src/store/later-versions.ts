/** Versions of tables that came into force behind a transaction: is there a way back from them? */
import { HoldfastError, isHoldfastError } from "../base/errors.js";
import { LogReader } from "../history/log-reader.js";
import type { LogSource } from "../history/log-source.js";
import { OPERATION } from "../log/format.js";
import { walkOperations } from "../log/record.js";
import { type AnyTable, openBase } from "./past-state.js";
import { definitionsOf } from "./upgrades.js";

/** A table as it is now. */
export interface EvolvedTable {
  readonly id: number;
  readonly name: string;
  /** Every version that there was. */
  readonly history: readonly { readonly version: number }[];
  /** The code's. */
  readonly definition: AnyTable;
}

/** By the id of the table. */
type Versions = Map<number, Set<number>>;

/** What is asked of runs here is not asked again. */
const CACHE_BYTES = 64 * 1024;

const decoder = new TextDecoder();

/**
 * Throws SCHEMA_MISMATCH, with a list, if a table has come to a version behind `sequence` for which
 * the code has no `down`: the program of that time could not go on with what a rollback makes.
 */
export async function assertWayBack(
  source: LogSource,
  tables: readonly EvolvedTable[],
  sequence: number,
): Promise<void> {
  const evolved = tables.filter(({ history }) => history.length > 1);
  if (evolved.length === 0) return;
  const laterOf = await laterVersions(source, sequence);
  const without = evolved.flatMap((table) => {
    const downs = definitionsOf(table.definition).filter(({ step }) => step.down !== undefined);
    const known = new Set(downs.map(({ version }) => version));
    return laterOf(table)
      .filter((version) => !known.has(version))
      .map((version) => ({ table: table.name, version }));
  });
  const [first] = without;
  if (first === undefined) return;
  const list = without
    .map(({ table, version }) => `table "${table}" version ${version}`)
    .join(", ");
  throw new HoldfastError(
    "SCHEMA_MISMATCH",
    `transaction ${sequence} is before versions for which the code has no \`down\`: ${list}. ` +
      "Nothing was changed",
    first,
  );
}

/** By what was declared behind it; where that is not kept, by what was known up to it. */
async function laterVersions(
  source: LogSource,
  sequence: number,
): Promise<(table: EvolvedTable) => number[]> {
  try {
    const declared = await declarations(source, sequence + 1, Number.MAX_SAFE_INTEGER - 1);
    return ({ id, history }) => {
      const later = [...(declared.get(id) ?? [])];
      // A table of which every version came later was not there: its rows just go.
      return later.length === history.length ? [] : later;
    };
  } catch (error) {
    if (!isHoldfastError(error, "HISTORY_GONE")) throw error;
  }
  const known = await knownVersions(source, sequence);
  return ({ id, history }) => {
    const versions = known.get(id);
    if (versions === undefined) return [];
    return history.map(({ version }) => version).filter((version) => !versions.has(version));
  };
}

/** Versions that came into force: what is said again of one in force is none. */
async function declarations(source: LogSource, from: number, to: number): Promise<Versions> {
  const found: Versions = new Map();
  for await (const { records } of new LogReader(source, from).read(to)) {
    for (const record of records) {
      walkOperations(record, ({ kind, tableId, schemaVersion, keyEnd, rowEnd }) => {
        if (kind !== OPERATION.declare) return;
        const text = decoder.decode(record.bytes.subarray(keyEnd, rowEnd));
        const { migrated, back } = JSON.parse(text) as { migrated?: true; back?: true };
        if (migrated !== true && back !== true) add(found, tableId, schemaVersion);
      });
    }
  }
  return found;
}

/** Where the log behind is gone it is a snapshot's state, whose runs were made before it was. */
async function knownVersions(source: LogSource, sequence: number): Promise<Versions> {
  const { runs, through } = await openBase(source, sequence, CACHE_BYTES);
  try {
    const known = await declarations(source, through + 1, sequence);
    for (const file of runs.runs.flatMap((_, i) => runs.filesOf(i))) {
      for (const { id, schemas } of file.properties().tables) {
        for (const { version } of schemas as { version: number }[]) add(known, id, version);
      }
    }
    return known;
  } finally {
    await runs.release();
  }
}

function add(versions: Versions, id: number, version: number): void {
  const known = versions.get(id);
  if (known === undefined) versions.set(id, new Set([version]));
  else known.add(version);
}
