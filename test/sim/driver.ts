/** Lets simulated events happen, one per turn of the real program. */

/** Thrown to whoever drives the machine, and into synchronous calls, when a crash happens. */
export class SimulatedCrash extends Error {
  override readonly name = "SimulatedCrash";
}

/** Turns without giving way to the real event loop: timers of the test runner live there. */
const TURNS_PER_YIELD = 2048;

const RESOLVED = Promise.resolve();

/** Real turns to wait for a promise that nothing simulated can settle any more. */
const IDLE_TURNS_MAX = 8;

/**
 * Runs once the current turn, with its promise continuations, is over. Microtasks run until there
 * are none left before the next tick, so this is as good as a turn of the event loop and far cheaper.
 */
export function afterTurn(callback: () => void): void {
  // As `queueMicrotask` does, which takes several times as long.
  void RESOLVED.then(() => process.nextTick(callback));
}

/**
 * Calls `stepOnce` (false if nothing is left to happen) until the promise is settled or a crash has
 * happened.
 */
export function drive<T>(
  promise: Promise<T>,
  stepOnce: () => boolean,
  hasCrashed: () => boolean,
): Promise<T> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  promise.then(settle, settle);
  return new Promise<T>((resolve, reject) => {
    let turns = 0;
    let idle = 0;
    const turn = (): void => {
      if (settled) {
        resolve(promise);
        return;
      }
      try {
        if (hasCrashed()) throw new SimulatedCrash("while running");
        idle = stepOnce() ? 0 : idle + 1;
        if (idle > IDLE_TURNS_MAX) throw new Error("nothing is left that could settle the promise");
      } catch (error) {
        reject(error);
        return;
      }
      if (idle > 0 || ++turns % TURNS_PER_YIELD === 0) setImmediate(turn);
      else afterTurn(turn);
    };
    afterTurn(turn);
  });
}
