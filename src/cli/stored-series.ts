/** The series of a store, by what is stored with them: no program that made them is needed. */
import { HoldfastError } from "../base/errors.js";
import type { TablesToRead } from "../codec/table-rows.js";
import { chooseDisk } from "../disk/choose.js";
import type { AnySeries } from "../series/definition.js";
import { FrozenSeries } from "../series/reader.js";
import { parseSeries } from "../series/stored-definition.js";
import { SERIES_TABLES, seriesStates } from "../series/tables.js";
import type { AnyTable } from "../store/past-state.js";
import { openStoredState } from "../store/stored-state.js";
import type { ReadTable } from "../store/table.js";
import { openPastOf, pointOf } from "./history-text.js";

/** A row by the names of its columns. */
export type StoredValues = Readonly<Record<string, unknown>>;

export interface StoredSeries {
  readonly definition: AnySeries;
  readonly series: FrozenSeries<StoredValues>;
  /** Rows and bytes of the sealed chunks. */
  readonly sealedRows: number;
  readonly sealedBytes: number;
}

interface State {
  readonly tables: readonly AnyTable[];
  table(definition: AnyTable): ReadTable<unknown, unknown>;
}

/** Uses the series of a store: as it is, or as it was at a sequence, a time or a snapshot. */
export async function withSeries<T>(
  directory: string,
  point: string | undefined,
  use: (series: readonly StoredSeries[]) => Promise<T>,
): Promise<T> {
  const disk = chooseDisk("auto", () => {});
  if (point === undefined) {
    const state = await openStoredState(disk, directory);
    const tables = [...state.tables.values()];
    const table = (definition: AnyTable) => state.table(definition);
    try {
      return await use(seriesIn({ tables, table }, disk.compressor));
    } finally {
      await state.close();
    }
  }
  const history = await openPastOf(directory);
  const state = await history.at(pointOf(point));
  try {
    return await use(seriesIn(state as State, disk.compressor));
  } finally {
    await state.close();
    history.close();
  }
}

function seriesIn(state: State, compressor: ReturnType<typeof chooseDisk>["compressor"]) {
  const tables = tablesByName(state);
  if (tables === undefined) return [];
  const found: StoredSeries[] = [];
  for (const [name, { definition: text, rows, bytes }] of tables.entries(seriesStates)) {
    const definition = parseSeries(name, text);
    const series = new FrozenSeries<StoredValues>(definition, {
      ...{ tables, compressor },
      assertOpen: () => {},
      turn: () => new Promise((resolve) => void setImmediate(resolve)),
    });
    found.push({ definition, series, sealedRows: rows, sealedBytes: bytes });
  }
  return found;
}

/** Undefined for a store that has never had a series. */
function tablesByName(state: State): TablesToRead | undefined {
  const handles = new Map<string, ReadTable<unknown, unknown>>();
  for (const { name } of SERIES_TABLES) {
    const definition = state.tables.find((table) => table.name === name);
    if (definition === undefined) return undefined;
    handles.set(name, state.table(definition));
  }
  const handleOf = ({ name }: { readonly name: string }) =>
    handles.get(name) as ReadTable<unknown, unknown>;
  return {
    get: (table, key) => handleOf(table).get(key) as never,
    entries: (table, range) => handleOf(table).entries(range as never) as never,
  };
}

/** Throws INVALID_ARGUMENT, naming those there are. */
export function seriesNamed(all: readonly StoredSeries[], name: string): StoredSeries {
  const found = all.find(({ definition }) => definition.name === name);
  if (found !== undefined) return found;
  const there = all.map(({ definition }) => `"${definition.name}"`).join(", ") || "none";
  throw new HoldfastError("INVALID_ARGUMENT", `the store has no series "${name}"; it has ${there}`);
}
