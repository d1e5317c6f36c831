// Renders what the suites have recorded of the faults they made (test/support/fault-matrix.ts) as one
// table, between the markers of docs/fault-matrix.md: every fault of the catalogue, in its order.
//
//   npm test && npm run fault-matrix
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { CATALOGUE } from "./fault-catalogue.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const records = join(root, ".tmp", "fault-matrix");
const document = join(root, "docs", "fault-matrix.md");
const [BEGIN, END] = ["<!-- faults -->", "<!-- end of faults -->"];

const names = existsSync(records) ? readdirSync(records).filter((one) => /\.json$/.test(one)) : [];
if (names.length === 0) {
  process.stderr.write("no suite has recorded a fault: run npm test first\n");
  process.exit(1);
}
const rows = names
  .sort()
  .flatMap((name) => JSON.parse(readFileSync(join(records, name), "utf8")))
  .flatMap(({ fault, ...rest }) => numbersOf(fault).map((number) => ({ number, fault, ...rest })));

/** A record may be of several: "10, 20, 22 any byte". */
function numbersOf(fault) {
  const [list] = /^\d+(?:, \d+)*/.exec(fault) ?? [];
  const numbers = list?.split(", ").map(Number) ?? [];
  if (numbers.length > 0 && numbers.every((number) => number >= 1 && number <= CATALOGUE.length)) {
    return numbers;
  }
  throw new Error(`a suite has recorded "${fault}", which is no fault of the catalogue`);
}

/** Of records of the same fault that was made in the same way, one row. */
function gathered(list) {
  const byHow = new Map();
  for (const row of list) {
    const what = row.fault.replace(/^[\d, ]+/, "");
    const id = JSON.stringify([what, row.how, row.expected, row.observed]);
    byHow.set(id, { ...row, what, fired: (byHow.get(id)?.fired ?? 0) + row.fired });
  }
  return [...byHow.values()].sort((a, b) => (`${a.what} ${a.how}` < `${b.what} ${b.how}` ? -1 : 1));
}

const cell = (value) => String(value).replaceAll("|", "\\|").replaceAll("\n", " ");
const line = (...cells) => `| ${cells.map(cell).join(" | ")} |`;
const lines = [
  line("", "fault", "how it was made", "fired", "expected", "observed"),
  line(...Array(6).fill("---")),
];
const missing = [];
for (const { number, name, otherwise } of CATALOGUE) {
  const made = gathered(rows.filter((row) => row.number === number && row.fired > 0));
  if (made.length === 0 && otherwise === undefined) missing.push(`${number} ${name}`);
  if (made.length === 0) {
    lines.push(line(number, `**${name}**`, otherwise ?? "not recorded in this run", 0, "", ""));
    continue;
  }
  lines.push(
    line(
      number,
      `**${name}**`,
      "",
      made.reduce((sum, { fired }) => sum + fired, 0),
      "",
      "",
    ),
  );
  for (const { what, how, fired, expected, observed } of made) {
    lines.push(line("", what, how, fired, expected, observed));
  }
}
const made = CATALOGUE.length - missing.length - unmade().length;
const when = new Date(Math.max(...names.map((name) => statSync(join(records, name)).mtimeMs)));
const said =
  `${made} of ${CATALOGUE.length} faults were made, in ${names.length} suites, the last of which ` +
  `ended on ${when.toISOString().slice(0, 10)}.`;

function unmade() {
  return CATALOGUE.filter(({ number, otherwise }) => {
    return otherwise !== undefined && !rows.some((row) => row.number === number && row.fired > 0);
  });
}

const text = readFileSync(document, "utf8");
const [from, to] = [text.indexOf(BEGIN), text.indexOf(END)];
if (from < 0 || to < from) throw new Error(`${document} has lost its markers`);
const table = `${BEGIN}\n\n${said}\n\n${lines.join("\n")}\n\n`;
writeFileSync(document, text.slice(0, from) + table + text.slice(to));

process.stdout.write(`${said}\n`);
for (const { number, name } of unmade())
  process.stdout.write(`not made, and why is said: ${number} ${name}\n`);
for (const one of missing) process.stdout.write(`not recorded: ${one}\n`);
const silent = rows.filter(({ fired }) => fired === 0);
for (const { fault, how } of silent) process.stdout.write(`never fired: ${fault} (${how})\n`);
process.exitCode = missing.length + silent.length === 0 ? 0 : 1;
