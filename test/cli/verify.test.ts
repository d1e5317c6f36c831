/** `holdfast verify`: what is sound is called so, what is none is refused, nothing is changed. */
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import { FRAME_HEADER_BYTES } from "../../src/log/format.js";
import {
  MANIFEST_AT,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_HEADER_BYTES,
} from "../../src/manifest/format.js";
import { ensureBuilt } from "../support/built.js";
import {
  copied,
  copyOf,
  edit,
  fill,
  fillTogether,
  flip,
  framesOf,
  makeDirectory,
  makeHealthy,
  manifestOf,
  middle,
  openStore,
  placesOf,
  removeDirectories,
  TRANSACTIONS,
  verify,
} from "./frames.js";
import { hashOf, holdfast, untilQuiet } from "./stores.js";

let healthy: string;
/** Without its last seal, as a killed process leaves it. */
let killed: string;

beforeAll(async () => {
  ensureBuilt();
  healthy = await makeHealthy();
  const living = await makeDirectory();
  const store = await openStore(living, { sealDelayMicros: 60_000_000 });
  // The next segment is still being prepared, and the manifest then says what is durable.
  await untilQuiet(living);
  await fill(store, 0, 8);
  killed = await copyOf(living);
  await rm(join(killed, "LOCK"));
  await store.close();
});

afterAll(removeDirectories);

describe("a sound store", () => {
  test("that was closed: exit 0, and counts of everything", async () => {
    const result = await verify(healthy);
    const frames = await framesOf(healthy);
    expect(result).toMatchObject({ code: 0, verdict: "sound", findings: [], inUse: false });
    expect(result).toMatchObject({ frames: frames.length, transactions: TRANSACTIONS });
    expect(result).toMatchObject({ operations: TRANSACTIONS, lastSequence: TRANSACTIONS });
    expect(result.segments).toBe((await manifestOf(healthy)).segments.length);
    expect(result.bytes).toBeGreaterThan(frames.length * 512);
    const { code, stdout } = await holdfast("verify", healthy);
    expect(code).toBe(0);
    expect(stdout).toMatch(/: sound\n.*41 transactions, 41 operations/);
  });

  test("that was opened many times", async () => {
    const directory = await makeDirectory();
    for (let i = 0; i < 4; i++) {
      const store = await openStore(directory);
      await fill(store, 10 * i, 10 * i + 10);
      await store.close();
    }
    expect(await verify(directory)).toMatchObject({ code: 0, findings: [], transactions: 41 });
  });

  test("that ends in a torn write: exit 0, and said", async () => {
    const { directory, frames } = await copied(killed);
    const last = frames.at(-1)!;
    await flip(last.path, last.offset + FRAME_HEADER_BYTES + 30);
    const result = await verify(directory);
    expect(placesOf(result)).toEqual([
      { kind: "torn-tail", file: last.path, offset: last.offset, sequences: null },
    ]);
    expect(result).toMatchObject({ code: 0, lastSequence: last.header.firstSequence - 1 });
    expect((await holdfast("verify", directory)).stdout).toMatch(
      /^note: .*torn-tail: .*unfinished/,
    );
  });

  test("with padding that is not zero: exit 0, and said", async () => {
    const { directory, frames } = await copied(healthy);
    const { frame } = middle(frames);
    const padding = frame.offset + FRAME_HEADER_BYTES + frame.header.payloadBytes;
    await flip(frame.path, padding + 7);
    const slot = join(directory, "manifest.0");
    const used =
      MANIFEST_HEADER_BYTES + (await readFile(slot)).readUInt32LE(MANIFEST_AT.payloadBytes);
    await flip(slot, used + 1);
    const result = await verify(directory);
    expect(result.code).toBe(0);
    expect(placesOf(result)).toEqual([
      { kind: "padding", file: frame.path, offset: padding, sequences: null },
      { kind: "padding", file: slot, offset: used, sequences: null },
    ]);
  });

  test("whose creation was cut short", async () => {
    const directory = await makeDirectory();
    await writeFile(join(directory, "CREATING"), "");
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 0, findings: [{ kind: "creating", severity: "note" }] });
  });

  test("in use: the moving end is no damage", async () => {
    const directory = await makeDirectory();
    const store = await openStore(directory);
    let writing = true;
    const writer = (async () => {
      for (let key = 0; writing; key += 20) {
        await fillTogether(store, key, key + 10);
        await fill(store, key + 10, key + 20);
        // Slow enough for a store that is still small at the end.
        await sleep(5);
      }
    })();
    for (let i = 0; i < 8; i++) {
      const { findings, inUse } = await verifyStore(directory);
      expect(findings.filter(({ severity }) => severity === "damage")).toEqual([]);
      expect(inUse).toBe(true);
    }
    const { code, stdout, stderr } = await holdfast("verify", directory);
    writing = false;
    await writer;
    await store.close();
    expect({ code, stderr }, stdout).toEqual({ code: 0, stderr: "" });
    expect(stdout).toContain("in use");
    expect(await verify(directory)).toMatchObject({ code: 0, findings: [], inUse: false });
  });
});

describe("could not look: exit 2", () => {
  test.each(["empty", "foreign", "missing", "file"])("%s", async (what) => {
    const directory = await makeDirectory();
    if (what === "foreign") await writeFile(join(directory, "thesis.txt"), "chapter one");
    const path = what === "missing" ? join(directory, "nowhere") : directory;
    const file = join(directory, "thesis.txt");
    if (what === "file") await writeFile(file, "chapter one");
    const before = hashOf(directory);
    for (const flags of [[], ["--json"]]) {
      const result = await holdfast("verify", what === "file" ? file : path, ...flags);
      expect(result).toMatchObject({ code: 2, stdout: "" });
      expect(result.stderr).toMatch(/^holdfast: (NOT_A_STORE|IO): [^\n]+\n$/);
    }
    expect(hashOf(directory)).toBe(before);
  });

  test.skipIf(process.getuid?.() === 0)("no permission", async () => {
    const { directory } = await copied(healthy);
    const hidden = join(directory, "inside");
    await mkdir(hidden);
    await chmod(hidden, 0);
    expect(await holdfast("verify", hidden)).toMatchObject({ code: 2, stdout: "" });
    await chmod(hidden, 0o700);
  });

  test("a store of a later format", async () => {
    const { directory } = await copied(healthy);
    for (const slot of [0, 1]) {
      await edit(join(directory, `manifest.${slot}`), (bytes) => {
        bytes.writeUInt32LE(MANIFEST_FORMAT_VERSION + 1, MANIFEST_AT.formatVersion);
        const sum = portableChecksum.crc32c(
          bytes,
          MANIFEST_AT.formatVersion,
          MANIFEST_HEADER_BYTES,
        );
        bytes.writeUInt32LE(sum, MANIFEST_AT.headerChecksum);
      });
    }
    const result = await holdfast("verify", directory);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain("FORMAT_VERSION");
  });
});
