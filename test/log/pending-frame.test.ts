/** The promise of those who wait for a frame, asked for before and after its fate is known. */
import { expect, test } from "vitest";
import { PendingFrame } from "../../src/log/pending-frame.js";

test("all who wait share one promise", async () => {
  const frame = new PendingFrame(0, 1);
  const { promise } = frame;
  expect(frame.promise).toBe(promise);
  frame.acknowledge();
  await expect(promise).resolves.toBeUndefined();
});

test("whoever asks late is told at once", async () => {
  const good = new PendingFrame(0, 1);
  good.acknowledge();
  await expect(good.promise).resolves.toBeUndefined();
  const bad = new PendingFrame(0, 1);
  const why = new Error("gone");
  bad.refuse(why);
  await expect(bad.promise).rejects.toBe(why);
});
