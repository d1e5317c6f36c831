/**
 * A prepared segment got into the manifest with a change that happened to be made at that moment; its
 * own change failed after that. The next one took it out again, so that it was given up for others to
 * use, while it was being offered once more: its file was removed, or renamed, with the log in it.
 */
import { expect, test } from "vitest";
import type { Manifest } from "../../src/manifest/format.js";
import type { ManifestKeeper } from "../../src/manifest/keeper.js";
import { StoreLedger } from "../../src/store/ledger.js";
import { manifest } from "../manifest/content.js";

/** Publishes as it is told to: one change after the other. */
class TestKeeper {
  current = manifest;
  /** For each change to come whether it fails. */
  readonly outcomes: boolean[] = [];
  #queue: Promise<unknown> = Promise.resolve();

  publish(edit: (manifest: Manifest) => Manifest): Promise<Manifest> {
    const next = this.#queue.then(async () => {
      const attempted = edit(this.current);
      await Promise.resolve();
      if (this.outcomes.shift() === true) throw new Error("no room");
      this.current = attempted;
      return attempted;
    });
    this.#queue = next.catch(() => {});
    return next;
  }
}

test("a spare whose own change failed is in no manifest, and is not retired", async () => {
  const keeper = new TestKeeper();
  const retired: number[] = [];
  const ledger = new StoreLedger({
    keeper: keeper as unknown as ManifestKeeper,
    alignment: 4096,
    epoch: 3,
    tables: () => manifest.tables,
    durableSequence: () => 112,
    lastMicros: () => 0,
    keepForHistory: () => true,
    retire: (id) => void retired.push(id),
    remove: async () => {},
  });
  const listed = () => ledger.current.segments.map(({ id }) => id);
  const before = listed();
  const spare = { id: 8, bytes: 65536, recycled: false };
  keeper.outcomes.push(false, true);
  let change: Promise<Manifest> | undefined;
  await new Promise<void>((begun) => {
    change = ledger.change((now) => {
      begun();
      return now;
    });
  });
  const refused = expect(ledger.addSpare(spare)).rejects.toThrow("no room");
  await change;
  expect(listed()).toEqual(before);
  await refused;
  await ledger.change((now) => now);
  expect(listed()).toEqual(before);
  await ledger.addSpare(spare);
  await ledger.change((now) => now);
  expect(listed()).toEqual([...before, 8]);
  expect(ledger.now.segments.at(-1)).toMatchObject({ id: 8, state: "spare" });
  expect(retired).toEqual([]);
});
