/** The command as such: help, usage, errors in one line, exit codes, and readers that leave. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";
import { holdfast, main, Stores } from "./stores.js";

const stores = new Stores();

beforeAll(async () => {
  ensureBuilt();
  await stores.begin();
});
afterAll(() => stores.end());

const COMMANDS = [
  "replay",
  "inspect",
  "log",
  "verify",
  "at",
  "history",
  "diff",
  "tail",
  "rollback",
  "series",
  "book",
  "snapshot",
  "restore",
  "backup",
  "fork",
  "compare",
  "salvage",
  "migrate",
  "export",
  "import",
  "doctor",
];

test("--help names every command in the order of a first acquaintance, with examples", async () => {
  const { code, stdout, stderr } = await holdfast("--help");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const commands = [...stdout.matchAll(/^ {2}(\w+) (?:\[options\] )?<\w+>/gm)].map(
    ([, name]) => name,
  );
  expect(commands).toEqual(COMMANDS);
  expect(stdout).toContain("Examples:");
});

test("every command explains itself", async () => {
  for (const command of COMMANDS) {
    const { code, stdout } = await holdfast(command, "--help");
    expect(code).toBe(0);
    expect(stdout).toContain(`Usage: holdfast ${command} `);
    expect(stdout).toContain("--json");
  }
});

test("without a command it helps, and says that it did nothing", async () => {
  const { code, stdout, stderr } = await holdfast();
  expect(code).toBe(2);
  expect(stdout + stderr).toContain("Usage: holdfast ");
});

test("--version is that of the package", async () => {
  const path = new URL("../../package.json", import.meta.url);
  const { version } = JSON.parse(readFileSync(path, "utf8")) as { version: string };
  expect(await holdfast("--version")).toEqual({ code: 0, stdout: `${version}\n`, stderr: "" });
});

test.each([
  [["inspct", "dir"], "unknown command 'inspct'"],
  [["inspect"], "missing required argument 'dir'"],
  [["inspect", "dir", "--yaml"], "unknown option '--yaml'"],
  [["log", "a", "b"], "too many arguments"],
  [["log", "dir", "--limit", "-3"], "It must be a whole number"],
])("wrong usage %j: exit code 2 and a hint", async (args, message) => {
  const { code, stdout, stderr } = await holdfast(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(message);
  expect(stderr).toContain("--help tells more");
});

test("an error is one line with its code", async () => {
  const { code, stderr } = await holdfast("inspect", "/nowhere/at/all");
  expect(code).toBe(2);
  expect(stderr).toMatch(/^holdfast: IO: ENOENT: .*\/nowhere\/at\/all.*\n$/);
});

test("a reader that leaves ends it quietly", async () => {
  const child = spawn(process.execPath, [main, "log", await stores.copy(), "--json"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  child.stderr.on("data", (text) => {
    stderr += text;
  });
  child.stdout.destroy();
  await once(child, "close");
  expect(stderr).toBe("");
});

test("through a shell: `| head -1` gives the first line", async () => {
  const directory = await stores.copy();
  const command = `"${process.execPath}" "${main}" log "${directory}" | head -1`;
  const stdout = execFileSync("sh", ["-c", command], { encoding: "utf8" });
  expect(stdout).toMatch(/^1 {2}\d{4}-.* {2}tester\n$/);
});
