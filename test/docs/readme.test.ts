/** The README's tour is a program, and what it says that the program prints is what it prints. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const root = fileURLToPath(new URL("../..", import.meta.url));
const readme = readFileSync(join(root, "README.md"), "utf8");

function block(language: string): string {
  const match = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(readme);
  return match?.[1] ?? "";
}

beforeAll(() => {
  ensureBuilt();
});

test("the tour prints what the README says", () => {
  const directory = mkdtempSync(join(tmpdir(), "holdfast-"));
  try {
    const index = new URL("../../dist/index.js", import.meta.url).href;
    const program = block("js").replace('from "holdfast"', `from ${JSON.stringify(index)}`);
    expect(program).toContain(index);
    writeFileSync(join(directory, "tour.mjs"), program);
    const printed = execFileSync(process.execPath, ["tour.mjs"], {
      cwd: directory,
      encoding: "utf8",
      env: { ...process.env, HOLDFAST_ENV: "", HOLDFAST_WRITER_ID: "" },
    });
    // On a busy machine the last run is not done in time at closing: then something is replayed.
    expect(printed.replace(/\d+ to replay/, "0 to replay")).toBe(block("text"));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});

test("every document that the README links is there", () => {
  const links = [...readme.matchAll(/\]\(((?:docs|tapes)\/[^)#]+)/g)].map((match) => match[1]);
  expect(links.length).toBeGreaterThan(5);
  for (const link of links) expect(() => readFileSync(join(root, link as string))).not.toThrow();
});

test("the two commands are scripts", () => {
  const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  expect(readme).toContain("npm ci && npm run demo");
  expect(readme).toContain("npm ci && npm test");
  expect(Object.keys(scripts)).toEqual(expect.arrayContaining(["demo", "test"]));
});
