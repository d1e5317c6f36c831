/** Which transactions can still be read one by one, from the log and from archives. */

export class Coverage {
  /** In the order of their sequences, apart from one another. */
  readonly #ranges: { first: number; last: number }[] = [];

  add(first: number, last: number): void {
    if (last < first) return;
    const end = this.#ranges.at(-1);
    if (end !== undefined && first >= end.first && first <= end.last + 1) {
      end.last = Math.max(end.last, last);
      return;
    }
    const all = [...this.#ranges, { first, last }].sort((a, b) => a.first - b.first);
    this.#ranges.length = 0;
    for (const range of all) {
      const before = this.#ranges.at(-1);
      if (before === undefined || range.first > before.last + 1) this.#ranges.push(range);
      else before.last = Math.max(before.last, range.last);
    }
  }

  covers(first: number, last: number): boolean {
    return this.#ranges.some((range) => range.first <= first && last <= range.last);
  }

  /** The first transaction from which on all are there, up to the last one; 0 for none. */
  get contiguousFrom(): number {
    return this.#ranges.at(-1)?.first ?? 0;
  }
}
