/** `holdfast book`: the top of an order book, drawn. */
import type { Command } from "commander";
import type { BookLevel } from "../books/reader.js";
import type { Decimal } from "../codec/decimal.js";
import { formatNumber, formatTable, write, writeLine } from "./output.js";
import { countOf } from "./range-flags.js";
import { bookNamed, type StoredBook, withBooks } from "./stored-books.js";

/** Levels of each side where nothing says how many. */
const LEVELS_DEFAULT = 10;

/** Characters of the longest bar. */
const BAR_WIDTH = 40;

const EIGHTHS = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

interface Flags {
  readonly levels?: number;
  readonly at?: string;
  readonly json?: boolean;
}

/** Adds the command to a program. */
export function registerBook(program: Command): void {
  program
    .command("book")
    .summary("print the top of an order book")
    .description(
      "Prints the order books of a store, or the best levels of one, asks above bids, each with\n" +
        "a bar as long as its quantity. Reads only; needs neither the application nor the lock.\n" +
        "Exit codes: 0 printed, 1 failed, 2 could not look.",
    )
    .argument("<dir>", "directory of the store")
    .argument("[name]", "name of the book")
    .option("--levels <count>", `levels of each side (default: ${LEVELS_DEFAULT})`, countOf)
    .option("--at <point>", "the book as it was: a sequence, a time, or a snapshot")
    .option("--json", "one JSON object, of each book on a line")
    .action(async (directory: string, name: string | undefined, flags: Flags) => {
      await withBooks(directory, flags.at, async (all) => {
        if (name === undefined) return printAll(all, flags);
        return printBook(bookNamed(all, name), flags);
      });
    });
}

async function printAll(all: readonly StoredBook[], { json }: Flags): Promise<void> {
  if (json === true) {
    for (const { definition, book } of all) {
      const counts = { bids: book.count("bids"), asks: book.count("asks") };
      const { kind: _, ...told } = definition;
      await writeLine(JSON.stringify({ ...told, lastId: book.lastId ?? null, ...counts }));
    }
    return;
  }
  if (all.length === 0) return writeLine("there are no books");
  const titles = ["book", "dialect", "last update", "bids", "asks", "best bid", "best ask"];
  const rows = all.map(({ definition, book }) => [
    definition.name,
    definition.dialect,
    book.lastId === undefined ? "-" : String(book.lastId),
    formatNumber(book.count("bids")),
    formatNumber(book.count("asks")),
    String(book.best("bids")?.price ?? "-"),
    String(book.best("asks")?.price ?? "-"),
  ]);
  const columns = titles.map((title, i) => ({ title, right: i >= 2 }));
  await write(formatTable(columns, rows));
}

async function printBook({ definition, book }: StoredBook, flags: Flags): Promise<void> {
  const { bids, asks } = book.top(flags.levels ?? LEVELS_DEFAULT);
  if (flags.json === true) {
    const texts = (levels: readonly BookLevel[]) =>
      levels.map(({ price, quantity }) => [String(price), String(quantity)]);
    const { name } = definition;
    const lastId = book.lastId ?? null;
    await writeLine(JSON.stringify({ name, lastId, bids: texts(bids), asks: texts(asks) }));
    return;
  }
  const last = book.lastId === undefined ? "no snapshot yet" : `update ${book.lastId}`;
  const [bidCount, askCount] = [book.count("bids"), book.count("asks")].map(formatNumber);
  await writeLine(`${definition.name}: ${last}, ${bidCount} bids, ${askCount} asks`);
  const most = Math.max(0, ...[...bids, ...asks].map(({ quantity }) => Number(quantity)));
  const rows = [
    ...asks.toReversed().map((level) => rowOf("ask", level, most)),
    ...bids.map((level) => rowOf("bid", level, most)),
  ];
  const columns = [
    { title: "side" },
    { title: "price", right: true },
    { title: "quantity", right: true },
    { title: "" },
  ];
  if (rows.length > 0) await write(formatTable(columns, rows));
}

function rowOf(side: string, { price, quantity }: BookLevel, most: number): string[] {
  return [side, String(price), String(quantity), bar(quantity, most)];
}

function bar(quantity: Decimal, most: number): string {
  const eighths = Math.max(1, Math.round((Number(quantity) / most) * BAR_WIDTH * 8));
  return "█".repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}
