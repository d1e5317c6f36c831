/** The program of docs/backup.md prints what the document says. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const text = readFileSync(new URL("../../docs/backup.md", import.meta.url), "utf8");

function block(language: string): string {
  return new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? "";
}

beforeAll(() => {
  ensureBuilt();
});

test("docs/backup.md is a program that prints what it says", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = block("js").replace('from "holdfast"', `from ${JSON.stringify(index)}`);
    expect(program).toContain(index);
    writeFileSync(join(directory, "backup.mjs"), program);
    const printed = execFileSync(process.execPath, ["backup.mjs"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
    });
    expect(printed).toBe(block("text"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("every option that the document shows is one", async () => {
  const { toOptions } = await import("../../src/store/options.js");
  const shown = [...text.matchAll(/open\("state", (\{.*\})\);/g)].map(
    (match) => match[1] as string,
  );
  expect(shown.length).toBe(3);
  for (const options of shown) {
    expect(() => toOptions(new Function(`return ${options}`)()), options).not.toThrow();
  }
});
