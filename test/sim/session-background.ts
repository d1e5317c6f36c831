/** What a program asks of the background: runs, snapshots, and what they show. */
import { HoldfastError } from "../../src/index.js";
import { compareSnapshot, mayBeGone, SNAPSHOTS_AT_ONCE } from "./snapshots.js";
import type { Session } from "./workload.js";

/** After so long at the latest a store has noticed that there is room again. */
const ROOM_MILLIS = 3000;

export class SessionBackground {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Not a write: what is under way when the store is closed may be refused for that. */
  #trackWork(
    what: "flush" | "snapshot",
    promise: Promise<unknown>,
    done: (result: unknown) => void,
    excused: (error: unknown) => boolean = () => false,
  ): void {
    const refused = (error: unknown): void => {
      if (!this.#session.alive() || excused(error)) return;
      const closed = error instanceof HoldfastError && error.code === "CLOSED";
      if (!closed || !this.#session.closing) this.#session.run.refused(what, error);
    };
    this.#session.keep(promise.then(done, refused));
  }

  flush(): void {
    const flushing = this.#session.store.flush();
    this.#session.noteFlush();
    const through = this.#session.store.lastSequence;
    this.#trackWork("flush", flushing, () => {
      const { runsThrough } = this.#session.store.stats().background;
      this.#session.run.check(runsThrough >= through, "flush() resolved too early");
      this.#session.run.model.acknowledge(through);
      this.#session.run.count("flush asked for");
    });
  }

  /** Makes one, or drops one. */
  snapshot(): void {
    const { snapshots, model } = this.#session.run;
    const there = this.#session.random.pick([...snapshots.there, undefined]);
    if (
      snapshots.size >= SNAPSHOTS_AT_ONCE ||
      (there !== undefined && this.#session.random.chance(0.3))
    ) {
      if (there !== undefined) this.#dropSnapshot(there);
      return;
    }
    const name = this.#session.random.chance(0.9) ? snapshots.newName() : undefined;
    const making = this.#session.store.snapshot(name);
    snapshots.wanted(name);
    this.#session.noteFlush();
    const through = this.#session.store.lastSequence;
    this.#trackWork("snapshot", making, (made) => {
      const info = made as Awaited<typeof making>;
      this.#session.noteFlush();
      this.#session.run.check(info.sequence >= through, "a snapshot of less than there was");
      model.acknowledge(info.sequence);
      snapshots.made(info, model, name !== undefined);
      this.#session.run.count("snapshot made");
    });
  }

  #dropSnapshot(name: string): void {
    const { snapshots, machine, isEnding } = this.#session.run;
    const { random } = this.#session;
    if (!isEnding && random.chance(0.2))
      machine.crashAfter(1 + random.below(12), random.pick(["power", "kill"]));
    snapshots.dropping(name);
    this.#trackWork("snapshot", this.#session.store.dropSnapshot(name), () => {
      snapshots.dropped(name);
      this.#session.run.count("snapshot dropped");
      if (this.#session.closing) return;
      const listed = this.#session.store.snapshots().some((snapshot) => snapshot.name === name);
      this.#session.run.check(!listed, `snapshot ${name} was dropped and is listed`);
    });
  }

  /** By this program or another one, while this one writes. */
  openSnapshot(): void {
    const { snapshots, machine } = this.#session.run;
    if (snapshots.there.length === 0) return;
    const name = this.#session.random.pick(snapshots.there);
    const disk = this.#session.random.chance(0.5) ? this.#session.disk : machine.boot();
    const gone = (error: unknown): boolean => mayBeGone(this.#session.run, name, error);
    this.#trackWork("snapshot", compareSnapshot(this.#session.run, disk, name), () => {}, gone);
    if (!this.#session.random.chance(0.3)) return;
    this.#session.run.count("snapshot dropped under its reader");
    this.#dropSnapshot(name);
  }

  /** The fault is gone: the background has to take up its work again, when it is asked to. */
  async getsOver(): Promise<void> {
    const { run, store, sleep } = this.#session;
    if (store.stats().state !== "open") return;
    // What was under way when the fault went may still fail of it; and the log itself asks for room
    // again only after a while. After that nothing may fail.
    await store.flush().catch(() => sleep(ROOM_MILLIS).then(() => store.flush()));
    this.#session.noteFlush();
    const { runsThrough, flushes } = store.stats().background;
    run.check(flushes.error === undefined, "a flush has succeeded, and its failure is still told");
    run.model.acknowledge(runsThrough);
    run.count("flush after a fault");
  }
}
