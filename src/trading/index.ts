/** Every public name of `holdfast/trading`. */
export type { AmendNews, AmendOptions, OrderChange } from "./amendments.js";
export type { Amount } from "./amounts.js";
export { type AuditPlace, type AuditRange, exportLines } from "./audit.js";
export type {
  Broker,
  BrokerBalance,
  BrokerOrder,
  BrokerPosition,
  SubmitResult,
} from "./broker.js";
export type { FillInput, FillResult } from "./fills.js";
export { type InstrumentInput, settleOf } from "./instruments.js";
export type { NonceOptions, NoncePolicy, Nonces } from "./nonces.js";
export {
  ORDER_EVENTS,
  ORDER_STATUSES,
  type OrderEvent,
  type OrderStatus,
  TRANSITIONS,
} from "./order-states.js";
export type { Order, OrderNews, OrderRequest } from "./orders.js";
export { PaperExchange, type PaperOptions } from "./paper.js";
export type { PaperBooks, PaperInstrument } from "./paper-books.js";
export type { PaperEvent, PaperLevel } from "./paper-depth.js";
export type { PaperConnection, PaperMessage, PaperSession } from "./paper-session.js";
export {
  afterFill,
  averagePriceOf,
  type Contract,
  FLAT,
  foldFills,
  type PositionFigures,
  type PositionFill,
  unrealisedOf,
  valueAt,
} from "./positions.js";
export type { RateLimit } from "./rates.js";
export { type Rebuilt, rebuild } from "./rebuild.js";
export type { ReconcileOptions, ReconcilePolicy } from "./reconcile.js";
export { type Discrepancy, RecoveryReport } from "./report.js";
export type { PortfolioLimitsInput, SymbolLimitsInput } from "./risk.js";
export type { Signal } from "./signals.js";
export type { SqliteDatabase, SqliteDriver, SqliteValue } from "./sqlite-driver.js";
export {
  type AuditSource,
  exportSqlite,
  type SqliteExport,
  type SqliteExportOptions,
} from "./sqlite-export.js";
export * from "./tables.js";
export { openTrading, type Trading, type TradingOptions } from "./trading.js";
export type { TradingTransaction } from "./trading-transaction.js";
export type { Portfolio, Position } from "./views.js";
