/** Forks, backups and restored snapshots have the blobs of the store that they were made of. */
import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { chooseDisk } from "../../src/disk/choose.js";
import { restoreBackup } from "../../src/index.js";
import { readManifest } from "../../src/store/read-only.js";
import { restoreSnapshot } from "../../src/store/restore.js";
import { MIB, noise, openAt, packsIn, place, same } from "./content.js";

test("a fork, a backup and a snapshot made a store of live without their origin", async () => {
  const directory = place();
  const store = await openAt(directory);
  const [a, b] = [noise(1.5 * MIB, 1), noise(1.5 * MIB, 2)];
  await store.blobs.put("m", a);
  await store.snapshot("then");
  await store.blobs.put("m", b);
  const [fork, backups, restored, copy] = [place(), place(), place(), place()];
  const made = await store.fork(fork);
  expect(made.bytes).toBeGreaterThan(3 * MIB);
  await store.backup(backups);
  await store.blobs.put("n", noise(10));
  // Only what is new is copied.
  const second = await store.backup(backups);
  expect(second.copiedBytes).toBeLessThan(MIB);
  await store.close();
  const disk = chooseDisk("auto", () => {});
  const manifest = await readManifest(disk, directory);
  await restoreSnapshot({ disk, directory, manifest, name: "then", to: restored, writerId: "t" });
  rmSync(directory, { recursive: true });
  await restoreBackup(backups, copy);
  for (const [place, wanted, versions] of [
    [fork, b, 2],
    [copy, b, 2],
    [restored, a, 1],
  ] as const) {
    expect(await verifyStore(place)).toMatchObject({ verdict: "sound" });
    const one = await openAt(place);
    expect(one.blobs.versions("m")).toHaveLength(versions);
    expect(same(await one.blobs.get("m"), wanted)).toBe(true);
    expect(same(await one.blobs.get("m", { version: 1 }), a)).toBe(true);
    await one.blobs.put("m", noise(20));
    await one.blobs.collect();
    // What the state of the snapshot did not have yet is not kept for ever.
    expect(packsIn(place)).toHaveLength(place === restored ? 2 : place === copy ? 4 : 3);
    await one.close();
  }
});
