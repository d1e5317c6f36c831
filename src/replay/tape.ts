/** A tape opened for reading: which format it is, and its lines from a place on. */
import { badTape } from "./bad-tape.js";
import { BinanceParser, binanceInfo, isBinanceLine } from "./binance.js";
import type { TapeEvent, TapeInfo, TapeParser } from "./events.js";
import { readLines, TAPE_START, type TapeLine, type TapePlace } from "./lines.js";
import { TradesCsvParser } from "./trades-csv.js";

/** Lines looked at to tell what a tape is. Always the first of the tape, also when resuming. */
const HEAD_LINES = 200;

/** An event and where the tape stands after it. */
export interface PlacedEvent {
  readonly event: TapeEvent;
  readonly place: TapePlace;
}

/** One recorded tape, plain or gzip. */
export class Tape {
  readonly file: string;
  readonly #parser: TapeParser;

  private constructor(file: string, parser: TapeParser) {
    this.file = file;
    this.#parser = parser;
  }

  /**
   * Opens `file` and recognises its format by its first lines.
   *
   * @throws HoldfastError `BAD_TAPE` if it cannot be read or is of no known format.
   */
  static async open(file: string): Promise<Tape> {
    const head = await readHead(file);
    const first = head[0];
    if (first === undefined) throw badTape({ file, line: 0 }, "the tape is empty");
    const parser = isBinanceLine(first)
      ? new BinanceParser(file, binanceInfo(head))
      : new TradesCsvParser(file, head);
    return new Tape(file, parser);
  }

  get info(): TapeInfo {
    return this.#parser.info;
  }

  /**
   * The lines after `from`, in batches, not parsed yet: what nobody asks for is not parsed.
   *
   * @throws HoldfastError `BAD_TAPE`, see `readLines`.
   */
  batches(from: TapePlace = TAPE_START): AsyncGenerator<TapeLine[]> {
    return readLines(this.file, from);
  }

  /**
   * The event of a line; undefined for a header or an empty line.
   *
   * @throws HoldfastError `BAD_TAPE` naming file and line.
   */
  parse(line: TapeLine): TapeEvent | undefined {
    return this.#parser.parse(line.text, line.line);
  }

  /** The event of a line kept as text, without its place; see `parse`. */
  parseText(text: string, line: number): TapeEvent | undefined {
    return this.#parser.parse(text, line);
  }

  /** All events after `from`, one by one. */
  async *events(from: TapePlace = TAPE_START): AsyncGenerator<PlacedEvent> {
    for await (const lines of this.batches(from)) {
      for (const line of lines) {
        const event = this.parse(line);
        if (event !== undefined) yield { event, place: line };
      }
    }
  }
}

async function readHead(file: string): Promise<string[]> {
  const head: string[] = [];
  for await (const lines of readLines(file)) {
    for (const line of lines) {
      head.push(line.text);
      if (head.length === HEAD_LINES) return head;
    }
  }
  return head;
}
