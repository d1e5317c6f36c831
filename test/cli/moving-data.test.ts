/** `holdfast export` and `import`, as a person runs them; and docs/moving-data.md does what it says. */
import { execFileSync, spawn } from "node:child_process";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { open, type Store } from "../../src/index.js";
import { ensureBuilt } from "../support/built.js";
import { makeDirectory, openStore, removeDirectories, items as table, verify } from "./frames.js";
import { balances, hashOf, holdfast, main, makeStore, positions, withWriter } from "./stores.js";

beforeAll(ensureBuilt);
afterAll(removeDirectories);

/** Runs it, and expects it to end with that code. */
async function run(code: number, ...args: string[]): Promise<string> {
  const result = await holdfast(...args);
  expect(result.code, result.stdout + result.stderr).toBe(code);
  return result.stdout + result.stderr;
}

async function rowsOf(directory: string) {
  const options = { tables: [positions, balances], environment: "test", onWarning: () => {} };
  const store = await open(directory, options);
  const rows = [positions, balances].map((table) => [...store.table(table as never).entries()]);
  await store.close();
  return rows;
}

async function makeSource(): Promise<string> {
  const directory = join(await makeDirectory(), "store");
  await makeStore(directory);
  return directory;
}

test("tables with all their rows move to a store that is made of their descriptions", async () => {
  const source = await makeSource();
  const before = hashOf(source);
  const place = await makeDirectory();
  const to = join(place, "new");
  for (const [name, format] of [
    ["positions", "json"],
    ["balances", "csv"],
  ] as const) {
    const [file, schema] = [join(place, `${name}.${format}`), join(place, `${name}.schema`)];
    await run(0, "export", source, file, "--table", name);
    await run(0, "export", source, schema, "--table", name, "--schema");
    const make = ["--table", name, "--schema", schema, "--environment", "test"];
    await run(0, "import", to, file, ...make);
  }
  expect(hashOf(source)).toBe(before);
  expect(await rowsOf(to)).toEqual(await rowsOf(source));
  expect(await verify(to)).toMatchObject({ code: 0, findings: [] });
});

describe("all or nothing", () => {
  const BAD =
    '{"key":1,"value":1,"text":"a"}\n{"key":2,"value":"x","text":"b"}\n{"key":1,"value":3,"text":"c"}\n';

  async function store(): Promise<string> {
    const directory = await makeDirectory();
    const opened = await openStore(directory);
    await opened.close();
    return directory;
  }

  async function items(directory: string): Promise<unknown[]> {
    const opened: Store = await openStore(directory);
    const rows = [...opened.table(table).entries()];
    await opened.close();
    return rows;
  }

  test("with one bad row nothing is imported, and the reasons are told", async () => {
    const directory = await store();
    const file = join(await makeDirectory(), "bad.jsonl");
    writeFileSync(file, BAD);
    const before = hashOf(directory);
    const told = await run(1, "import", directory, file, "--table", "items");
    expect(told).toContain('line 2: table "items", key 2, field "value"');
    expect(told).toContain("line 3: its key stood before in the file");
    expect(told).toContain("nothing was imported: 2 bad rows");
    expect(hashOf(directory)).toBe(before);
  });

  test("with --rejects the good ones go in, and the others are in the file with reasons", async () => {
    const directory = await store();
    const place = await makeDirectory();
    const [file, rejects] = [join(place, "bad.jsonl"), join(place, "rejects.jsonl")];
    writeFileSync(file, BAD);
    await run(1, "import", directory, file, "--table", "items", "--rejects", rejects);
    expect(await items(directory)).toEqual([[1, { value: 1, text: "a" }]]);
    const lines = readFileSync(rejects, "utf8").trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { line: 2, reason: expect.stringContaining("value") },
      { line: 3, text: '{"key":1,"value":3,"text":"c"}' },
    ]);
  });

  test("more than one transaction holds: cut short, the same command makes it whole", async () => {
    const directory = await store();
    const file = join(await makeDirectory(), "many.csv");
    const text = "x".repeat(1000);
    const rows = Array.from({ length: 9_000 }, (_, i) => `${i},${i},${text}`);
    writeFileSync(file, `key,value,text\n${rows.join("\n")}\n`);
    const importing = spawn(process.execPath, [
      main,
      "import",
      directory,
      file,
      "--table",
      "items",
    ]);
    const ended = new Promise((resolve) => importing.once("exit", resolve));
    // Killed once something is in the log, which is before all of it is.
    while (importing.exitCode === null && !(await begun(directory))) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    importing.kill("SIGKILL");
    await ended;
    const part = await items(directory);
    expect(statSync(file).size).toBeGreaterThan(4 * 1024 * 1024);
    part.forEach((row, i) => void expect((row as [number])[0]).toBe(i));
    const { rows: done, replaced } = JSON.parse(
      await run(0, "import", directory, file, "--table", "items", "--json"),
    );
    expect({ done, replaced }).toEqual({ done: 9_000, replaced: part.length });
    expect(await items(directory)).toHaveLength(9_000);
  });

  async function begun(directory: string): Promise<boolean> {
    const { stdout } = await holdfast("inspect", directory, "--json");
    const { lastSequence = 0 } = JSON.parse(stdout || "{}") as { lastSequence?: number };
    return lastSequence > 2;
  }
});

test("exporting takes no lock; importing does, and says who has it", async () => {
  const directory = join(await makeDirectory(), "held");
  await withWriter(directory, "hold", async () => {
    expect(await run(0, "export", directory, "--table", "positions")).toContain('"key":');
    const file = join(await makeDirectory(), "rows.jsonl");
    await run(0, "export", directory, file, "--table", "positions");
    expect(await run(1, "import", directory, file, "--table", "positions")).toContain("LOCKED");
  });
});

test("a named snapshot is exported as it was", async () => {
  const directory = await makeDirectory();
  const store = await openStore(directory);
  await store.table(table).put(1, { value: 1, text: "old" });
  await store.snapshot("then");
  await store.table(table).put(1, { value: 2, text: "new" });
  await store.close();
  const lines = await run(0, "export", directory, "--table", "items", "--at", "then");
  expect(lines).toBe('{"key":1,"value":1,"text":"old"}\n');
});

test.each([
  ["a table that is not there", ["--table", "none"], 2, 'has no table "none"'],
  ["an extension that tells nothing", ["--table", "items", "rows.txt"], 2, "--format is one of"],
])("export: %s", async (_, args, code, message) => {
  const directory = await makeDirectory();
  await (await openStore(directory)).close();
  expect(await run(code, "export", directory, ...args)).toContain(message);
});

test("an export that fails leaves the file that was there, and no part of another", async () => {
  const source = await makeSource();
  const file = join(await makeDirectory(), "rows.csv");
  writeFileSync(file, "mine");
  await run(2, "export", source, file, "--table", "positions", "--key", "side");
  expect(readFileSync(file, "utf8")).toBe("mine");
  expect(existsSync(`${file}.partial`)).toBe(false);
});

test("import: a store that is not there needs a description; nothing is made without", async () => {
  const place = await makeDirectory();
  const file = join(place, "rows.csv");
  writeFileSync(file, "key\n");
  const to = join(place, "new");
  expect(await run(2, "import", to, file, "--table", "t")).toContain("--schema can make one");
  expect(existsSync(to)).toBe(false);
});

test("docs/moving-data.md: the commands print what it says", async () => {
  const page = readFileSync(new URL("../../docs/moving-data.md", import.meta.url), "utf8");
  const block = (info: string) =>
    new RegExp(`\`\`\`${info}\\n([\\s\\S]*?)\`\`\``).exec(page)?.[1] as string;
  const place = await makeDirectory();
  for (const name of ["state.json", "positions.json"]) {
    writeFileSync(join(place, name), block(`json ${name}`));
  }
  const printed = block("sh run")
    .trim()
    .split("\n")
    .map((line) =>
      execFileSync(process.execPath, [main, ...line.split(" ").slice(1)], {
        cwd: place,
        encoding: "utf8",
      }),
    );
  expect(printed.join("")).toBe(block("text printed"));
});
