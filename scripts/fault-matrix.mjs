// Renders what the suites have recorded of the faults they made (test/support/fault-matrix.ts) as one
// table, between the markers of docs/fault-matrix.md.
//
//   npm test && npm run fault-matrix
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const records = join(root, ".tmp", "fault-matrix");
const document = join(root, "docs", "fault-matrix.md");
const [BEGIN, END] = ["<!-- faults -->", "<!-- end of faults -->"];
/** Entries of the catalogue of faults. */
const CATALOGUE = 67;

const names = existsSync(records) ? readdirSync(records).filter((one) => /\.json$/.test(one)) : [];
if (names.length === 0) {
  process.stderr.write("no suite has recorded a fault: run npm test first\n");
  process.exit(1);
}
const numberOf = ({ fault }) => Number.parseInt(fault, 10);
const rows = names
  .sort()
  .flatMap((name) => JSON.parse(readFileSync(join(records, name), "utf8")))
  .sort((a, b) => numberOf(a) - numberOf(b) || (a.how < b.how ? -1 : 1));

const cell = (value) => String(value).replaceAll("|", "\\|").replaceAll("\n", " ");
const lines = [
  "| fault | how | fired | expected | observed |",
  "|---|---|---|---|---|",
  ...rows.map(({ fault, how, fired, expected, observed }) => {
    return `| ${[fault, how, fired, expected, observed].map(cell).join(" | ")} |`;
  }),
];
const text = readFileSync(document, "utf8");
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
if (from < 0 || to < from) throw new Error(`${document} has lost its markers`);
const table = `${BEGIN}\n\n${lines.join("\n")}\n\n`;
writeFileSync(document, text.slice(0, from) + table + text.slice(to));

const known = new Set(rows.filter(({ fired }) => fired > 0).map(numberOf));
const missing = Array.from({ length: CATALOGUE }, (_, i) => i + 1).filter((n) => !known.has(n));
process.stdout.write(`${known.size} of ${CATALOGUE} faults of the catalogue have fired\n`);
if (missing.length > 0) process.stdout.write(`none of: ${missing.join(", ")}\n`);
const silent = rows.filter(({ fired }) => fired === 0);
for (const { fault, how } of silent) process.stdout.write(`never fired: ${fault} (${how})\n`);
process.exitCode = silent.length === 0 ? 0 : 1;
