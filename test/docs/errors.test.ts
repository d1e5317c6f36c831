import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/base/errors.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const text = readFileSync(join(root, "docs/errors.md"), "utf8");
const headings = [...text.matchAll(/^## (.+)$/gm)].map((match) => match[1]);

test("docs/errors.md has a heading for every code, in their order, and no other", () => {
  expect(headings).toEqual([...ERROR_CODES]);
});

test("every code is thrown somewhere", () => {
  const src = join(root, "src");
  const sources = readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.endsWith("base/errors.ts"))
    .map((name) => readFileSync(join(src, name), "utf8"))
    .join("\n");
  expect(ERROR_CODES.filter((code) => !sources.includes(`"${code}"`))).toEqual([]);
});
