/** The programs of the documents about history and hand-over print what the documents say. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

interface Program {
  readonly name: string;
  readonly source: string;
  readonly printed: string | undefined;
}

function programsOf(name: string): Program[] {
  const text = readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
  const blocks = (language: string): string[] => {
    const found = text.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"));
    return [...found].map(([, block]) => block as string);
  };
  const printed = blocks("text");
  return blocks("js").map((source, i) => ({
    name: `${name} ${i + 1}`,
    source,
    printed: printed[i],
  }));
}

beforeAll(() => {
  ensureBuilt();
});

test.each(["history.md", "handover.md"].flatMap(programsOf))(
  "program of docs/$name prints what it says",
  (one) => {
    const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
    try {
      const index = new URL("../../dist/index.js", import.meta.url).href;
      const source = one.source.replace('from "holdfast"', `from ${JSON.stringify(index)}`);
      expect(source).toContain(index);
      writeFileSync(join(directory, "program.mjs"), source);
      const output = execFileSync(process.execPath, ["program.mjs"], {
        cwd: directory,
        encoding: "utf8",
        env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
      });
      expect(output).toBe(one.printed);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  },
);
