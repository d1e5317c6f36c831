/**
 * Recovery and reconciliation. The venue is asked, in an order that makes late answers harmless:
 * first the orders, then the fills, then positions and balances. Whatever an order is said to have
 * filled is then among the fills, and what still differs after three rounds is not on its way.
 *
 * Each correction is a transaction of its own that looks again at what it corrects, so that a crash
 * between two of them, and events that come in meanwhile, do no harm.
 */
import { type Annotation, isHoldfastError } from "../index.js";
import { invalid } from "./amounts.js";
import type { Broker } from "./broker.js";
import { compareBalances, comparePositions, correct, type Mismatch } from "./compare.js";
import { applyFill, type FillInput } from "./fills.js";
import { type AskedOrder, settleOrder } from "./order-answers.js";
import { halt } from "./portfolio.js";
import { type Discrepancy, RecoveryReport } from "./report.js";
import { ONLY, type Step } from "./step.js";
import { type ReportRow, reconciled, recoveryReports, sessions } from "./tables.js";
import type { Trading } from "./trading.js";

/** Of what a report tells of the venue: its bytes are far within what a row may have. */
const CHARACTERS_MAX = 200;

/** What is wrong with what a venue says, and not with the store: reported, and the rest goes on. */
const REFUSALS = ["INVALID_ARGUMENT", "INVALID_KEY", "INVALID_ROW", "TOO_LARGE"] as const;

/** What becomes of positions, balances and orders that differ. See docs/trading.md. */
export type ReconcilePolicy = ReportRow["policy"];

export interface ReconcileOptions {
  readonly policy: ReconcilePolicy;
  /** Cancel all of our orders that the venue has open. Default: false. */
  readonly cancelOpen?: boolean | undefined;
  /** Cancel open orders that are none of ours. Default: false. */
  readonly cancelForeign?: boolean | undefined;
  /** Idle time beyond which a recovery reports the state as stale. Default: 3,600,000, an hour. */
  readonly staleAfterMillis?: number | undefined;
  /**
   * How long an order may be under way: one that the venue does not know is taken as never sent
   * when it is older. Has to be longer than the venue accepts a request after it was signed.
   * Default: 60,000.
   */
  readonly unsentAfterMillis?: number | undefined;
  /** How late the venue may list a fill, by its time. Default: 60,000. */
  readonly overlapMillis?: number | undefined;
  /** Called with the saved report where HALT_AND_ALERT has halted trading. */
  readonly onAlert?: ((report: RecoveryReport) => void) | undefined;
}

const OPTIONS = new Set(
  "policy cancelOpen cancelForeign staleAfterMillis unsentAfterMillis overlapMillis onAlert".split(
    " ",
  ),
);
const POLICIES: readonly unknown[] = ["WARN_ONLY", "SYNC_TO_BROKER", "HALT_AND_ALERT"];
const ROUNDS = 3;

export class Reconciliation {
  readonly #trading: Trading;
  readonly #broker: Broker;
  readonly #options: ReconcileOptions;
  readonly #kind: ReportRow["kind"];
  /** By kind and subject: a later round knows better. */
  readonly #found = new Map<string, Discrepancy>();
  #fillsThrough = 0;

  constructor(
    trading: Trading,
    broker: Broker,
    options: ReconcileOptions,
    kind: ReportRow["kind"],
  ) {
    for (const name of Object.keys(options)) {
      if (!OPTIONS.has(name)) throw invalid(`unknown option "${name}"`);
    }
    if (!POLICIES.includes(options.policy)) throw invalid(`"${options.policy}" is no policy`);
    this.#trading = trading;
    this.#broker = broker;
    this.#options = options;
    this.#kind = kind;
  }

  async run(): Promise<RecoveryReport> {
    const started = this.#trading.clock();
    const idleMicros = this.#idleMicros(started);
    this.#checkStale(idleMicros);
    await this.#cancel();
    let mismatches: Mismatch[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      mismatches = await this.#round();
      if (mismatches.length === 0) break;
    }
    for (const mismatch of mismatches) await this.#act(mismatch);
    return this.#save({ started, idleMicros }, mismatches.length > 0);
  }

  #idleMicros(now: number): number {
    if (this.#kind === "recover") return this.#trading.idleMicros;
    const session = this.#trading.store.table(sessions).get(ONLY);
    return session === undefined ? 0 : Math.max(0, now - session.changed);
  }

  #checkStale(idleMicros: number): void {
    const { staleAfterMillis = 3_600_000 } = this.#options;
    if (this.#kind !== "recover" || idleMicros <= staleAfterMillis * 1000) return;
    const ours = `${Math.floor(idleMicros / 1000)} ms`;
    const theirs = `at most ${staleAfterMillis} ms`;
    this.#note({ kind: "stale", subject: "state", ours, theirs, action: "reported" });
  }

  /** Asks for the cancellations that the options want. What came of them the rounds will see. */
  async #cancel(): Promise<void> {
    const { cancelOpen = false, cancelForeign = false } = this.#options;
    if (!cancelOpen && !cancelForeign) return;
    for (const theirs of await this.#broker.openOrders()) {
      const { clientId, venueId, symbol } = theirs;
      const own = this.#isOurs(clientId);
      if (!(own ? cancelOpen : cancelForeign)) continue;
      await this.#broker.cancel({ symbol, clientId, venueId });
      this.#note({
        kind: own ? "order-state" : "foreign-order",
        subject: clientId ?? venueId,
        ours: own ? "to be cancelled" : "unknown",
        theirs: "open",
        action: "cancelled",
        detail: own ? "cancelOpen" : "cancelForeign",
      });
    }
  }

  async #round(): Promise<Mismatch[]> {
    const broker = this.#broker;
    const asked = await this.#askOrders();
    await this.#applyFills();
    const mismatches: Mismatch[] = [];
    for (const order of asked) {
      const settled = await this.#settle(order);
      if (settled !== undefined) mismatches.push(settled);
    }
    const positions = await broker.positions();
    const balances = await broker.balances();
    const { store } = this.#trading;
    mismatches.push(
      ...comparePositions(store, broker.venue, positions),
      ...compareBalances(store, broker.venue, balances),
    );
    return mismatches;
  }

  // ---- orders ----------------------------------------------------------------------------------

  /** What the venue says of each of our working orders, but those that are being sent now. */
  async #askOrders(): Promise<AskedOrder[]> {
    const broker = this.#broker;
    const time = this.#trading.clock();
    const open = await broker.openOrders();
    const byClientId = new Map(open.map((order) => [order.clientId, order]));
    const asked: AskedOrder[] = [];
    for (const order of this.#trading.workingOrders(broker.venue)) {
      const { clientId, symbol, status } = order;
      if (status === "intent") continue;
      const theirs = byClientId.get(clientId) ?? (await broker.order(symbol, clientId));
      asked.push({ clientId, theirs, time, asked: order });
    }
    for (const { clientId, venueId, quantity, side, symbol } of open) {
      if (this.#isOurs(clientId)) continue;
      this.#note({
        kind: "foreign-order",
        subject: clientId ?? venueId,
        ours: "none",
        theirs: `${side} ${quantity} ${symbol}`,
        action: "reported",
      });
    }
    return asked;
  }

  #isOurs(clientId: string | undefined): boolean {
    try {
      return clientId !== undefined && this.#trading.order(clientId) !== undefined;
    } catch (error) {
      // Others may call theirs what no key can hold.
      if (isHoldfastError(error, "INVALID_KEY") || isHoldfastError(error, "TOO_LARGE"))
        return false;
      throw error;
    }
  }

  async #settle(order: AskedOrder): Promise<Mismatch | undefined> {
    const { unsentAfterMillis = 60_000 } = this.#options;
    const settling = this.#trading.step((step) =>
      settleOrder(step, order, unsentAfterMillis * 1000),
    );
    const settled = await settling.catch((error) => {
      if (!isRefusal(error) && !isHoldfastError(error, "ORDER_TRANSITION")) throw error;
      const { clientId, theirs, asked } = order;
      const what = { kind: "order-state", subject: clientId, ours: asked.status } as const;
      const detail = (error as Error).message;
      this.#note({ ...what, theirs: `${theirs?.status}`, action: "unresolved", detail });
    });
    if (settled === undefined) return undefined;
    if ("discrepancy" in settled) {
      this.#note(settled.discrepancy);
      return undefined;
    }
    return settled;
  }

  // ---- fills -----------------------------------------------------------------------------------

  async #applyFills(): Promise<void> {
    const { store } = this.#trading;
    const { overlapMillis = 60_000 } = this.#options;
    const began = store.table(sessions).get(ONLY)?.began ?? 0;
    const known = store.table(reconciled).get(this.#broker.venue);
    const from = (known?.fillsThrough ?? began) - overlapMillis * 1000;
    this.#fillsThrough = Math.max(this.#fillsThrough, known?.fillsThrough ?? began);
    const listed = [...(await this.#broker.fillsSince(from))];
    listed.sort((a, b) => (a.time ?? 0) - (b.time ?? 0));
    for (const fill of listed) {
      await this.#applyOne(fill, began);
      this.#fillsThrough = Math.max(this.#fillsThrough, fill.time ?? 0);
    }
  }

  async #applyOne(fill: FillInput, began: number): Promise<void> {
    const subject = `${fill.symbol} ${fill.tradeId}`;
    const theirs = `${fill.side} ${fill.quantity} at ${fill.price}`;
    const apply = async (foreign: boolean, detail: string): Promise<void> => {
      const { applied, sequence } = await this.#trading.step(
        (step) => {
          const { applied } = applyFill(step, fill, foreign);
          if (applied) step.riskEvent(fill.symbol, "correction", `${detail} ${fill.tradeId}`);
          return { applied, sequence: step.sequence };
        },
        this.#because(`${detail} ${fill.tradeId}`),
      );
      if (!applied) return;
      const kind = foreign ? "foreign-fill" : "missed-fill";
      this.#note({ kind, subject, ours: "none", theirs, action: "applied", detail, sequence });
    };
    try {
      await apply(false, "missed fill");
    } catch (error) {
      if (isHoldfastError(error, "UNKNOWN_ORDER") || isHoldfastError(error, "ORDER_TRANSITION")) {
        // What the account did before we kept its state is in what its balances were then.
        if (error.code === "UNKNOWN_ORDER" && (fill.time ?? began) < began) return;
        await apply(true, `foreign fill: ${error.message}:`);
        return;
      }
      if (!isRefusal(error) && !isHoldfastError(error, "FILL_CONFLICT")) throw error;
      const known = { ours: "refused", theirs, detail: (error as Error).message };
      this.#note({ kind: "foreign-fill", subject, ...known, action: "unresolved" });
    }
  }

  // ---- what still differs ----------------------------------------------------------------------

  async #act(mismatch: Mismatch): Promise<void> {
    const { kind, subject, ours, theirs } = mismatch;
    const found = { kind, subject, ours, theirs };
    const { policy } = this.#options;
    if (policy === "WARN_ONLY") this.#note({ ...found, action: "reported" });
    if (policy === "HALT_AND_ALERT") this.#note({ ...found, action: "halted" });
    if (policy !== "SYNC_TO_BROKER") return;
    const reason = `${this.#kind} with ${this.#broker.venue}`;
    const correction = (step: Step) => ({
      sequence: step.sequence,
      refused: correct(step, mismatch, reason),
    });
    const why = this.#because(`${kind} ${subject}: ${reason}`);
    const correcting = this.#trading.step(correction, why).catch((error) => {
      if (!isRefusal(error)) throw error;
      return { sequence: null, refused: (error as Error).message };
    });
    const { sequence, refused } = await correcting;
    if (refused === undefined) this.#note({ ...found, action: "corrected", sequence });
    else this.#note({ ...found, action: "unresolved", detail: refused });
  }

  /** What a correction says of itself in the store's history. */
  #because(reason: string): Annotation {
    const tags = { correction: this.#kind, venue: bounded(this.#broker.venue) };
    return { reason: bounded(reason), tags };
  }

  #note(found: Partial<Discrepancy> & Pick<Discrepancy, "kind" | "subject" | "action">): void {
    const { ours = "", theirs = "", detail = "", sequence = null } = found;
    const place = `${found.kind} ${found.subject}`;
    const before = this.#found.get(place);
    // What was done stays said, whatever a later round still sees of it.
    if (before !== undefined && before.action !== "unresolved" && found.action === "reported")
      return;
    const { kind, action } = found;
    const subject = bounded(found.subject);
    const texts = { ours: bounded(ours), theirs: bounded(theirs), detail: bounded(detail) };
    this.#found.set(place, { kind, action, subject, ...texts, sequence });
  }

  /** Saves the report, notes how far the fills are known, and halts: in one transaction. */
  async #save(
    begun: { started: number; idleMicros: number },
    mismatched: boolean,
  ): Promise<RecoveryReport> {
    const { venue } = this.#broker;
    const { policy, onAlert } = this.#options;
    const halts = mismatched && policy === "HALT_AND_ALERT";
    const report = await this.#trading.step((step) => {
      const number = step.nextNumber("report");
      const row: ReportRow = {
        ...begun,
        ...{ venue, kind: this.#kind, policy, finished: step.time },
        discrepancies: [...this.#found.values()],
      };
      step.put(recoveryReports, number, row);
      step.put(reconciled, venue, {
        fillsThrough: this.#fillsThrough,
        time: step.time,
        report: number,
      });
      if (halts) halt(step, "mismatch", `${venue} differs: report ${number}`);
      return new RecoveryReport(number, row);
    });
    if (halts) onAlert?.(report);
    return report;
  }
}

function isRefusal(error: unknown): boolean {
  return REFUSALS.some((code) => isHoldfastError(error, code));
}

/** Texts of the venue are as long, and as odd, as it likes; the report must not fail on them. */
function bounded(text: string): string {
  return Buffer.from(text.slice(0, CHARACTERS_MAX)).toString();
}
