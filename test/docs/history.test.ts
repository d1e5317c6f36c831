/** The programs of docs/history.md print what the document says. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const text = readFileSync(new URL("../../docs/history.md", import.meta.url), "utf8");

function blocks(language: string): string[] {
  const found = text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"));
  return [...found].map(([, block]) => block as string);
}

const printed = blocks("text");
const programs = blocks("js").map((program, i) => ({ i, program, printed: printed[i] }));

beforeAll(() => {
  ensureBuilt();
});

test.each(programs)("program $i of docs/history.md prints what it says", (one) => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = one.program.replace('from "holdfast"', `from ${JSON.stringify(index)}`);
    expect(program).toContain(index);
    writeFileSync(join(directory, "history.mjs"), program);
    const output = execFileSync(process.execPath, ["history.mjs"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
    });
    expect(output).toBe(one.printed);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
