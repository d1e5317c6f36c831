/** What is about to happen on a simulated machine, and the virtual clock that it happens by. */
import type { Random } from "./random.js";

/** Power: what was not durable may be gone. Kill: the page cache survives. */
export type CrashKind = "power" | "kill";

export interface SimulatedEvent {
  /** The incarnation it belongs to; 0 for the machine itself. Those of the dead are dropped. */
  readonly owner: number;
  run(): void;
  /** For writes: what the machine may still do of it when its process or the power is gone. */
  land?(kind: CrashKind): void;
  /** Place in the pool while it is there. Kept by the queue. */
  index?: number;
}

interface Waiting {
  readonly dueMicros: number;
  readonly event: SimulatedEvent;
  /** Timers and turns happen in order, everything else in any order. */
  readonly ordered: boolean;
}

/** Events in three places: turns in order, operations in a pool, and those that are not due yet. */
export class EventQueue {
  nowMicros = 0;
  readonly #random: Random;
  readonly #latencyMicros: number;
  readonly #pool: SimulatedEvent[] = [];
  #turns: SimulatedEvent[] = [];
  #turnsDone = 0;
  #waiting: Waiting[] = [];

  constructor(random: Random, latencyMicros: number) {
    this.#random = random;
    this.#latencyMicros = latencyMicros;
  }

  /** Happens before any operation, after all turns posted earlier. */
  postTurn(event: SimulatedEvent): void {
    this.#turns.push(event);
  }

  /** Happens in any order with the others in the pool. */
  post(event: SimulatedEvent): void {
    event.index = this.#pool.length;
    this.#pool.push(event);
  }

  /** Happens, or goes to the pool, once the clock is there. */
  postAfter(delayMicros: number, event: SimulatedEvent, ordered: boolean): void {
    const dueMicros = this.nowMicros + delayMicros;
    let at = this.#waiting.length;
    while (at > 0 && this.#waiting[at - 1]!.dueMicros > dueMicros) at--;
    this.#waiting.splice(at, 0, { dueMicros, event, ordered });
  }

  /** Takes an event out, wherever it is; for a wait, the clock goes on to when it is due. */
  remove(event: SimulatedEvent, reach = false): void {
    const index = event.index;
    if (index !== undefined) {
      const last = this.#pool.pop()!;
      if (last !== event) {
        this.#pool[index] = last;
        last.index = index;
      }
      delete event.index;
      return;
    }
    const at = this.#waiting.findIndex((waiting) => waiting.event === event);
    if (at < 0) return;
    if (reach) this.nowMicros = Math.max(this.nowMicros, this.#waiting[at]!.dueMicros);
    this.#waiting.splice(at, 1);
  }

  /** Lets a little time pass and takes what happens next; undefined if nothing ever will. */
  next(): SimulatedEvent | undefined {
    this.pass();
    if (this.#turnsDone === this.#turns.length && this.#pool.length === 0) {
      const first = this.#waiting[0];
      if (first === undefined) return undefined;
      this.nowMicros = Math.max(this.nowMicros, first.dueMicros);
    }
    this.#takeDue();
    if (this.#turnsDone < this.#turns.length) return this.#takeTurn();
    const event = this.#pool[this.#random.below(this.#pool.length)]!;
    this.remove(event);
    return event;
  }

  /** The time that an operation takes. */
  pass(): void {
    this.nowMicros += 1 + this.#random.below(this.#latencyMicros);
  }

  /** Drops the events of some owners and gives them back, in a fixed order. */
  drop(isDropped: (owner: number) => boolean): SimulatedEvent[] {
    const turns = this.#turns.slice(this.#turnsDone);
    const waiting = this.#waiting;
    const all = [...this.#pool, ...turns, ...waiting.map(({ event }) => event)];
    const keptPool = this.#pool.filter(({ owner }) => !isDropped(owner));
    this.#pool.length = 0;
    for (const event of keptPool) this.post(event);
    this.#turns = turns.filter(({ owner }) => !isDropped(owner));
    this.#turnsDone = 0;
    this.#waiting = waiting.filter(({ event }) => !isDropped(event.owner));
    return all.filter(({ owner }) => isDropped(owner));
  }

  #takeDue(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.dueMicros <= this.nowMicros) {
      const { event, ordered } = this.#waiting.shift()!;
      if (ordered) this.postTurn(event);
      else this.post(event);
    }
  }

  #takeTurn(): SimulatedEvent {
    const event = this.#turns[this.#turnsDone++]!;
    if (this.#turnsDone === this.#turns.length) {
      this.#turns.length = 0;
      this.#turnsDone = 0;
    }
    return event;
  }
}
