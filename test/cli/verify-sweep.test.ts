/**
 * `holdfast verify` against flips all over a store: each one is either named with its file, or it is
 * in a place that carries nothing by docs/format.md; which those are is computed here, from the
 * format and not from the answer.
 */
import { open, readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, segmentFileName } from "../../src/log/format.js";
import { MANIFEST_AT, MANIFEST_HEADER_BYTES } from "../../src/manifest/format.js";
import {
  fill,
  fillTogether,
  framesOf,
  makeDirectory,
  manifestOf,
  openStore,
  removeDirectories,
} from "./frames.js";

/** Primes: they come by every field in the end. Most of a small store is room in which nothing is kept. */
const KEPT_STEP = 61;
const ROOM_STEP = 487;

afterAll(removeDirectories);

/** A sealed segment of an earlier opening, an active one and a spare. */
async function smallStore(): Promise<string> {
  const directory = await makeDirectory();
  const first = await openStore(directory);
  await fill(first, 0, 3, 100);
  await first.close();
  const second = await openStore(directory);
  await fillTogether(second, 3, 8);
  await fill(second, 8, 10, 5000);
  await second.close();
  return directory;
}

/** By file, 1 for every byte of which something is kept. */
async function keptBytes(directory: string): Promise<Map<string, Uint8Array>> {
  const kept = new Map<string, Uint8Array>();
  for (const name of await readdir(directory)) {
    const bytes = await readFile(join(directory, name));
    const marks = new Uint8Array(bytes.length);
    kept.set(name, marks);
    if (!name.startsWith("manifest.")) continue;
    marks.fill(1, 0, MANIFEST_HEADER_BYTES + bytes.readUInt32LE(MANIFEST_AT.payloadBytes));
  }
  for (const { id, state } of (await manifestOf(directory)).segments) {
    // The header of a spare is written anew before it is used.
    if (state !== "spare") kept.get(segmentFileName(id))?.fill(1, 0, SEGMENT_HEADER_BYTES);
  }
  const frames = await framesOf(directory);
  for (const { path, offset, header } of frames) {
    // The seal at the end: nothing says that it was there, and nothing is lost with it.
    if (header.recordCount === 0 && header.offset === frames.at(-1)?.offset) continue;
    const end = offset + FRAME_HEADER_BYTES + header.payloadBytes;
    kept.get(basename(path))?.fill(1, offset, end);
  }
  return kept;
}

/** Where to look: one byte in so many, and the ends of what is kept. */
function places(marks: Uint8Array): number[] {
  return Array.from(marks.keys()).filter((at) => {
    const isEnd = at > 0 && marks[at] !== marks[at - 1];
    return isEnd || at % (marks[at] === 1 ? KEPT_STEP : ROOM_STEP) === 0;
  });
}

test("every byte of which something is kept is checked, and no other one is called damaged", {
  timeout: 300_000,
}, async () => {
  const directory = await smallStore();
  const kept = await keptBytes(directory);
  const wrong: string[] = [];
  const count = { named: 0, sound: 0 };
  for (const [name, marks] of kept) {
    const path = join(directory, name);
    const original = await readFile(path);
    const file = await open(path, "r+");
    for (const at of places(marks)) {
      await file.write(Buffer.of(original[at]! ^ (1 << (at % 8))), 0, 1, at);
      const { verdict, findings } = await verifyStore(directory);
      const isNamed = findings.some((one) => one.severity === "damage" && one.file === path);
      if (isNamed !== (marks[at] === 1)) wrong.push(`${name} ${at}: ${verdict}`);
      if (verdict === "damaged" && !isNamed) wrong.push(`${name} ${at}: another file is named`);
      count[isNamed ? "named" : "sound"]++;
      await file.write(original, at, 1, at);
    }
    await file.close();
  }
  expect(wrong).toEqual([]);
  expect(count.named).toBeGreaterThan(200);
  expect(count.sound).toBeGreaterThan(200);
  expect((await verifyStore(directory)).findings).toEqual([]);
});
