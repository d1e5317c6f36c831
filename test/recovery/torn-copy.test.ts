/** Nothing is cut off the log before its copy is durable: cut short by a power loss, one of the two is there. */
import { expect, test } from "vitest";
import { framesOf, newestManifest } from "../sim/frames.js";
import { closedStore, DIRECTORY, fill, openOn } from "../support/simulated-store.js";

test("at every operation of a recovery the torn bytes are in the log, or in their file", async () => {
  const machine = await closedStore(0);
  const store = await openOn(machine, { sealDelayMicros: 60_000_000 });
  await fill(machine, store, 0, 8);
  machine.crash("kill");
  const origin = machine.fork(1);
  const manifest = await newestManifest(origin, origin.boot(), DIRECTORY);
  const last = framesOf(origin, DIRECTORY, manifest).at(-1);
  if (last === undefined) throw new Error("no frame");
  origin.flipBit(last.path, last.offset + 100);
  const torn = Buffer.from(origin.read(last.path).slice(last.offset, last.offset + 4096));
  let cutOff = 0;
  for (let n = 1; ; n++) {
    const copy = origin.fork(n);
    copy.crashAfter(n, "power");
    const opened = await openOn(copy).then(
      () => true,
      () => false,
    );
    if (opened) break;
    if (copy.read(last.path).length > last.offset) continue;
    cutOff++;
    const aside = copy.files().filter((path) => path.endsWith(".torn"));
    expect(aside, `operation ${n}`).toHaveLength(1);
    expect(Buffer.compare(copy.read(aside[0] as string), torn), `operation ${n}`).toBe(0);
  }
  expect(cutOff).toBeGreaterThan(0);
});
