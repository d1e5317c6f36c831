/** Each planted bug can still be planted: its place is in the source, once. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const list = JSON.parse(readFileSync(join(root, "test/mutants/list.json"), "utf8")) as {
  readonly name: string;
  readonly file: string;
  readonly from: string;
  readonly to: string;
  readonly test: string;
}[];

test("there are thirty at least, each with a name of its own", () => {
  expect(list.length).toBeGreaterThanOrEqual(30);
  expect(new Set(list.map(({ name }) => name)).size).toBe(list.length);
});

test.each(list.map((mutant) => [mutant.name, mutant] as const))("%s", (_, mutant) => {
  const text = readFileSync(join(root, mutant.file), "utf8");
  expect(text.split(mutant.from).length - 1).toBe(1);
  expect(mutant.to).not.toBe(mutant.from);
  expect(existsSync(join(root, mutant.test))).toBe(true);
});
