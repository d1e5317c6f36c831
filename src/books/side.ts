/**
 * One side of a book: levels in the order of their prices, the best last, where nearly all changes
 * happen. Prices and quantities are integers at the scales of the book.
 */
export class BookSide {
  /** +1 for bids, of which the highest is the best, -1 for asks. */
  readonly sign: 1 | -1;
  /** Prices times the sign, ascending. */
  keys: Float64Array = new Float64Array(64);
  quantities: Float64Array = new Float64Array(64);
  length = 0;

  constructor(sign: 1 | -1) {
    this.sign = sign;
  }

  /** The best price; undefined where there is no level. */
  get best(): number | undefined {
    return this.length === 0 ? undefined : (this.keys[this.length - 1] as number) * this.sign;
  }

  /** Place of the first level that is no worse than that price. */
  placeOf(price: number): number {
    const { keys, sign } = this;
    const key = price * sign;
    let low = 0;
    let high = this.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((keys[middle] as number) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** 0 where there is no such level. */
  quantityAt(price: number): number {
    const at = this.placeOf(price);
    return at < this.length && this.keys[at] === price * this.sign
      ? (this.quantities[at] as number)
      : 0;
  }

  /** Gives a level another quantity, 0: none. Returns the one that it had. */
  set(price: number, quantity: number): number {
    const { keys, quantities, length } = this;
    const at = this.placeOf(price);
    const key = price * this.sign;
    if (at < length && keys[at] === key) {
      const before = quantities[at] as number;
      if (quantity !== 0) quantities[at] = quantity;
      else {
        keys.copyWithin(at, at + 1, length);
        quantities.copyWithin(at, at + 1, length);
        this.length--;
      }
      return before;
    }
    if (quantity === 0) return 0;
    if (length === keys.length) this.#grow();
    this.keys.copyWithin(at + 1, at, length);
    this.quantities.copyWithin(at + 1, at, length);
    this.keys[at] = key;
    this.quantities[at] = quantity;
    this.length++;
    return 0;
  }

  /** One that is better than all there are. */
  push(key: number, quantity: number): void {
    if (this.length === this.keys.length) this.#grow();
    this.keys[this.length] = key;
    this.quantities[this.length++] = quantity;
  }

  #grow(): void {
    const { keys, quantities } = this;
    this.keys = new Float64Array(2 * keys.length);
    this.keys.set(keys);
    this.quantities = new Float64Array(2 * quantities.length);
    this.quantities.set(quantities);
  }
}
