/** When to kill a process: drawn from a seed, so that a run can be told again. */
import type { Random } from "../sim/random.js";

export type KillPlan =
  /** While it opens: after so many changes in the directory, and a little later. */
  | { readonly when: "opening"; readonly changes: number; readonly delayMillis: number }
  /** As soon as it has given so many acknowledgements. */
  | { readonly when: "acknowledged"; readonly count: number }
  /** Some time after its first acknowledgement. */
  | { readonly when: "later"; readonly delayMillis: number };

/** Changes that a watcher is told of: while an existing store is opened, and a new one is made. */
const OPENING_CHANGES = 4;
const CREATING_CHANGES = 16;
/** The longest step between two of them: reading the log. */
const OPENING_DELAY_MILLIS_MAX = 40;
const LATER_MILLIS_MAX = 120;

/** Two in five while opening, one in five at an acknowledgement, the others at any time. */
export function planKill(random: Random, acknowledgementsMax: number): KillPlan {
  const kind = random.below(5);
  if (kind < 2) {
    const changes = 1 + random.below(random.chance(0.75) ? OPENING_CHANGES : CREATING_CHANGES);
    // Half of the delays are none: right at the change is where the steps of opening are.
    const delayMillis = random.chance(0.5) ? 0 : random.below(OPENING_DELAY_MILLIS_MAX + 1);
    return { when: "opening", changes, delayMillis };
  }
  if (kind === 2) return { when: "acknowledged", count: 1 + random.below(acknowledgementsMax) };
  return { when: "later", delayMillis: random.below(LATER_MILLIS_MAX) };
}

export function describePlan(plan: KillPlan): string {
  switch (plan.when) {
    case "opening":
      return `at change ${plan.changes} of its opening + ${plan.delayMillis} ms`;
    case "acknowledged":
      return `at acknowledgement ${plan.count}`;
    case "later":
      return `${plan.delayMillis} ms after its first acknowledgement`;
  }
}
