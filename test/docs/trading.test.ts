/** Every example of docs/trading.md is a program, and prints what the page says. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const page = readFileSync(new URL("../../docs/trading.md", import.meta.url), "utf8");
const examples = [
  ...page.matchAll(/```js\n([\s\S]*?)```\n\nprints\n\n```text\n([\s\S]*?)```/g),
].map(([, program, printed], index) => ({ number: index + 1, program, printed }));

beforeAll(() => {
  ensureBuilt();
});

test("there are examples, and none is without what it prints", () => {
  expect(examples.length).toBeGreaterThan(3);
  expect(page.match(/```js\n/g)).toHaveLength(examples.length);
});

test.each(examples)("example $number prints what the page says", ({ program, printed }) => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  const at = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);
  try {
    const whole = (program as string)
      .replaceAll('from "holdfast"', `from ${at("index.js")}`)
      .replaceAll('from "holdfast/trading"', `from ${at("trading/index.js")}`);
    writeFileSync(join(directory, "example.mjs"), whole);
    const output = execFileSync(process.execPath, ["example.mjs"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
    });
    expect(output).toBe(printed);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
