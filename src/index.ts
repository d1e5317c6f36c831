/** Every public name of the package. */
export { type ErrorCode, type ErrorData, HoldfastError, isHoldfastError } from "./base/errors.js";
export type { Dtype, TensorInfo, TensorInput } from "./blobs/tensors.js";
export type { BlobVersion } from "./blobs/versions.js";
export {
  type BookDefinition,
  type BookDialect,
  type BookOptions,
  defineBook,
} from "./books/definition.js";
export type {
  BookSnapshot,
  BookUpdate,
  LevelInput,
  LevelsInput,
  ScaledLevels,
} from "./books/input.js";
export type {
  BookLevel,
  BookLevels,
  BookSideName,
  BookTop,
  ReadBook,
} from "./books/reader.js";
export { Decimal } from "./codec/decimal.js";
export type { PatchedFields } from "./codec/patch-read.js";
export {
  bigInt64Array,
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  float32Array,
  float64,
  float64Array,
  type InputOf,
  int32Array,
  int64,
  integer,
  type KeyOf,
  list,
  map,
  nullable,
  type RowOf,
  record,
  string,
  type TableDefinition,
  type Tier,
  timestamp,
  was,
  withDefault,
} from "./codec/schema.js";
export { type Slice, type Sliceable, slice } from "./codec/slice.js";
export type { DiskInfo, PlaceInfo, WriteMethod } from "./disk/disk.js";
export type { LoggedOperation, LoggedTransaction } from "./history/logged-transaction.js";
export type { Moment } from "./history/moments.js";
export type { StoredRow } from "./history/stored-tables.js";
export type { Annotation } from "./log/annotation.js";
export type { LatencySummary } from "./log/latency.js";
export type { LogStats } from "./log/writer.js";
export type { RecoveryReport } from "./recovery/opening.js";
export {
  type AnySeries,
  type ArrayOf,
  type ColumnNode,
  defineSeries,
  type LatePolicy,
  type SeriesBatch,
  type SeriesCapacity,
  type SeriesDefinition,
  type SeriesInput,
  type SeriesOptions,
  type SeriesRow,
} from "./series/definition.js";
export type { SeriesColumns, SeriesLast, SeriesRange, SeriesTimes } from "./series/read.js";
export type { ReadSeries, SeriesReads, SlicesOptions } from "./series/reader.js";
export { type Aggregate, type Aggregates, type BucketOf, ohlcv } from "./series/resample.js";
export type { ArraysOf, SeriesSlice } from "./series/slice.js";
export type { BudgetFigures } from "./snapshot/budget.js";
export type { History } from "./snapshot/history.js";
export type { ActivityFigures } from "./snapshot/host.js";
export type { Pressure, TailFigures } from "./snapshot/trigger.js";
export type { BackgroundStats } from "./store/background.js";
export type { BackupResult } from "./store/backup.js";
export type { BackupInfo } from "./store/backup-place.js";
export type { BackupProgress } from "./store/backup-restore.js";
export type { BackupStats } from "./store/backups.js";
export type { BlobData, TensorSet } from "./store/blob-input.js";
export type {
  BlobPoint,
  BlobRange,
  ReadBlobs,
  Tensor,
  VersionsOptions,
} from "./store/blob-reads.js";
export type {
  BlobRetention,
  PreparedBlob,
  TransactionBlobs,
} from "./store/blob-transaction.js";
export type {
  BlobProgress,
  BlobStats,
  Blobs,
  CollectedBlobs,
  PutBlobOptions,
} from "./store/blobs.js";
export type { Book, TransactionBook } from "./store/books.js";
export type { ClosingSignal } from "./store/closing-signals.js";
export type { ForkInfo } from "./store/fork.js";
export type { Handover, HandoverOptions, HandoverParty } from "./store/handover.js";
export type {
  ChangesOptions,
  DiffOptions,
  HistoryHead,
  HistoryHeadRange,
  HistoryRange,
  PastPoint,
  TransactionRange,
} from "./store/history-ranges.js";
export type { RowChange } from "./store/key-history.js";
export type { MigratedTable, MigrateOptions, MigrationProgress } from "./store/migrate.js";
export { open } from "./store/open.js";
export {
  type BackupAccessOptions,
  backupStore,
  listBackups,
  type RestoreBackupOptions,
  type RestoredBackup,
  restoreBackup,
  verifyBackup,
} from "./store/open-backups.js";
export { openHistory } from "./store/open-history.js";
export type {
  Backend,
  ForkOptions,
  OpenOptions,
  PastOpenOptions,
  SnapshotOpenOptions,
  StoreCheck,
  StoreWarning,
} from "./store/options.js";
export type { PastState } from "./store/past-state.js";
export type { RangeOptions } from "./store/range.js";
export type { ReadOnlyStore } from "./store/read-only.js";
export type { RecordedChange } from "./store/recorded-state.js";
export type {
  RecordedTransaction,
  ReplayDifference,
  ReplayedTable,
  ReplayOptions,
  ReplayProgress,
  ReplayReport,
} from "./store/replay-options.js";
export type { RollbackInfo, RollbackOptions, RolledBackTable } from "./store/rollback-options.js";
export type { Series, TransactionSeries } from "./store/series.js";
export type { SnapshotInfo } from "./store/snapshots.js";
export type { FieldDifference, RowDifference } from "./store/state-difference.js";
export type { MemoryStats, StoreStats } from "./store/stats.js";
export type { Store } from "./store/store.js";
export type { StoreHistory } from "./store/store-history.js";
export type { PatchInput, ReadTable, Table } from "./store/table.js";
export type { TakeoverOptions } from "./store/takeover.js";
export type { Change, Transaction } from "./store/transaction-interface.js";
export type {
  BackupOptions,
  CheckpointOptions,
  MakeBackupOptions,
} from "./store/upkeep-options.js";
export type { View } from "./store/view.js";
