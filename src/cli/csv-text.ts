/** CSV as RFC 4180 has it: cells with commas, quotes or line ends stand in quotes. */

/** `quoted` tells an empty text ("") from no value at all. */
export interface Cell {
  readonly text: string;
  readonly quoted: boolean;
}

const NEEDS_QUOTES = /^$|^[ \t\ufeff]|[ \t]$|[",\r\n]/;

/** A cell with a value; one without is an empty text between two commas. */
export function csvCell(text: string): string {
  return NEEDS_QUOTES.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** The cells of one record without its line end; a text that says what is wrong with it. */
export function parseCsvRecord(record: string): readonly Cell[] | string {
  const cells: Cell[] = [];
  let at = 0;
  for (;;) {
    const quoted = record[at] === '"';
    const end = quoted ? closingQuote(record, at) + 1 : comma(record, at);
    if (quoted && end === 0) return "a quote is not closed";
    const raw = record.slice(at, end);
    const text = quoted ? raw.slice(1, -1).replaceAll('""', '"') : raw;
    if (!quoted && text.includes('"'))
      return "a quote stands within a cell that has none around it";
    cells.push({ text, quoted });
    if (end === record.length) return cells;
    if (record[end] !== ",") return "something follows behind a closing quote";
    at = end + 1;
  }
}

function comma(record: string, from: number): number {
  const at = record.indexOf(",", from);
  return at < 0 ? record.length : at;
}

/** -1 if there is none. */
function closingQuote(record: string, open: number): number {
  for (let at = record.indexOf('"', open + 1); at >= 0; at = record.indexOf('"', at + 2)) {
    if (record[at + 1] !== '"') return at;
  }
  return -1;
}
