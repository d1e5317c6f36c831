/** The program of docs/blobs.md prints what the document says, and the command reads its store. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { holdfast, jsonLines } from "../cli/stores.js";
import { ensureBuilt } from "../support/built.js";

const text = readFileSync(new URL("../../docs/blobs.md", import.meta.url), "utf8");
const directory = mkdtempSync(join(tmpdir(), "holdfast-"));

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";
}

beforeAll(() => {
  ensureBuilt();
  const index = new URL("../../dist/index.js", import.meta.url).href;
  const program = block("js").replace('from "holdfast"', `from ${JSON.stringify(index)}`);
  expect(program).toContain(index);
  writeFileSync(join(directory, "blobs.mjs"), program);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test("docs/blobs.md is a program that prints what it says", () => {
  const env = { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" };
  const options = { cwd: directory, encoding: "utf8", env } as const;
  expect(execFileSync(process.execPath, ["blobs.mjs"], options)).toBe(block("text"));
});

test("its blobs are listed, and come out", async () => {
  const state = join(directory, "state");
  const versions = await jsonLines("blob", "list", state, "model");
  expect(versions).toMatchObject([
    { version: 2, tags: { epoch: "2" }, pins: 0 },
    { version: 3, tags: {}, pins: 1 },
  ]);
  const out = join(directory, "out.safetensors");
  expect((await holdfast("blob", "get", state, "model", out)).code).toBe(0);
  expect(readFileSync(out)).toHaveLength(2_000_164);
});
