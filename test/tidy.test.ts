/** The rules of the source that a program can hold. */
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const src = fileURLToPath(new URL("../src", import.meta.url));

/** A folder imports its own files and those of lower ranks; equals do not know one another. */
const RANKS: Readonly<Record<string, number>> = {
  base: 0,
  disk: 1,
  codec: 1,
  log: 2,
  memtable: 2,
  manifest: 2,
  columns: 2,
  run: 3,
  blobs: 3,
  recovery: 4,
  snapshot: 4,
  history: 5,
  series: 5,
  books: 5,
  store: 6,
  "index.ts": 7,
  trading: 8,
  replay: 9,
  cli: 10,
};

/** log, manifest and memtable use the disk's types; nobody else skips a neighbour's door. */
const LINES_MAX = 400;
const COLUMNS_MAX = 100;

interface SourceFile {
  readonly name: string;
  readonly text: string;
  readonly lines: readonly string[];
}

const files: SourceFile[] = readdirSync(src, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => {
    const path = join(entry.parentPath, entry.name);
    const text = readFileSync(path, "utf8");
    return { name: relative(src, path), text, lines: text.split("\n") };
  });

function folderOf(name: string): string {
  return name.split("/")[0] as string;
}

function importsOf(file: SourceFile): string[] {
  const specifiers = [...file.text.matchAll(/(?:from|import) "(\.[^"]+)"/g)].map((m) => m[1]);
  return specifiers.map((specifier) =>
    join(dirname(file.name), specifier as string).replace(/\.js$/, ".ts"),
  );
}

function offenders(test: (file: SourceFile) => boolean): string[] {
  return files.filter(test).map((file) => file.name);
}

test("there is something to check", () => {
  expect(files.length).toBeGreaterThan(40);
});

test("every folder has a rank", () => {
  expect(offenders((file) => RANKS[folderOf(file.name)] === undefined)).toEqual([]);
});

test("imports only go down", () => {
  const up = files.flatMap((file) => {
    const from = folderOf(file.name);
    return importsOf(file)
      .map(folderOf)
      .filter((to) => to !== from && (RANKS[to] as number) >= (RANKS[from] as number))
      .map((to) => `${file.name} imports from ${to}`);
  });
  expect(up).toEqual([]);
});

test("trading is built on the public names alone, as a user's code would be", () => {
  const inner = files
    .filter((file) => folderOf(file.name) === "trading")
    .flatMap(importsOf)
    .filter((name) => folderOf(name) !== "trading" && name !== "index.ts");
  expect(inner).toEqual([]);
});

test("every import leads to a file", () => {
  const names = new Set(files.map((file) => file.name));
  const dead = files.flatMap((file) =>
    importsOf(file)
      .filter((name) => !names.has(name) && !name.endsWith(".d.ts"))
      .map((name) => `${file.name} imports ${name}`),
  );
  expect(dead).toEqual([]);
});

test("no file is dead: each is imported, or is an entry", () => {
  const imported = new Set(files.flatMap(importsOf));
  const entries = new Set(["index.ts", "cli/main.ts", "trading/index.ts"]);
  const dead = offenders(
    ({ name }) => !imported.has(name) && !entries.has(name) && !name.endsWith(".d.ts"),
  );
  expect(dead).toEqual([]);
});

test("node:fs is behind the boundary to the machine, and with those who read tapes or report", () => {
  const allowed = new Set(["disk", "replay", "cli"]);
  const reports = new Set(["trading/sqlite-export.ts"]);
  const bad = offenders(
    (file) =>
      /"node:fs(\/promises)?"/.test(file.text) &&
      !allowed.has(folderOf(file.name)) &&
      !reports.has(file.name),
  );
  expect(bad).toEqual([]);
});

test("only the command prints", () => {
  const bad = offenders(
    (file) => /\bconsole\.|process\.std(out|err)/.test(file.text) && folderOf(file.name) !== "cli",
  );
  expect(bad).toEqual([]);
});

test("the clock and chance come from the disk, so that a run can be replayed", () => {
  const engine = new Set(["log", "memtable", "manifest", "recovery", "store", "codec", "base"]);
  const bad = offenders(
    (file) =>
      engine.has(folderOf(file.name)) &&
      /\bDate\.now\(|\bMath\.random\(|\bperformance\.now\(|\bset(Timeout|Interval|Immediate)\(/.test(
        file.text,
      ),
  );
  expect(bad).toEqual([]);
});

test("errors have codes: no bare Error outside base and disk", () => {
  const allowed = new Set(["base", "disk"]);
  const bad = offenders(
    (file) => /\bnew Error\(/.test(file.text) && !allowed.has(folderOf(file.name)),
  );
  expect(bad).toEqual([]);
});

test("no `using`: Node.js 20 does not know it, and the bundle takes code as it is", () => {
  expect(offenders((file) => /^\s*(await )?using \w+ = /m.test(file.text))).toEqual([]);
});

test(`no file is longer than ${LINES_MAX} lines`, () => {
  // The commit path is one state machine; taken apart, its invariants would have no one place.
  const known = new Set(["log/writer.ts"]);
  const long = offenders((file) => file.lines.length > LINES_MAX && !known.has(file.name));
  expect(long).toEqual([]);
});

test(`no line is longer than ${COLUMNS_MAX} columns, tables apart`, () => {
  const long = files.flatMap((file) =>
    file.lines
      .map((line, index) => ({ line, at: `${file.name}:${index + 1}` }))
      .filter(({ line }) => line.length > COLUMNS_MAX && !line.trim().startsWith("row("))
      .map(({ at }) => at),
  );
  expect(long).toEqual([]);
});

test("what coverage does not count has a reason beside it", () => {
  const hints = files.flatMap(({ name, text }) =>
    [...text.matchAll(/\b(?:v8|c8|istanbul) ignore\b.*/g)].map(([hint]) => `${name}: ${hint}`),
  );
  expect(hints.length).toBeGreaterThan(0);
  const withReason = /: v8 ignore (?:next|else|file) -- @preserve: \w.{20,}/;
  expect(hints.filter((hint) => !withReason.test(hint))).toEqual([]);
});

test("nothing is left for later", () => {
  expect(offenders((file) => /\b(TODO|FIXME|XXX|HACK)\b/.test(file.text))).toEqual([]);
});
