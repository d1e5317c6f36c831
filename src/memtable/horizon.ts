/** Which rows have to stay in memory: what the runs lack, and what an open view may ask for. */

/** One open view: the state at `sequence`, read with the runs that held all up to `through`. */
export interface ViewMark {
  readonly sequence: number;
  readonly through: number;
}

/** Below the sequence of every row, that of a row from a run included. */
const NO_VIEW = -2;

/** One for a store; its tables share it. */
export class Horizon {
  #through = 0;
  readonly #views = new Set<ViewMark>();
  /** Greatest sequence that a view shows: a row of a later one is none of any view's. */
  newestView = NO_VIEW;
  /** Counts what may have made more rows superfluous. */
  version = 0;

  /** Every transaction up to this one is in the runs. */
  get through(): number {
    return this.#through;
  }

  get views(): number {
    return this.#views.size;
  }

  advance(through: number): void {
    this.#through = through;
    this.version++;
  }

  openView(sequence: number): ViewMark {
    const mark = { sequence, through: this.#through };
    this.#views.add(mark);
    this.newestView = Math.max(this.newestView, sequence);
    return mark;
  }

  closeView(mark: ViewMark): void {
    this.#views.delete(mark);
    this.newestView = NO_VIEW;
    for (const { sequence } of this.#views) this.newestView = Math.max(this.newestView, sequence);
    this.version++;
  }

  /** Some view shows a row of that sequence, and has it from memory only. */
  neededByView(sequence: number): boolean {
    for (const view of this.#views) {
      if (view.through < sequence && sequence <= view.sequence) return true;
    }
    return false;
  }
}
