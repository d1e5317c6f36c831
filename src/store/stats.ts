/** What can be asked of a running store. */
import type { DiskInfo, WriteMethod } from "../disk/disk.js";
import type { LogStats } from "../log/writer.js";
import type { BackgroundStats } from "./background.js";
import type { BackupStats } from "./backups.js";
import type { StoreParts } from "./store.js";
import type { TableState } from "./table-state.js";

/** What `store.stats()` tells. Figures count from the opening of the store. */
export interface StoreStats {
  readonly directory: string;
  readonly environment: string;
  readonly writerId: string;
  readonly epoch: number;
  readonly lastSequence: number;
  readonly durableSequence: number;
  /** Which disk is in use, and by which method the log is made durable. */
  readonly disk: DiskInfo & { readonly method: WriteMethod; readonly fileSystem: string };
  readonly log: LogStats;
  /** As the option says, or 1 where the way of writing allows no more. */
  readonly framesInFlightMax: number;
  /** Runs, and the work that makes and merges them. */
  readonly background: BackgroundStats;
  readonly backups: BackupStats;
  readonly memory: MemoryStats;
  /** Rows by table; undefined where they would have to be counted: see `Table.count`. */
  readonly tables: Readonly<Record<string, number | undefined>>;
  /** Rows of cached tables that are not in the log yet. */
  readonly unloggedRows: number;
  /** "open", or why nothing can be written. */
  readonly state: "open" | "poisoned" | "closed";
}

/** Memory for rows and blocks, in bytes; roughly, for rows. */
export interface MemoryStats {
  /** Rows of tables that are not resident, those that no run holds yet included. */
  readonly rowBytes: number;
  readonly rowBytesMax: number;
  /** Rows that were dropped because their room was needed. */
  readonly rowsEvicted: number;
  readonly blockBytes: number;
  readonly blockHits: number;
  readonly blockMisses: number;
  /** Views that are open. */
  readonly views: number;
}

/** All figures of a store. */
export function statsOf(
  parts: StoreParts,
  state: StoreStats["state"],
  backups: BackupStats,
): StoreStats {
  const { directory, disk, place, method, epoch, options, catalog, writer, background } = parts;
  const tables = [...catalog.tables];
  return {
    directory,
    environment: options.environment,
    writerId: options.writerId,
    epoch,
    lastSequence: writer.lastSequence,
    durableSequence: writer.durableSequence,
    disk: { ...disk.info, method, fileSystem: place.fileSystem },
    log: writer.stats(),
    framesInFlightMax: parts.framesInFlight,
    background: background.stats(),
    backups,
    memory: memoryOf(parts),
    tables: Object.fromEntries(tables.map(({ name, rows }) => [name, rowsKnown(rows)])),
    unloggedRows: tables.reduce((sum, table) => sum + table.unlogged.size, 0),
    state,
  };
}

function memoryOf({ catalog, background }: StoreParts): MemoryStats {
  const { memory, horizon } = catalog.layers;
  return {
    rowBytes: memory.bytes,
    rowBytesMax: memory.limitBytes,
    rowsEvicted: memory.evicted,
    ...background.blockStats(),
    views: horizon.views,
  };
}

function rowsKnown(rows: TableState["rows"]): number | undefined {
  return rows.complete ? rows.live : undefined;
}
