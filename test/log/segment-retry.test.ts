/** When the next try for a segment keeps the process alive: only while a frame waits for one. */
import { expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { SegmentSupply, type SegmentSupplyOptions } from "../../src/log/segments.js";

interface Planned {
  readonly keepAlive: boolean;
  cancelled: boolean;
}

/** A supply that finds no descriptors, and the timers it has set. */
async function refusedSupply(early: (supply: SegmentSupply) => void = () => {}) {
  const timers: Planned[] = [];
  const after: Disk["scheduler"]["after"] = (_millis, _callback, keepAlive) => {
    const planned: Planned = { keepAlive, cancelled: false };
    timers.push(planned);
    return {
      cancel: () => {
        planned.cancelled = true;
      },
    };
  };
  const refuse = () => Promise.reject(Object.assign(new Error("none left"), { code: "EMFILE" }));
  const disk = {
    scheduler: { after },
    clock: { nowMicros: () => 0 },
    open: refuse,
    remove: refuse,
  };
  let failed = (): void => {};
  const failure = new Promise<void>((resolve) => {
    failed = resolve;
  });
  const options = { disk, directory: "/store", header: {}, nextId: 7, spares: [] };
  const supply = new SegmentSupply({
    ...(options as unknown as SegmentSupplyOptions),
    assertOurs: () => Promise.resolve(),
    onFailure: () => failed(),
  });
  supply.start();
  early(supply);
  await failure;
  await Promise.resolve();
  return { supply, timers };
}

test("nobody waits: the next try does not keep the process alive", async () => {
  const { timers } = await refusedSupply();
  expect(timers).toEqual([{ keepAlive: false, cancelled: false }]);
});

test("a frame waits when the segment is refused: the next try keeps the process alive", async () => {
  const { timers } = await refusedSupply((supply) => expect(supply.take()).toBeUndefined());
  expect(timers).toEqual([{ keepAlive: true, cancelled: false }]);
});

test("a frame comes to wait afterwards: the next try keeps it alive, and is not put off again", async () => {
  const { supply, timers } = await refusedSupply();
  for (let i = 0; i < 3; i++) expect(supply.take()).toBeUndefined();
  expect(timers).toEqual([
    { keepAlive: false, cancelled: true },
    { keepAlive: true, cancelled: false },
  ]);
});
