/** The checks of a store: rules over several tables, which a transaction has to keep. */
import { HoldfastError } from "../base/errors.js";
import type { StoreCheck } from "./options.js";
import type { TransactionRunner } from "./transaction.js";

export class StoreChecks {
  readonly #checks: readonly (StoreCheck & { readonly names: ReadonlySet<string> })[];

  constructor(checks: readonly StoreCheck[]) {
    this.#checks = checks.map((check) => ({
      ...check,
      holds: check.holds.bind(check),
      names: new Set(check.tables.map((table) => table.name)),
    }));
  }

  get any(): boolean {
    return this.#checks.length > 0;
  }

  /** Those that the running transaction concerns. Throws CHECK_FAILED. */
  run(runner: TransactionRunner): void {
    for (const check of this.#checks) {
      if (!runner.touches(check.names)) continue;
      runner.readOnly(() => {
        const held = check.holds(runner, runner.changes());
        if (held === true) return;
        const why = typeof held === "string" ? `: ${held}` : "";
        throw new HoldfastError("CHECK_FAILED", `check "${check.name}" failed${why}`, {
          check: check.name,
        });
      });
    }
  }
}
