/**
 * Every byte of a pack: one that is not as it was written is found, and named, and what does not
 * stand there can be read all the same.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { fromHex } from "../../src/base/bytes.js";
import { PACK_HASH_BYTES, packFileName } from "../../src/blobs/format.js";
import { PackSet } from "../../src/blobs/pack-set.js";
import { findVersion, hashesOf } from "../../src/blobs/versions.js";
import { salvageStore } from "../../src/cli/salvage-store.js";
import { verifyFile } from "../../src/cli/verify-file.js";
import { verifyStore } from "../../src/cli/verify-store.js";
import { chooseDisk } from "../../src/disk/choose.js";
import { isHoldfastError } from "../../src/index.js";
import { readManifestSlots } from "../../src/manifest/manifest.js";
import { packsFor } from "../../src/snapshot/put-blob.js";
import { noise, openAt, packsIn, place, same } from "./content.js";

const disk = chooseDisk("auto", () => {});

/** Two versions of one blob, the second the difference to the first, and another blob. */
async function specimen() {
  const directory = place();
  const store = await openAt(directory);
  const first = noise(400, 1);
  const second = first.slice();
  second.set(noise(4, 9), 100);
  const other = noise(300, 2);
  await store.blobs.put("m", first);
  await store.blobs.put("m", second);
  await store.blobs.put("other", other);
  const tables = store.view();
  const hashes = [
    ["m", 1],
    ["m", 2],
    ["other", 1],
  ].map(([name, version]) => {
    const reads = {
      get: (table: never, key: never) => tables.table(table).get(key),
      entries: (table: never, range: never) => tables.table(table).entries(range),
    } as never;
    const found = findVersion(reads, name as string, version as number);
    return hashesOf(reads, found as NonNullable<typeof found>).slice(0, PACK_HASH_BYTES);
  });
  tables.release();
  await store.close();
  return { directory, contents: [first, second, other], hashes };
}

test("each byte of each pack, changed", async () => {
  const { directory, contents, hashes } = await specimen();
  const { newest } = await readManifestSlots(disk, directory);
  const packs = packsFor(newest?.packs ?? [], newest?.storeId ?? "");
  expect(packs).toHaveLength(3);
  let places = 0;
  for (const { id } of packs) {
    const path = join(directory, packFileName(id));
    const whole = readFileSync(path);
    for (let at = 0; at < whole.length; at++) {
      const bad = Buffer.from(whole);
      bad[at] = (bad[at] as number) ^ 0x10;
      writeFileSync(path, bad);
      const set = new PackSet(disk, directory);
      await set.use(packs);
      const unreadable: number[] = [];
      for (const [i, hash] of hashes.entries()) {
        try {
          expect(same(await set.read(hash), contents[i] as Uint8Array)).toBe(true);
        } catch (error) {
          if (!isHoldfastError(error, "CORRUPT_BLOB")) throw error;
          expect(error.data.file).toBe(path);
          unreadable.push(i);
        }
      }
      const problems = set.files.flatMap((file) => file.problems);
      const headers = await Promise.all(
        set.files.flatMap((file) =>
          Array.from({ length: file.chunks }, (_, i) => file.hasHeader(file.chunk(i))),
        ),
      );
      // Of the first version the second one is made, too; of the others each alone is concerned.
      const concerned = id === 1 ? [0, 1] : [id - 1];
      const isTold = problems.length > 0 || headers.includes(false);
      expect({ at, isTold: isTold || unreadable.length > 0 }).toEqual({ at, isTold: true });
      if (unreadable.length > 0) expect(unreadable).toEqual(concerned);
      await set.close();
      places++;
    }
    writeFileSync(path, whole);
  }
  expect(places).toBeGreaterThan(1000);
});

test("verify names blob, version and place; what is whole is salvaged", async () => {
  const { directory, contents } = await specimen();
  expect((await verifyStore(directory)).findings).toEqual([]);
  const path = join(directory, packFileName(3));
  const bytes = readFileSync(path);
  bytes[64 + 96 + 20] = (bytes[64 + 96 + 20] as number) ^ 1;
  writeFileSync(path, bytes);
  const { findings, packs, chunks } = await verifyStore(directory);
  expect({ packs, chunks }).toEqual({ packs: 3, chunks: 3 });
  expect(findings).toMatchObject([{ severity: "damage", kind: "pack", file: path, offset: 64 }]);
  expect(findings[0]?.message).toContain('blob "other", version 1, from byte 0 on');
  expect((await verifyFile(path)).verdict).toBe("damaged");
  expect((await verifyFile(join(directory, packFileName(2)))).verdict).toBe("sound");
  const store = await openAt(directory);
  await expect(store.blobs.get("other")).rejects.toMatchObject({
    code: "CORRUPT_BLOB",
    data: { file: path, offset: 64, blob: "other", version: 1 },
  });
  // The same content, put once more, is stored once more.
  await store.blobs.put("again", contents[2] as Uint8Array);
  expect(same(await store.blobs.get("other"), contents[2] as Uint8Array)).toBe(true);
  await store.blobs.drop("again");
  await store.close();
  const to = place("saved");
  const report = await salvageStore({ directory, to, writerId: "test" });
  expect(report.lost).toMatchObject([{ kind: "chunk", file: path, offset: 64 }]);
  const saved = await openAt(to);
  expect(same(await saved.blobs.get("m", { version: 1 }), contents[0] as Uint8Array)).toBe(true);
  expect(same(await saved.blobs.get("m"), contents[1] as Uint8Array)).toBe(true);
  expect(same(await saved.blobs.get("other"), contents[2] as Uint8Array)).toBe(true);
  await saved.close();
  expect((await verifyStore(to)).verdict).toBe("sound");
});

test("content that is put again heals what is damaged, whether or not anybody has met that", async () => {
  const { directory, contents } = await specimen();
  const path = join(directory, packFileName(1));
  const bytes = readFileSync(path);
  bytes[64 + 96 + 20] = (bytes[64 + 96 + 20] as number) ^ 1;
  writeFileSync(path, bytes);
  let store = await openAt(directory);
  await store.blobs.put("again", contents[0] as Uint8Array);
  const check = async (): Promise<void> => {
    expect(same(await store.blobs.get("m", { version: 1 }), contents[0] as Uint8Array)).toBe(true);
    expect(same(await store.blobs.get("m"), contents[1] as Uint8Array)).toBe(true);
  };
  await check();
  await store.close();
  store = await openAt(directory);
  await check();
  await store.close();
});

test("a store without its manifests is salvaged with its blobs", async () => {
  const { directory, contents } = await specimen();
  for (const slot of [0, 1]) writeFileSync(join(directory, `manifest.${slot}`), "nothing");
  const to = place("saved");
  await salvageStore({ directory, to, writerId: "test", environment: "test" });
  const saved = await openAt(to);
  expect(same(await saved.blobs.get("m"), contents[1] as Uint8Array)).toBe(true);
  await saved.close();
});

test("a pack that is missing, cut off or of nobody", async () => {
  const { directory, contents } = await specimen();
  const path = join(directory, packFileName(1));
  const bytes = readFileSync(path);
  const stray = join(directory, packFileName(77));
  writeFileSync(stray, bytes);
  expect((await verifyStore(directory)).findings).toMatchObject([
    { severity: "note", kind: "stray-file", file: stray },
  ]);
  writeFileSync(path, bytes.subarray(0, bytes.length - 70));
  const cut = await verifyStore(directory);
  expect(cut.findings.filter(({ severity }) => severity === "damage")[0]).toMatchObject({
    kind: "pack",
    file: path,
  });
  const store = await openAt(directory);
  expect(packsIn(directory)).toHaveLength(3);
  expect(same(await store.blobs.get("m"), contents[1] as Uint8Array)).toBe(true);
  await store.close();
  const { unlinkSync } = await import("node:fs");
  unlinkSync(path);
  await expect(openAt(directory)).rejects.toMatchObject({ code: "MISSING_FILE" });
  const gone = await verifyStore(directory);
  expect(gone.findings).toContainEqual(
    expect.objectContaining({ severity: "damage", kind: "missing-file", file: path }),
  );
  expect(fromHex("00")).toHaveLength(1);
});
