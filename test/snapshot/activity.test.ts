/** A work of the background that has been stopped, or that throws what is no error. */
import { expect, test } from "vitest";
import type { Scheduler } from "../../src/disk/disk.js";
import { Activity, type Failure } from "../../src/snapshot/activity.js";

const scheduler: Scheduler = {
  endOfTurn: () => {},
  after: () => ({ cancel: () => {} }),
};

test("once it has been stopped neither a reason nor a request starts it again", async () => {
  let steps = 0;
  const step = async (): Promise<boolean> => {
    steps++;
    return false;
  };
  const activity = new Activity({ scheduler, step, onFailure: () => {} });
  activity.wake();
  await activity.idle();
  expect(steps).toBe(1);
  await activity.stop();
  activity.wake();
  activity.force();
  await activity.idle();
  expect(steps).toBe(1);
});

test("what is thrown and no error is a mistake of the program: told, and not tried again", async () => {
  const failures: Failure[] = [];
  const activity = new Activity({
    scheduler,
    step: () => Promise.reject("a text"),
    onFailure: (failure) => void failures.push(failure),
  });
  activity.wake();
  await activity.idle();
  expect(failures).toMatchObject([{ error: { message: "a text" }, first: true, halted: true }]);
  expect(activity.figures).toMatchObject({ failures: 1, halted: true });
});
