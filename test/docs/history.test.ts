/** The programs of the documents about history and hand-over print what the documents say. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

beforeAll(() => {
  ensureBuilt();
});

test.each([
  ["history.md", ""],
  ["history.md", " replay"],
  ["handover.md", ""],
])("docs/%s%s is a program that prints what it says", (name, which) => {
  const text = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  const block = (language: string): string =>
    new RegExp(`\`\`\`${language}${which}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = block("js").replace('from "holdfast"', `from ${JSON.stringify(index)}`);
    expect(program).toContain(index);
    writeFileSync(join(directory, "program.mjs"), program);
    const printed = execFileSync(process.execPath, ["program.mjs"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
    });
    expect(printed).toBe(block("text"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
