/** Books of the public tapes: what is read is what the venue sent, after every update and recovery. */
import { describe, expect, test } from "vitest";
import { SimulatedMachine } from "../sim/disk.js";
import { openOn } from "../support/simulated-store.js";
import { levelsOf, ModelBook, readTape, SOURCES } from "./tapes.js";

const OPTIONS = { tables: [], frameBytesMax: 1024 * 1024, segmentBytes: 4 * 1024 * 1024 };

/** Updates between two crashes. */
const LIFE = process.env.HOLDFAST_TAPES === undefined ? 150 : 2_000;

describe.each(SOURCES.map((source) => [source.book.name, source] as const))("%s", (_, source) => {
  const tape = readTape(source);

  test("after every update, in views, and after crashes", async () => {
    const machine = new SimulatedMachine({ seed: 1 });
    const options = { ...OPTIONS, books: [source.book], history: "all" } as const;
    let store = await openOn(machine, options);
    let book = store.book(source.book);
    const model = new ModelBook(tape);
    expect(await machine.run(book.snapshot(tape.snapshot, tape.before))).toBe(true);
    let changed = 0;
    let marked: { sequence: number; bids: unknown; asks: unknown } | undefined;
    for (const [i, update] of tape.after.entries()) {
      model.apply(update);
      const view = i % 100 === 0 ? store.view() : undefined;
      const past = view && levelsOf(view.book(source.book), "asks");
      const done = book.update(update);
      if (i % 16 === 0) changed += (await machine.run(done)) ?? 0;
      expect(model.compareAt(book, update), `update ${i}`).toEqual([]);
      if (view !== undefined) {
        expect(levelsOf(view.book(source.book), "asks")).toEqual(past);
        expect(levelsOf(book, "bids")).toEqual(model.levels("bids"));
        view.release();
      }
      if (i % LIFE !== LIFE - 1) continue;
      marked ??= {
        sequence: store.lastSequence,
        bids: model.levels("bids"),
        asks: model.levels("asks"),
      };
      await machine.run(store.durable());
      if (i % 2 === 0) await machine.run(store.flush());
      machine.crash("kill");
      store = await openOn(machine, options);
      book = store.book(source.book);
      for (const side of ["bids", "asks"] as const) {
        expect(levelsOf(book, side), `recovered after update ${i}`).toEqual(model.levels(side));
      }
    }
    expect(changed).toBeGreaterThan(0);
    if (marked !== undefined) {
      const then = await machine.run(store.at(marked.sequence));
      const was = then.book(source.book);
      expect({ bids: levelsOf(was, "bids"), asks: levelsOf(was, "asks") }).toEqual({
        bids: marked.bids,
        asks: marked.asks,
      });
      await machine.run(then.close());
    }
    const { bids } = book.levels();
    const scale = 10 ** source.book.priceScale;
    expect([...bids.prices].map((price) => price / scale)).toEqual(
      model.levels("bids").map(([price]) => price),
    );
    await machine.run(store.close());
  });

  test("an update that is left out is a gap, and the book stays what it was", async () => {
    const machine = new SimulatedMachine({ seed: 2 });
    const store = await openOn(machine, { ...OPTIONS, books: [source.book] });
    const book = store.book(source.book);
    await machine.run(book.snapshot(tape.snapshot, tape.before));
    const [first, second, third] = tape.after;
    await machine.run(book.update(first as never));
    const levels = levelsOf(book, "bids");
    const { lastSequence } = store;
    const refused = machine.run(book.update(third as never));
    await expect(refused).rejects.toMatchObject({ code: "BOOK_GAP", data: { book: book.name } });
    expect(levelsOf(book, "bids")).toEqual(levels);
    expect(store.lastSequence).toBe(lastSequence);
    // It goes on where it was; what it has had is passed over.
    expect(await machine.run(book.update(second as never))).toBeTypeOf("number");
    expect(await machine.run(book.update(first as never))).toBe(undefined);
    await machine.run(book.update(third as never));
    await machine.run(store.close());
  });
});
