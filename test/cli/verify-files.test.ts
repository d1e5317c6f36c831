/** `holdfast verify`: files that are missing, cut off, older, or of another store. */
import { copyFile, readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import { FRAME_HEADER_BYTES, segmentFileName } from "../../src/log/format.js";
import { encodeManifest } from "../../src/manifest/format.js";
import { ensureBuilt } from "../support/built.js";
import {
  copied,
  edit,
  fill,
  flip,
  makeDirectory,
  makeHealthy,
  manifestOf,
  openStore,
  placesOf,
  rangeOf,
  removeDirectories,
  TRANSACTIONS,
  verify,
} from "./frames.js";

let healthy: string;

beforeAll(async () => {
  ensureBuilt();
  healthy = await makeHealthy();
});

afterAll(removeDirectories);

describe("files that are not what they were", () => {
  test("frames of zeros in the middle", async () => {
    const { directory, frames } = await copied(healthy);
    const [from, to] = [frames[4]!, frames[6]!];
    await edit(from.path, (bytes) => bytes.fill(0, from.offset, to.offset));
    const sequences = { first: from.header.firstSequence, last: to.header.firstSequence - 1 };
    const { path: file, offset } = from;
    expect(placesOf(await verify(directory))).toEqual([
      { kind: "frame-missing", file, offset, sequences },
    ]);
  });

  test("two frames that have changed places", async () => {
    const { directory, frames } = await copied(healthy);
    const [a, b] = [frames[4]!, frames[5]!];
    expect(a.header.frameBytes).toBe(b.header.frameBytes);
    await edit(a.path, (bytes) => {
      const first = Buffer.from(bytes.subarray(a.offset, b.offset));
      bytes.copy(bytes, a.offset, b.offset, b.offset + b.header.frameBytes);
      first.copy(bytes, b.offset);
    });
    const result = await verify(directory);
    const { path: file } = a;
    expect(result.findings).toMatchObject([
      { kind: "frame-misplaced", file, offset: a.offset },
      { kind: "frame-misplaced", file, offset: b.offset },
    ]);
    const concerned = result.findings.map(({ sequences }) => sequences);
    expect(concerned[0]?.first).toBe(a.header.firstSequence);
    expect(Math.max(...concerned.map((one) => one?.last ?? 0))).toBe(b.lastSequence);
  });

  test("a segment that was truncated", async () => {
    const { directory, frames } = await copied(healthy);
    const frame = frames[7]!;
    await truncate(frame.path, frame.offset + 300);
    const inFile = frames.filter(({ path }) => path === frame.path);
    const sequences = { first: frame.header.firstSequence, last: inFile.at(-1)!.lastSequence };
    expect(placesOf(await verify(directory))).toContainEqual({
      kind: "truncated",
      file: frame.path,
      offset: frame.offset + 300,
      sequences,
    });
  });

  test("a segment of which not even the header is whole", async () => {
    const { directory, frames } = await copied(healthy);
    const file = join(directory, segmentFileName(1));
    await truncate(file, 279);
    const last = frames.filter(({ path }) => path === file).at(-1)!.lastSequence;
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - last });
    expect(placesOf(result)).toEqual([
      { kind: "truncated", file, offset: 279, sequences: { first: 1, last } },
    ]);
  });

  test("a segment that is missing", async () => {
    const { directory, frames } = await copied(healthy);
    const file = join(directory, segmentFileName(2));
    const lost = frames.filter(({ path }) => path === file);
    await rm(file);
    const result = await verify(directory);
    const count = lost.reduce((sum, { header }) => sum + header.recordCount, 0);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - count });
    const sequences = { first: lost[0]!.header.firstSequence, last: lost.at(-1)!.lastSequence };
    expect(placesOf(result)).toEqual([{ kind: "missing-file", file, offset: 0, sequences }]);
  });

  test("a spare that is missing", async () => {
    const { directory } = await copied(healthy);
    const spare = (await manifestOf(directory)).segments.find(({ state }) => state === "spare")!;
    const file = join(directory, segmentFileName(spare.id));
    await rm(file);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
    expect(result.findings).toMatchObject([{ kind: "missing-file", file, offset: 0 }]);
  });

  test("a sealed segment that does not end as the manifest says", async () => {
    const { directory, frames } = await copied(healthy);
    const manifest = await manifestOf(directory);
    const segments = manifest.segments.map((one) =>
      one.id === 1 ? { ...one, lastSequence: one.lastSequence + 1 } : one,
    );
    const bytes = encodeManifest({ ...manifest, segments }, portableChecksum);
    for (const slot of [0, 1]) await writeFile(join(directory, `manifest.${slot}`), bytes);
    const file = join(directory, segmentFileName(1));
    const last = frames.filter(({ path }) => path === file).at(-1)!;
    const offset = last.offset + last.header.frameBytes;
    const result = await verify(directory);
    expect(result.code).toBe(1);
    expect(result.findings).toMatchObject([{ kind: "sealed-end", file, offset }]);
  });

  test("a segment with frames that the manifest does not know", async () => {
    const { directory } = await copied(healthy);
    const manifest = await manifestOf(directory);
    const segments = manifest.segments.filter(({ state }) => state === "sealed").slice(0, 1);
    const bytes = encodeManifest(
      { ...manifest, durableThrough: segments[0]!.lastSequence, segments },
      portableChecksum,
    );
    for (const slot of [0, 1]) await writeFile(join(directory, `manifest.${slot}`), bytes);
    const result = await verify(directory);
    expect(result.code).toBe(1);
    const strays = result.findings.filter(({ severity }) => severity === "damage");
    expect(strays[0]).toMatchObject({
      kind: "stray-segment",
      file: join(directory, segmentFileName(2)),
    });
  });

  test("an empty segment that the manifest does not know is a preparation cut short", async () => {
    const { directory } = await copied(healthy);
    const file = join(directory, segmentFileName(99));
    await writeFile(file, Buffer.alloc(64 * 1024));
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 0, findings: [{ kind: "stray-segment", file }] });
  });

  test("a slot of the manifest from an earlier time", async () => {
    const directory = await makeDirectory();
    await (await openStore(directory)).close();
    const old = await readFile(join(directory, "manifest.1"));
    const store = await openStore(directory);
    await fill(store, 0, 3);
    await store.close();
    const file = join(directory, "manifest.1");
    await writeFile(file, old);
    const result = await verify(directory);
    expect(placesOf(result)).toEqual([{ kind: "manifest", file, offset: 0, sequences: null }]);
    expect(result.findings[0]?.message).toContain("older than the other");
    expect(result.code).toBe(1);
  });

  test("slots of one generation that differ", async () => {
    const { directory } = await copied(healthy);
    const manifest = await manifestOf(directory);
    const other = encodeManifest({ ...manifest, environment: "prod" }, portableChecksum);
    await writeFile(join(directory, "manifest.0"), other);
    expect(await verify(directory)).toMatchObject({ code: 1, findings: [{ kind: "manifest" }] });
  });

  test("both slots are gone: the log is checked all the same", async () => {
    const { directory, frames } = await copied(healthy);
    for (const slot of [0, 1]) await rm(join(directory, `manifest.${slot}`));
    const hit = frames[4]!;
    await flip(hit.path, hit.offset + FRAME_HEADER_BYTES + 40);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - 1 });
    expect(placesOf(result)).toEqual([
      { kind: "frame-payload", file: hit.path, offset: hit.offset, sequences: rangeOf(hit) },
      { kind: "manifest", file: join(directory, "manifest.0"), offset: 0, sequences: null },
      { kind: "manifest", file: join(directory, "manifest.1"), offset: 0, sequences: null },
    ]);
  });

  test("a segment of another store", async () => {
    const { directory } = await copied(healthy);
    const strange = await makeDirectory();
    const store = await openStore(strange);
    await fill(store, 0, 30);
    await store.close();
    const file = join(directory, segmentFileName(2));
    await copyFile(join(strange, segmentFileName(2)), file);
    const result = await verify(directory);
    expect(result.code).toBe(1);
    expect(result.findings.every((finding) => finding.file === file)).toBe(true);
    expect(result.findings.map(({ kind }) => kind)).toContain("segment-header");
    expect(result.findings.map(({ kind }) => kind)).toContain("frame-misplaced");
    expect(result.findings.map(({ message }) => message).join()).toContain("another store");
  });

  test("two segments that have changed names", async () => {
    const { directory } = await copied(healthy);
    const [a, b] = [1, 2].map((id) => join(directory, segmentFileName(id))) as [string, string];
    await rename(a, `${a}.tmp`);
    await rename(b, a);
    await rename(`${a}.tmp`, b);
    const result = await verify(directory);
    expect(result.code).toBe(1);
    for (const file of [a, b]) {
      expect(result.findings).toContainEqual(
        expect.objectContaining({ kind: "segment-header", file, offset: 0 }),
      );
    }
  });

  test("the marker of a creation beside transactions and one slot", async () => {
    const { directory } = await copied(healthy);
    await rm(join(directory, "manifest.1"));
    const file = join(directory, "CREATING");
    await writeFile(file, "");
    const result = await verify(directory);
    expect(result.code).toBe(1);
    expect(result.findings.map(({ kind }) => kind)).toEqual(["creating", "manifest"]);
  });
});
