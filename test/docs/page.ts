/** A document with one program in it, and what that prints: it does, in a directory of its own. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

/**
 * Declares the test of `docs/<name>.md`, before those that look at the store "state" which its
 * program leaves in the directory.
 */
export function testPage(name: string): { readonly directory: string; readonly state: string } {
  const text = readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  const block = (language: string): string =>
    new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";

  beforeAll(() => {
    ensureBuilt();
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = block("js").replace('from "holdfast"', `from ${JSON.stringify(index)}`);
    expect(program).toContain(index);
    writeFileSync(join(directory, "program.mjs"), program);
  });

  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  test(`docs/${name}.md is a program that prints what it says`, () => {
    const env = { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" };
    const options = { cwd: directory, encoding: "utf8", env } as const;
    expect(execFileSync(process.execPath, ["program.mjs"], options)).toBe(block("text"));
  });
  return { directory, state: join(directory, "state") };
}
