import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readLines, TAPE_START, type TapeLine, type TapePlace } from "../../src/replay/lines.js";

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "holdfast-lines-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(dir, name);
  writeFileSync(path, content);
  return path;
}

async function collect(path: string, from: TapePlace = TAPE_START): Promise<TapeLine[]> {
  const all: TapeLine[] = [];
  for await (const lines of readLines(path, from)) all.push(...lines);
  return all;
}

const MANY = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${"x".repeat(i % 97)}`);

describe("readLines", () => {
  test.each([
    ["newlines", "a\nb\n"],
    ["no newline at the end", "a\nb"],
    ["carriage returns", "a\r\nb\r\n"],
  ])("splits at %s", async (name, content) => {
    const lines = await collect(file(name, content));
    expect(lines.map(({ text, line }) => [text, line])).toEqual([
      ["a", 1],
      ["b", 2],
    ]);
    expect(lines.at(-1)?.bytes).toBe(content.length);
  });

  test("keeps empty lines, so that line numbers stay true", async () => {
    expect((await collect(file("empty", "a\n\nb\n"))).map(({ text }) => text)).toEqual([
      "a",
      "",
      "b",
    ]);
  });

  test("reads plain and gzip alike over many chunks, whatever the name", async () => {
    const content = `${MANY.join("\n")}\n`;
    const plain = await collect(file("many.gz", content));
    const packed = await collect(file("many.txt", gzipSync(content)));
    expect(plain.map(({ text }) => text)).toEqual(MANY);
    expect(packed).toEqual(plain);
  });

  test("goes on from any place as if it had not stopped", async () => {
    const path = file("resume", `${MANY.join("\n")}\n`);
    const all = await collect(path);
    for (const index of [0, 1, 2, 4_711, 20_000, 39_998, 39_999]) {
      const rest = await collect(path, all[index]);
      expect(rest).toEqual(all.slice(index + 1));
    }
  });

  test("refuses to go on in a tape whose beginning differs", async () => {
    const all = await collect(file("one", "aaa\nbbb\nccc\n"));
    const other = file("other", "aaa\nbxb\nccc\n");
    await expect(collect(other, all[1])).rejects.toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringMatching(/not the tape .* first 8 bytes \(2 lines\) differ/),
    });
    expect(await collect(other, all[0])).toHaveLength(2);
  });

  test("refuses to go on in a tape that has become shorter", async () => {
    const all = await collect(file("long", "aaa\nbbb\n"));
    await expect(collect(file("short", "aaa\n"), all[1])).rejects.toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringMatching(/has 4 bytes, but 8 were already replayed/),
    });
  });

  test("names the line at which a gzip stream breaks off", async () => {
    const packed = gzipSync(MANY.join("\n"));
    const path = file("torn.gz", packed.subarray(0, packed.length >> 1));
    const error = await collect(path).catch((e: unknown) => e);
    expect(error).toMatchObject({ code: "BAD_TAPE", data: { file: path } });
    expect((error as Error).message).toMatch(
      /torn\.gz:\d{4,}: cannot read the tape: unexpected end/,
    );
  });

  test("names a file that is not there, and a directory", async () => {
    const missing = join(dir, "missing");
    await expect(collect(missing)).rejects.toMatchObject({
      code: "BAD_TAPE",
      data: { file: missing },
    });
    await expect(collect(dir)).rejects.toMatchObject({ code: "BAD_TAPE", data: { file: dir } });
  });

  test("refuses a line without end instead of filling the memory", async () => {
    const path = file("endless", Buffer.alloc(17 * 1024 * 1024, "x"));
    await expect(collect(path)).rejects.toMatchObject({
      code: "BAD_TAPE",
      message: expect.stringMatching(/endless:1: line longer than/),
    });
  });
});
