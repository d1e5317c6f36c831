/** The commit path, with every completion decided by the test. */
import { expect, test } from "vitest";
import { HoldfastError } from "../../src/index.js";
import { HandWriter, stateOf } from "./hand-writer.js";

const full = new HoldfastError("DISK_FULL", "no room");
const eio = Object.assign(new Error("EIO"), { code: "EIO" });

async function states(promises: readonly Promise<unknown>[]): Promise<string[]> {
  return Promise.all(promises.map(stateOf));
}

test("all writes of a turn share a frame", async () => {
  const hand = new HandWriter();
  const puts = [hand.put(), hand.put(), hand.put()];
  expect(hand.submitted).toHaveLength(0);
  hand.endTurn();
  expect(hand.submitted).toMatchObject([{ recordCount: 3, offset: 4096, length: 4096 }]);
  expect(await states(puts)).toEqual(["pending", "pending", "pending"]);
  hand.complete(hand.inFlight[0]!);
  hand.writer.deliver();
  expect(await states(puts)).toEqual(["resolved", "resolved", "resolved"]);
  expect(hand.writer.durableSequence).toBe(3);
});

test("frames that complete out of order are acknowledged in order", async () => {
  const hand = new HandWriter();
  const puts: Promise<void>[] = [];
  for (let i = 0; i < 3; i++) {
    puts.push(hand.put());
    hand.endTurn();
  }
  const [a, b, c] = [...hand.inFlight] as [number, number, number];
  hand.complete(c);
  expect(hand.writer.deliver()).toBe(false);
  hand.complete(b);
  expect(hand.writer.deliver()).toBe(false);
  expect(await states(puts)).toEqual(["pending", "pending", "pending"]);
  expect(hand.writer.durableSequence).toBe(0);
  hand.complete(a);
  expect(hand.writer.deliver()).toBe(true);
  expect(hand.writer.durableSequence).toBe(1);
  expect(hand.writer.deliver()).toBe(true);
  expect(hand.writer.deliver()).toBe(false);
  expect(await states(puts)).toEqual(["resolved", "resolved", "resolved"]);
});

test("one call of deliver acknowledges one frame, so that its waiters have a turn of their own", async () => {
  const hand = new HandWriter();
  const puts = [hand.put()];
  hand.endTurn();
  puts.push(hand.put());
  hand.endTurn();
  for (const slot of [...hand.inFlight]) hand.complete(slot);
  hand.writer.deliver();
  expect(await states(puts)).toEqual(["resolved", "pending"]);
  hand.writer.deliver();
  expect(await states(puts)).toEqual(["resolved", "resolved"]);
});

test("a full pipeline blocks rather than grows", () => {
  const hand = new HandWriter({ framesInFlight: 2, segmentBytes: 1024 * 1024 });
  for (let i = 0; i < 50; i++) {
    hand.commit(3000);
    hand.writer.flushSoon();
    hand.endTurn();
    expect(hand.inFlight.length).toBeLessThanOrEqual(2);
  }
  expect(hand.writer.stats().stalls).toBeGreaterThan(0);
  expect(hand.writer.lastSequence).toBe(50);
});

test("while the pipeline is full the next frame fills", () => {
  const hand = new HandWriter({ framesInFlight: 1 });
  hand.put();
  hand.endTurn();
  for (let i = 0; i < 5; i++) hand.put();
  hand.endTurn();
  expect(hand.submitted).toHaveLength(1);
  hand.complete(hand.inFlight[0]!);
  hand.writer.deliver();
  expect(hand.submitted.map(({ recordCount }) => recordCount)).toEqual([1, 5]);
});

test("a lazy flush waits for its delay and no longer", () => {
  const hand = new HandWriter();
  hand.commit();
  hand.writer.flushLater();
  hand.pass(4000);
  expect(hand.submitted).toHaveLength(0);
  hand.commit();
  hand.writer.flushLater();
  hand.pass(1000);
  expect(hand.submitted).toMatchObject([{ recordCount: 2 }]);
});

test("an idle log is sealed once: an empty frame that says how far it is durable", () => {
  const hand = new HandWriter();
  hand.put();
  hand.endTurn();
  hand.complete(hand.inFlight[0]!);
  hand.writer.deliver();
  hand.pass(20_000);
  expect(hand.submitted.at(-1)).toMatchObject({ recordCount: 0, durableThrough: 1 });
  hand.complete(hand.inFlight[0]!);
  hand.writer.deliver();
  hand.pass(100_000);
  expect(hand.submitted).toHaveLength(2);
  expect(hand.writer.stats().sealFrames).toBe(1);
});

test("a frame says how far the log was durable when it was submitted, and not more", () => {
  const hand = new HandWriter();
  for (let i = 0; i < 3; i++) {
    hand.put();
    hand.endTurn();
  }
  hand.complete(hand.inFlight[1]!);
  hand.writer.deliver();
  hand.put();
  hand.endTurn();
  expect(hand.submitted.map(({ durableThrough }) => durableThrough)).toEqual([0, 0, 0, 0]);
});

test("a segment is left only once all in it is durable", () => {
  const hand = new HandWriter({ segmentBytes: 65536, spares: 3 });
  let inFirst = 0;
  for (let i = 0; i < 40 && inFirst === 0; i++) {
    hand.put(3000);
    hand.endTurn();
    if (hand.submitted.length * 4096 >= 65536 - 4096) inFirst = hand.submitted.length;
    if (hand.inFlight.length === 4) {
      hand.complete(hand.inFlight[0]!);
      hand.writer.deliver();
    }
  }
  expect(hand.inFlight.length).toBeGreaterThan(0);
  hand.put(3000);
  hand.endTurn();
  expect(hand.submitted.some(({ path }) => path === "2.log")).toBe(false);
  while (hand.submitted.at(-1)?.path !== "2.log") {
    expect(hand.inFlight.length).toBeGreaterThan(0);
    hand.complete(hand.inFlight[0]!);
    hand.writer.deliver();
  }
  expect(hand.submitted.at(-1)).toMatchObject({ path: "2.log", offset: 4096 });
  expect(hand.submitted.at(-1)?.durableThrough).toBe(hand.writer.lastSequence - 1);
  expect(hand.rotated).toEqual([1]);
});

test("a segment grows when the caller never yields", () => {
  const hand = new HandWriter({ segmentBytes: 65536 });
  for (let i = 0; i < 40; i++) {
    hand.commit(3000);
    hand.writer.flushSync();
  }
  expect(hand.writer.durableSequence).toBe(40);
  expect(hand.writer.stats().segmentsGrown).toBeGreaterThan(0);
  const offsets = hand.submitted.map(({ offset }) => offset);
  expect(offsets).toEqual(offsets.map((_, i) => 4096 * (i + 1)));
});

test("a full disk refuses before anything has changed, and service resumes", async () => {
  const hand = new HandWriter({ segmentBytes: 65536 });
  for (let i = 0; i < 15; i++) {
    hand.commit(3000);
    hand.writer.flushSync();
  }
  hand.segmentFailure = full;
  expect(() => hand.commit(3000)).toThrow(full);
  hand.writer.abandonRecord();
  expect(hand.writer.lastSequence).toBe(15);
  expect(hand.writer.poison).toBeUndefined();
  expect(hand.retries).toBe(1);
  hand.segmentFailure = undefined;
  hand.spares = 1;
  const put = hand.put(3000);
  hand.endTurn();
  hand.complete(hand.inFlight[0]!);
  hand.writer.deliver();
  expect(await stateOf(put)).toBe("resolved");
  expect(hand.writer.lastSequence).toBe(16);
});

test("a failed write is not tried again: all that waits learns that the outcome is unknown", async () => {
  const hand = new HandWriter();
  const puts: Promise<void>[] = [];
  for (let i = 0; i < 3; i++) {
    puts.push(hand.put());
    hand.endTurn();
  }
  puts.push(hand.put());
  const [a, b, c] = [...hand.inFlight] as [number, number, number];
  hand.complete(b, eio);
  expect(await states(puts)).toEqual([
    "pending",
    "OUTCOME_UNKNOWN",
    "OUTCOME_UNKNOWN",
    "OUTCOME_UNKNOWN",
  ]);
  hand.complete(a);
  hand.complete(c);
  while (hand.writer.deliver());
  expect(await stateOf(puts[0]!)).toBe("resolved");
  expect(hand.writer.durableSequence).toBe(1);
  hand.endTurn();
  hand.pass(1_000_000);
  expect(hand.submitted).toHaveLength(3);
  expect(() => hand.writer.beginRecord()).toThrow(expect.objectContaining({ code: "POISONED" }));
  expect(await stateOf(hand.writer.durable(2))).toBe("POISONED");
  expect(await stateOf(hand.writer.durable(1))).toBe("resolved");
  expect(hand.warnings).toEqual(["POISONED"]);
});

test("a failed synchronous write says that the outcome is unknown, and poisons", () => {
  const hand = new HandWriter();
  hand.syncFailure = eio;
  hand.commit();
  expect(() => hand.writer.flushSync()).toThrow(
    expect.objectContaining({ code: "OUTCOME_UNKNOWN" }),
  );
  hand.syncFailure = undefined;
  expect(() => hand.writer.flushSync()).toThrow(expect.objectContaining({ code: "POISONED" }));
  expect(hand.submitted).toHaveLength(1);
});

test("a write that fails while a record outgrows its frame takes the record with it", () => {
  const hand = new HandWriter({ framesInFlight: 1 });
  hand.commit(3000);
  hand.commit(7000);
  hand.syncFailure = eio;
  expect(() => hand.commit(7000)).toThrow(expect.objectContaining({ code: "POISONED" }));
  expect(hand.writer.lastSequence).toBe(2);
});

test("a burst of several frames in one turn is under way at once", () => {
  const hand = new HandWriter({ framesInFlight: 4 });
  for (let i = 0; i < 4; i++) hand.commit(7000);
  expect(hand.inFlight).toHaveLength(3);
  hand.writer.flushSoon();
  hand.endTurn();
  expect(hand.inFlight).toHaveLength(4);
  expect(hand.submitted.map((one) => one.recordCount)).toEqual([1, 1, 1, 1]);
});

test("whoever still waits at the end is told", async () => {
  const hand = new HandWriter();
  const first = hand.put();
  hand.endTurn();
  const second = hand.put();
  hand.writer.stop(new HoldfastError("CLOSED", "closed"));
  expect(await stateOf(second)).toBe("OUTCOME_UNKNOWN");
  hand.complete(hand.inFlight[0]!);
  await hand.writer.closeSegment();
  expect(await stateOf(first)).toBe("resolved");
});

test("a slow device is reported", () => {
  const hand = new HandWriter();
  hand.put();
  hand.endTurn();
  hand.pass(1_500_000);
  hand.complete(hand.inFlight[0]!);
  expect(hand.warnings).toEqual(["SLOW"]);
});

test("a record that fits no frame is refused, and the next one is not harmed", () => {
  const hand = new HandWriter();
  expect(() => hand.commit(9000)).toThrow(expect.objectContaining({ code: "TOO_LARGE" }));
  hand.writer.abandonRecord();
  expect(hand.commit()).toBe(1);
});

test("a rotation keeps as many frames in flight as there were", async () => {
  const hand = new HandWriter({ framesInFlight: 4, segmentBytes: 5 * 4096, spares: 8 });
  // Four writers, each of which writes again when it is acknowledged.
  const again = (): void => void hand.put().then(again);
  for (let writer = 0; writer < 4; writer++) {
    again();
    hand.endTurn();
  }
  expect(hand.inFlight).toHaveLength(4);
  // The segment is full: the next frame waits, and so do the acknowledgements behind the first.
  for (let round = 0; round < 4; round++) {
    for (const slot of [...hand.inFlight]) {
      hand.complete(slot);
      while (hand.writer.deliver()) {
        await Promise.resolve();
        await Promise.resolve();
        hand.endTurn();
      }
      await Promise.resolve();
      await Promise.resolve();
      hand.endTurn();
    }
  }
  expect(hand.rotated).toEqual([1, 2, 3, 4]);
  expect(hand.inFlight).toHaveLength(4);
  expect(hand.submitted.slice(-4).map((one) => one.recordCount)).toEqual([1, 1, 1, 1]);
});

test("a queue that does not take a frame poisons, also amid a record that outgrows it", () => {
  const hand = new HandWriter();
  hand.commit(7000);
  hand.submitFailure = eio;
  expect(() => hand.commit(7000)).toThrow(
    expect.objectContaining({ code: "POISONED", cause: eio }),
  );
  expect(hand.warnings).toEqual(["POISONED"]);
  expect(hand.writer.lastSequence).toBe(1);
});

/** As many frames in flight as there may be, and a seal: no slot is left. */
async function withoutSlots() {
  const hand = new HandWriter({ framesInFlight: 2 });
  hand.commit();
  hand.writer.flushSync();
  const drained = hand.writer.drain();
  for (let i = 0; i < 2; i++) {
    hand.commit();
    hand.writer.flushSoon();
    hand.endTurn();
  }
  await Promise.resolve();
  await Promise.resolve();
  expect(hand.inFlight).toHaveLength(3);
  expect(hand.submitted.at(-1)).toMatchObject({ recordCount: 0, durableThrough: 1 });
  return { hand, drained };
}

test("who writes when a seal has taken the last slot waits for one", async () => {
  const { hand } = await withoutSlots();
  const { stalls } = hand.writer.stats();
  expect(hand.commit()).toBe(4);
  expect(hand.writer.stats().stalls).toBe(stalls + 1);
  expect(hand.writer.durableSequence).toBe(2);
});

test("and is refused when what it waits for fails", async () => {
  const { hand, drained } = await withoutSlots();
  hand.syncFailure = eio;
  expect(() => hand.commit()).toThrow(expect.objectContaining({ code: "POISONED" }));
  await expect(drained).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN" });
  expect(hand.writer.lastSequence).toBe(3);
});

test("what stopped the log first is what is told, whatever comes after", () => {
  const hand = new HandWriter();
  for (let i = 0; i < 3; i++) {
    hand.commit();
    hand.writer.flushSoon();
    hand.endTurn();
  }
  const [a, b, c] = [...hand.inFlight] as [number, number, number];
  hand.complete(b, eio);
  const { poison } = hand.writer;
  hand.complete(c, new Error("later"));
  hand.writer.halt(new Error("another"));
  hand.complete(a);
  expect(hand.writer.poison).toBe(poison);
  expect(poison).toMatchObject({ code: "POISONED", cause: eio });
  expect(hand.warnings).toEqual(["POISONED"]);
});

test("a segment that is closed with a frame under way tells that nobody knows of it", async () => {
  const hand = new HandWriter();
  const put = hand.put();
  hand.endTurn();
  await hand.writer.closeSegment();
  await expect(put).rejects.toMatchObject({
    code: "OUTCOME_UNKNOWN",
    message: expect.stringContaining("transactions 1 to 1 failed (unknown)"),
  });
});

test("who closes does not wait for a segment that cannot be made", async () => {
  const hand = new HandWriter({ segmentBytes: 3 * 4096 });
  for (let i = 0; i < 2; i++) {
    hand.commit();
    hand.writer.flushSync();
  }
  const put = hand.put();
  hand.segmentFailure = full;
  const drained = hand.writer.drain();
  await expect(put).rejects.toMatchObject({ code: "OUTCOME_UNKNOWN", cause: full });
  await expect(drained).rejects.toMatchObject({ code: "POISONED", cause: full });
});

test("a record that was given up needs no segment: what there is can be closed", async () => {
  const hand = new HandWriter({ segmentBytes: 2 * 4096 });
  hand.commit();
  hand.writer.flushSync();
  hand.writer.beginRecord();
  hand.writer.abandonRecord();
  hand.segmentFailure = full;
  await hand.writer.drain();
  expect(hand.writer.poison).toBeUndefined();
});
