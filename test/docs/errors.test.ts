/** docs/errors.md against the list of codes, and the list against the source. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { ERROR_CODES } from "../../src/base/errors.js";

const text = readFileSync(new URL("../../docs/errors.md", import.meta.url), "utf8");
const src = fileURLToPath(new URL("../../src", import.meta.url));

/** The text below each heading, by the heading. */
const sections = new Map(
  text
    .split(/^## /m)
    .slice(1)
    .map((part) => [part.slice(0, part.indexOf("\n")), part.slice(part.indexOf("\n"))]),
);

/** Codes that the source makes errors with: all there are in the constructor's first argument. */
const thrown = new Set(
  readdirSync(src, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .flatMap((name) => [
      ...readFileSync(join(src, name), "utf8").matchAll(/new HoldfastError\(([^,]*),/g),
    ])
    .flatMap((match) => [...(match[1] as string).matchAll(/"([A-Z_]+)"/g)])
    .map((match) => match[1] as string),
);

test("docs/errors.md has a heading for every code, in their order, and no other", () => {
  const headings = [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1]);
  expect(headings).toEqual([...ERROR_CODES]);
});

test.each([...ERROR_CODES])("%s: docs/errors.md says when, what then, and what to do", (code) => {
  const labels = [...(sections.get(code) ?? "").matchAll(/^\*\*(.+):\*\* \S/gm)];
  expect(labels.map((match) => match[1])).toEqual(["When", "Afterwards", "Do"]);
});

test("every code is thrown somewhere in src", () => {
  expect([...thrown].sort()).toEqual([...ERROR_CODES].sort());
});

test("every code and warning that docs/errors.md names in passing is one", () => {
  const options = readFileSync(join(src, "store", "options.ts"), "utf8");
  const declaration = /interface StoreWarning \{[^}]*\}/.exec(options)?.[0] ?? "";
  const warnings = [...declaration.matchAll(/"([A-Z_]+)"/g)].map((match) => match[1] as string);
  expect(warnings).toContain("PORTABLE_DISK");
  const named = [...text.matchAll(/`([A-Z]+_[A-Z_]+)`/g)].map((match) => match[1] as string);
  const known = new Set<string>([...ERROR_CODES, ...warnings, "HOLDFAST_ENV"]);
  expect(named.filter((name) => !known.has(name))).toEqual([]);
  expect(warnings.filter((name) => !text.includes(`\`${name}\``))).toEqual([]);
});
