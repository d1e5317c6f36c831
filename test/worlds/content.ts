/**
 * Contents of files as numbers: equal contents are one object, so that images of a disk can be told
 * apart without looking at their bytes.
 */
import { assert } from "../../src/base/assert.js";

const PAGE_BYTES = 4096;

export interface Content {
  readonly id: number;
  readonly size: number;
  /** Numbers of pages. What is behind the end is zero. */
  readonly pages: readonly number[];
}

/** One change of a file that has not reached the device for good. */
export interface Change {
  readonly offset: number;
  /** Undefined: the file is cut off at `offset`, or grows to it. */
  readonly bytes: Uint8Array | undefined;
}

export class Contents {
  readonly empty: Content;
  readonly #pages: (Uint8Array | undefined)[] = [];
  #kept = 0;
  readonly #pageNumbers = new Map<number, number>();
  readonly #contents = new Map<string, Content>();
  /** What a change makes of a content. */
  readonly #changed = new Map<Change, Map<number, Content>>();
  /** The bytes of contents that were asked for, by their ids. */
  readonly #whole = new Map<number, Uint8Array>();
  readonly #zero: number;

  constructor() {
    this.#zero = this.#page(new Uint8Array(PAGE_BYTES));
    this.empty = this.#content(0, []);
  }

  of(bytes: Uint8Array): Content {
    return this.#change(this.empty, { offset: 0, bytes });
  }

  /** Nobody may change them: images have most of their files in common. */
  bytes({ id, size, pages }: Content): Uint8Array {
    let whole = this.#whole.get(id);
    if (whole === undefined) {
      const all = new Uint8Array(pages.length * PAGE_BYTES);
      for (const [at, page] of pages.entries()) all.set(this.#pages[page]!, at * PAGE_BYTES);
      whole = all.subarray(0, size);
      this.#whole.set(id, whole);
    }
    return whole;
  }

  apply(content: Content, change: Change): Content {
    let known = this.#changed.get(change);
    if (known === undefined) {
      known = new Map();
      this.#changed.set(change, known);
    }
    let changed = known.get(content.id);
    if (changed === undefined) {
      changed = this.#change(content, change);
      known.set(content.id, changed);
    }
    return changed;
  }

  /** From here on `forget` leaves what there is now. */
  keep(): void {
    this.#kept = this.#pages.length;
  }

  /** Bytes that nobody will ask for again. Equal ones keep their numbers when they come again. */
  forget(): void {
    this.#changed.clear();
    this.#whole.clear();
    this.#pages.fill(undefined, this.#kept);
  }

  #change(content: Content, { offset, bytes }: Change): Content {
    if (bytes === undefined) return this.#resize(content, offset);
    const end = offset + bytes.length;
    const size = Math.max(content.size, end);
    const pages = content.pages.slice();
    while (pages.length * PAGE_BYTES < size) pages.push(this.#zero);
    for (let at = offset; at < end; ) {
      const page = Math.floor(at / PAGE_BYTES);
      const next = Math.min((page + 1) * PAGE_BYTES, end);
      const part = bytes.subarray(at - offset, next - offset);
      if (part.length === PAGE_BYTES) pages[page] = this.#page(part);
      else {
        const whole = this.#pages[pages[page]!]!.slice();
        whole.set(part, at - page * PAGE_BYTES);
        pages[page] = this.#page(whole);
      }
      at = next;
    }
    return this.#content(size, pages);
  }

  #resize({ pages: before }: Content, size: number): Content {
    const count = Math.ceil(size / PAGE_BYTES);
    const pages = before.slice(0, count);
    while (pages.length < count) pages.push(this.#zero);
    const within = size % PAGE_BYTES;
    if (within !== 0) {
      const last = this.#pages[pages[count - 1]!]!.slice();
      last.fill(0, within);
      pages[count - 1] = this.#page(last);
    }
    return this.#content(size, pages);
  }

  #content(size: number, pages: readonly number[]): Content {
    const key = `${size}:${pages.join()}`;
    let content = this.#contents.get(key);
    if (content === undefined) {
      content = { id: this.#contents.size, size, pages };
      this.#contents.set(key, content);
    }
    return content;
  }

  #page(bytes: Uint8Array): number {
    const key = hashOf(bytes);
    const known = this.#pageNumbers.get(key);
    if (known !== undefined) {
      this.#pages[known] ??= bytes.slice();
      return known;
    }
    const page = this.#pages.length;
    this.#pages.push(bytes.slice());
    this.#pageNumbers.set(key, page);
    return page;
  }
}

/** 53 bits: among a million pages two that differ are taken for one with a chance of 1 in 18,000. */
function hashOf(bytes: Uint8Array): number {
  assert(bytes.length === PAGE_BYTES, "a page is whole");
  const copy = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
  const words = new Int32Array(copy.buffer, copy.byteOffset, PAGE_BYTES / 4);
  let a = 0x811c9dc5;
  let b = 0x01234567;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === 0) {
      a = (Math.imul(a, 0x01000193) + i) | 0;
      continue;
    }
    a = Math.imul(a ^ word, 0x01000193) ^ (a >>> 15);
    b = Math.imul(b ^ word ^ i, 0x85ebca6b);
    b ^= b >>> 13;
  }
  return (a >>> 0) * 0x20_0000 + ((b >>> 0) & 0x1f_ffff);
}
