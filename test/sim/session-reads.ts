/** Reads of a running store and of views of it, held against the model. */
import { HoldfastError, type View } from "../../src/index.js";
import { compareStates, copyState, type State } from "./model.js";
import { comparePoint, compareRange, readState, tableOf } from "./reading.js";
import type { TableName } from "./tables.js";
import type { Session } from "./workload.js";

/** Views that are open at once. */
const VIEWS_AT_ONCE = 3;

interface HeldView {
  readonly view: View;
  readonly state: State;
}

export class SessionReads {
  readonly #session: Session;
  #views: HeldView[] = [];

  constructor(session: Session) {
    this.#session = session;
  }

  /** A read that fails needs a fault to explain it, as anything does. */
  reading(compare: () => string | undefined): boolean {
    let wrong: string | undefined;
    try {
      wrong = compare();
    } catch (error) {
      if (!this.#session.alive() || !(error instanceof HoldfastError)) throw error;
      this.#session.run.refused("read", error);
      return false;
    }
    this.#session.run.check(wrong === undefined, wrong ?? "");
    return true;
  }

  read(name: TableName): void {
    const table = this.#session.table(name);
    const compare = this.#session.random.chance(0.4) ? comparePoint : compareRange;
    this.reading(() =>
      compare(table, name, this.#session.run.model.memory[name], this.#session.random),
    );
  }

  openView(): void {
    if (this.#views.length >= VIEWS_AT_ONCE) this.#views.shift()?.view.release();
    let view: View;
    try {
      view = this.#session.store.view();
    } catch (error) {
      this.#session.refused(error, undefined);
      return;
    }
    this.#session.noteFlush();
    this.#session.run.check(view.sequence === this.#session.store.lastSequence, "a view is of now");
    this.#views.push({ view, state: copyState(this.#session.run.model.memory) });
  }

  readView(): void {
    if (this.#views.length === 0) return;
    const held = this.#session.random.pick(this.#views);
    const { view, state } = held;
    const { definitions } = this.#session.run;
    const right = this.reading(() => {
      if (this.#session.random.chance(0.3)) {
        return compareStates(state, readState(view, definitions, this.#session.tables));
      }
      const name = this.#session.random.pick(this.#session.tables);
      const table = tableOf(view, definitions, name);
      const compare = this.#session.random.chance(0.5) ? comparePoint : compareRange;
      return compare(table, name, state[name], this.#session.random);
    });
    if (right) this.#session.run.count("view compared");
    if (!this.#session.random.chance(0.15)) return;
    view.release();
    this.#views = this.#views.filter((one) => one !== held);
  }
}
