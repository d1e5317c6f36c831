// Takes snapshots of a store all the time and drops them again, and says so on the way: what is said
// before it is done may have happened, what is said after it has. Used by the children.
import { setTimeout as sleep } from "node:timers/promises";

/** Of those there are at once. */
const KEPT = 2;

/**
 * For ever, or until the signal. `say` must have written the line when it returns. `life` tells the
 * names of one opening from those of all others.
 */
export async function keepTakingSnapshots(store, pauseMillis, say, signal, life = process.pid) {
  for (let n = 1; signal?.aborted !== true; n++) {
    await sleep(pauseMillis);
    const name = `at-${life}-${n}`;
    say(`wanted ${name}`);
    const { sequence } = await store.snapshot(name);
    say(`made ${name} ${sequence}`);
    const there = store.snapshots();
    for (const { name: old } of there.slice(0, Math.max(0, there.length - KEPT))) {
      say(`dropping ${old}`);
      await store.dropSnapshot(old);
      say(`dropped ${old}`);
    }
  }
}
