/** `holdfast verify` and opening agree about stores with random damage. */
import { readdir, rm, truncate } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { verifyStore } from "../../src/cli/verify-store.js";
import { HoldfastError } from "../../src/index.js";
import { Random } from "../sim/random.js";
import { copyOf, edit, makeHealthy, openStore, removeDirectories } from "./frames.js";

const ROUNDS = Number(process.env.HOLDFAST_VERIFY_ROUNDS ?? 60);

afterAll(removeDirectories);

/** One or two things that disks and people do; says what. */
async function damageAtRandom(directory: string, random: Random): Promise<string> {
  const done: string[] = [];
  for (let count = 1 + random.below(2); count > 0; count--) {
    const names = (await readdir(directory)).filter((name) => name !== "LOCK").sort();
    const name = names[random.below(names.length)] as string;
    const path = join(directory, name);
    const size = name.startsWith("manifest") ? 4096 : 65536;
    const at = random.below(size);
    const kind = random.below(6);
    done.push(`${name} ${at} ${kind}`);
    if (kind === 0) await rm(path);
    else if (kind === 1) await truncate(path, at);
    else
      await edit(path, (bytes) => {
        const block = at - (at % 4096);
        if (kind === 2 && at < bytes.length) bytes[at] = bytes[at]! ^ 0x40;
        if (kind === 3) bytes.subarray(at, at + 1 + random.below(9000)).fill(0);
        if (kind === 4) bytes.subarray(block, block + 4096).fill(0);
        if (kind === 5 && block < bytes.length) {
          bytes.copy(bytes, random.below(bytes.length / 4096) * 4096, block, block + 4096);
        }
      });
  }
  return done.join("; ");
}

test("what opening refuses is damaged; what is sound opens, and opening repairs the rest", async () => {
  const healthy = await makeHealthy();
  for (let round = 1; round <= ROUNDS; round++) {
    const directory = await copyOf(healthy);
    const what = `round ${round}: ${await damageAtRandom(directory, new Random(round))}`;
    const before = await verifyStore(directory).catch((error: unknown) => {
      throw new Error(`${what}: ${String(error)}`, { cause: error });
    });
    const refused = await openStore(directory).then(
      async (store) => {
        expect(store.recovery.lastSequence, what).toBe(before.lastSequence);
        await store.close();
        return false;
      },
      (error: unknown) => {
        expect(error, what).toBeInstanceOf(HoldfastError);
        return true;
      },
    );
    if (refused) expect(before.verdict, what).toBe("damaged");
    else {
      // Recovery does not look at everything: only its own repairs may be left to it.
      const after = await verifyStore(directory);
      expect(
        after.findings.filter(({ severity }) => severity === "damage"),
        what,
      ).toEqual([]);
    }
    await rm(directory, { recursive: true });
  }
});
