/** Clock and scheduler of this process, for every disk on a real machine. */
import { performance } from "node:perf_hooks";
import type { Clock, Scheduler, Timer } from "./disk.js";

/** What has to be added to the monotonic clock to have the wall clock, in microseconds. */
let offsetMicros = performance.timeOrigin * 1000;
/** Until then, on the monotonic clock, the offset is taken to be right. */
let checkedUntilMicros = 0;

function monotonicMicros(): number {
  return performance.now() * 1000;
}

/**
 * The wall clock in JavaScript has milliseconds, the monotonic clock has microseconds and knows
 * nothing of the wall clock being set. So the monotonic clock is read and moved by an offset, and
 * the offset is corrected whenever the result leaves the millisecond that the wall clock shows:
 * within a millisecond when the clock is set, and by less than one when the two merely drift apart.
 * The wall clock is looked at once a millisecond: every write asks for the time, and reading both
 * clocks each time took a tenth of the whole cost of a put.
 */
function nowMicros(): number {
  const monotonic = performance.now() * 1000;
  const estimate = monotonic + offsetMicros;
  if (monotonic < checkedUntilMicros) return Math.floor(estimate);
  checkedUntilMicros = monotonic + 1000;
  const wall = Date.now() * 1000;
  if (estimate >= wall && estimate < wall + 1000) return Math.floor(estimate);
  return correct(wall, estimate);
}

function correct(wall: number, estimate: number): number {
  // The two clocks are read one after the other: a millisecond may have passed in between.
  const within = estimate < wall ? wall : wall + 999;
  offsetMicros += within - estimate;
  return within;
}

/** The clocks of this machine. */
export const systemClock: Clock = { nowMicros, monotonicMicros };

const ready = Promise.resolve();

/**
 * Node.js runs, after each callback from the event loop, all ticks, then all promise continuations
 * until none is left, and both again until there is neither. A tick that is asked for from inside a
 * continuation therefore runs when every continuation that was ready, and every one that those made
 * ready, has run. Asking from inside one is what the first step is for: called from plain code, a
 * tick would run before the continuations. So all engine code that was woken by the same completion
 * has made its next writes when the callback runs, and they share a frame; and no timer or
 * input/output has come in between.
 */
function endOfTurn(callback: () => void): void {
  ready.then(() => process.nextTick(callback));
}

function after(millis: number, callback: () => void, keepAlive: boolean): Timer {
  const timeout = setTimeout(callback, millis);
  if (!keepAlive) timeout.unref();
  return { cancel: () => clearTimeout(timeout) };
}

/** The scheduler of this process. */
export const systemScheduler: Scheduler = { endOfTurn, after };
