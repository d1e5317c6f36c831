/**
 * JSON whose numbers keep their digits: `JSON.parse` would make a double of 0.1000000000000000055,
 * and a decimal of that double would be another one than the file has.
 */
import { ValueProblem } from "../codec/value-problem.js";

/** Deeper than any value of a schema can be; parsing recurses, and a stack is finite. */
const DEPTH_MAX = 64;

/** A number as it stands in the text. */
export class NumberText {
  constructor(readonly text: string) {}
}

const NUMBER = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;
const SPACE = /[ \t\r\n]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids exactly these in a string
const STRING = /"(?:[^"\\\u0000-\u001f]|\\.)*"/y;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ["true", true],
  ["false", false],
  ["null", null],
]);

/** The value of one JSON text. Throws ValueProblem; a name that stands twice is one. */
export function parseJson(text: string): unknown {
  const parser = new Parser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

class Parser {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw new ValueProblem(`nested more than ${DEPTH_MAX} deep`);
    this.#skip();
    const character = this.#text[this.#at];
    if (character === "{") return this.#object(depth);
    if (character === "[") return this.#array(depth);
    if (character === '"') return this.#string();
    const number = this.#match(NUMBER);
    if (number !== undefined) return new NumberText(number);
    for (const [word, value] of WORDS) {
      if (!this.#text.startsWith(word, this.#at)) continue;
      this.#at += word.length;
      return value;
    }
    throw this.#unexpected("a value");
  }

  end(): void {
    this.#skip();
    if (this.#at < this.#text.length) throw this.#unexpected("the end");
  }

  #object(depth: number): Readonly<Record<string, unknown>> {
    const members: Record<string, unknown> = Object.create(null);
    this.#list("}", () => {
      if (this.#text[this.#at] !== '"') throw this.#unexpected("a name");
      const name = this.#string();
      if (name in members) throw new ValueProblem(`${JSON.stringify(name)} stands twice`);
      this.#skip();
      this.#take(":");
      members[name] = this.value(depth + 1);
    });
    return members;
  }

  #array(depth: number): readonly unknown[] {
    const items: unknown[] = [];
    this.#list("]", () => items.push(this.value(depth + 1)));
    return items;
  }

  #list(end: string, item: () => void): void {
    this.#at++;
    this.#skip();
    if (this.#text[this.#at] === end) {
      this.#at++;
      return;
    }
    for (;;) {
      this.#skip();
      item();
      this.#skip();
      if (this.#text[this.#at] === end) break;
      this.#take(",");
    }
    this.#at++;
  }

  #string(): string {
    const start = this.#at;
    const token = this.#match(STRING);
    if (token !== undefined) {
      try {
        return JSON.parse(token) as string;
      } catch {
        // An escape that is none.
      }
    }
    this.#at = start;
    throw this.#unexpected("a string");
  }

  #skip(): void {
    this.#match(SPACE);
  }

  #take(character: string): void {
    if (this.#text[this.#at] !== character) throw this.#unexpected(`"${character}"`);
    this.#at++;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #unexpected(expected: string): ValueProblem {
    const found = this.#text.slice(this.#at, this.#at + 12);
    const what = found === "" ? "the end" : JSON.stringify(found);
    return new ValueProblem(`no JSON: expected ${expected} at character ${this.#at}, got ${what}`);
  }
}
