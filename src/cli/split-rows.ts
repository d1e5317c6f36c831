/** Cuts the text of a file into the texts of its rows, in bounded memory. */
import { HoldfastError } from "../base/errors.js";
import { ROW_BYTES_MAX } from "../base/limits.js";

/** A row as text: escapes and base64 included, whatever fits a row fits this. */
const TEXT_CHARS_MAX = 8 * ROW_BYTES_MAX;

export interface RowText {
  /** Where it begins, from 1. */
  readonly line: number;
  readonly text: string;
}

/** Takes pieces of a file in their order, and calls back for each row. */
export abstract class RowSplitter {
  protected line = 1;
  protected readonly emit: (row: RowText) => void;
  readonly #file: string;

  constructor(file: string, emit: (row: RowText) => void) {
    this.#file = file;
    this.emit = emit;
  }

  abstract push(piece: string): void;
  /** Nothing follows. */
  abstract end(): void;

  /** Throws: nothing behind this place can be told apart. */
  protected fail(what: string, line = this.line): never {
    const message = `${this.#file}, line ${line}: ${what}`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file: this.#file });
  }

  protected checkLength(text: string, line: number): void {
    if (text.length <= TEXT_CHARS_MAX) return;
    this.fail(`a row of more than ${TEXT_CHARS_MAX} characters; is this the right format?`, line);
  }
}

/** One row a line, but for line ends within quotes of CSV. Empty lines are no rows. */
export class LineSplitter extends RowSplitter {
  readonly #quotes: boolean;
  #text = "";
  #startLine = 1;
  #inQuotes = false;

  constructor(file: string, emit: (row: RowText) => void, quotes: boolean) {
    super(file, emit);
    this.#quotes = quotes;
  }

  push(piece: string): void {
    let from = 0;
    for (let at = piece.indexOf("\n"); at >= 0; at = piece.indexOf("\n", from)) {
      this.#add(piece.slice(from, at));
      this.line++;
      from = at + 1;
      if (this.#inQuotes) this.#text += "\n";
      else this.#emit();
    }
    this.#add(piece.slice(from));
    this.checkLength(this.#text, this.#startLine);
  }

  end(): void {
    if (this.#inQuotes) this.fail("a quote is never closed", this.#startLine);
    this.#emit();
  }

  #add(part: string): void {
    if (this.#quotes) {
      for (let at = part.indexOf('"'); at >= 0; at = part.indexOf('"', at + 1)) {
        this.#inQuotes = !this.#inQuotes;
      }
    }
    this.#text += part;
  }

  #emit(): void {
    const text = this.#text.endsWith("\r") ? this.#text.slice(0, -1) : this.#text;
    if (text !== "") this.emit({ line: this.#startLine, text });
    this.#text = "";
    this.#startLine = this.line;
  }
}

/** The elements of one JSON array; what is in them is checked by whoever parses them. */
export class ArraySplitter extends RowSplitter {
  #state: "before" | "first" | "element" | "behind" = "before";
  #text = "";
  #startLine = 1;
  #depth = 0;
  #inString = false;
  #escaped = false;

  push(piece: string): void {
    let from = 0;
    for (let at = 0; at < piece.length; at++) {
      const character = piece[at] as string;
      if (character === "\n") this.line++;
      if (this.#inString) this.#string(character);
      else if (this.#structure(character)) {
        this.#text += piece.slice(from, at);
        this.#boundary(character);
        from = at + 1;
      }
    }
    if (this.#state === "first" || this.#state === "element") {
      this.#text += piece.slice(from);
      this.checkLength(this.#text, this.#startLine);
    }
  }

  end(): void {
    if (this.#state === "before") this.fail('expected a JSON array, which begins with "["');
    if (this.#state !== "behind") this.fail("the array ends within an element, or has no end");
  }

  #string(character: string): void {
    if (this.#escaped) this.#escaped = false;
    else if (character === "\\") this.#escaped = true;
    else if (character === '"') this.#inString = false;
  }

  /** Whether the character stands between elements. */
  #structure(character: string): boolean {
    if (this.#state === "before" || this.#state === "behind") {
      if (/\s/.test(character)) return false;
      if (this.#state === "before" && character === "[") return true;
      const what = this.#state === "before" ? "expected a JSON array" : "text behind the array";
      return this.fail(`${what}, got ${JSON.stringify(character)}`);
    }
    if (this.#depth === 0 && (character === "," || character === "]")) return true;
    if (character === '"') this.#inString = true;
    else if (character === "{" || character === "[") this.#depth++;
    else if (character === "}" || character === "]") this.#depth--;
    if (this.#depth < 0) this.fail(`"${character}" closes nothing`);
    return false;
  }

  #boundary(character: string): void {
    if (character === "[" && this.#state === "before") {
      this.#state = "first";
      this.#text = "";
      this.#startLine = this.line;
      return;
    }
    const text = this.#text.trim();
    const none = text === "" && this.#state === "first" && character === "]";
    if (text === "" && !none) this.fail("an element is missing");
    if (!none) {
      const leading = this.#text.slice(0, this.#text.indexOf(text));
      this.emit({ line: this.#startLine + leading.split("\n").length - 1, text });
    }
    this.#text = "";
    this.#startLine = this.line;
    this.#state = character === "]" ? "behind" : "element";
  }
}
