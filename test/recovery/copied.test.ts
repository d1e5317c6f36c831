/**
 * A copy of a store that is open, made file by file as `cp -r` does, while it is written: it opens as
 * what a crash would have left, or is refused. It never has rows that were not there together.
 */
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/index.js";
import { SimulatedMachine } from "../sim/disk.js";
import { Random } from "../sim/random.js";
import { faultsOf } from "../support/fault-matrix.js";
import { closedStore, DIRECTORY, fill, keysOf, openOn, upTo } from "../support/simulated-store.js";

const COPIES = 60;
const CODES = ["CORRUPT_LOG", "CORRUPT_MANIFEST", "CORRUPT_RUN", "MISSING_FILE"];
const countFault = faultsOf("copied");

test("opens with a prefix of what was written, or says what is missing", async () => {
  let [opened, refused] = [0, 0];
  for (let seed = 1; seed <= COPIES; seed++) {
    const random = new Random(seed);
    const machine = await closedStore(0, seed);
    const store = await openOn(machine, { snapshotEveryMillis: 1 });
    let rows = 0;
    const write = async (): Promise<void> => {
      const more = random.below(12);
      await fill(machine, store, rows, rows + more, 1 + random.below(3000));
      rows += more;
      if (random.chance(0.2)) await machine.run(store.flush());
    };
    for (let i = 0; i < 4; i++) await write();
    const copy = new SimulatedMachine({ seed });
    copy.tree.createDirectory(DIRECTORY);
    for (const path of shuffled(machine.files(), random)) {
      // What is gone by now was listed, and is not there to be copied.
      if (!machine.files().includes(path)) continue;
      copy.tree.createFile(path).replace(machine.read(path));
      if (random.chance(0.3)) await write();
    }
    copy.tree.commitAll();
    copy.tree.remove(`${DIRECTORY}/LOCK`);
    try {
      const found = keysOf(await openOn(copy));
      expect(found, `seed ${seed}`).toEqual(upTo(found.length));
      opened++;
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      expect(CODES, `seed ${seed}: ${error.message}`).toContain(error.code);
      refused++;
    }
  }
  console.log(`${COPIES} copies of an open store: ${opened} opened, ${refused} refused`);
  expect(Math.min(opened, refused)).toBeGreaterThan(0);
  const expected = "a prefix of what was written, or an error with a code";
  countFault("65 copy of an open store", `file by file, ${COPIES} seeds`, expected, COPIES);
});

/** The order in which a directory is read is nobody's. */
function shuffled(paths: readonly string[], random: Random): string[] {
  const left = [...paths];
  return paths.map(() => left.splice(random.below(left.length), 1)[0] as string);
}
