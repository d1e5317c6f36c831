// Writes: one after the other, by many writers at once, in batches, over five tables.
import { measured } from "../measured.mjs";

/** Batches of one writer that are under way at once: enough for whoever can have several. */
const BATCHES_UNDER_WAY = 4;

/** `count` puts, each made durable before the next, the event loop waiting. */
export function putSync({ store, rows, directory }, { count }) {
  return measured(directory, () => {
    const micros = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const [key, row] = rows.nextOrder();
      const start = performance.now();
      store.putSync("orders", key, row);
      micros[i] = (performance.now() - start) * 1000;
    }
    return { operations: count, micros };
  });
}

/** The same, awaited. */
export function put({ store, rows, directory }, { count }) {
  return measured(directory, async () => {
    const micros = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const [key, row] = rows.nextOrder();
      const start = performance.now();
      await store.put("orders", key, row);
      micros[i] = (performance.now() - start) * 1000;
    }
    return { operations: count, micros };
  });
}

/** `writers` loops of awaited puts, for so long. */
export function writers({ store, rows, directory }, { writers: count, millis }) {
  return measured(directory, async () => {
    const micros = [];
    const end = performance.now() + millis;
    const loop = async () => {
      for (;;) {
        if (performance.now() >= end) return;
        const [key, row] = rows.nextOrder();
        const start = performance.now();
        await store.put("orders", key, row);
        micros.push((performance.now() - start) * 1000);
      }
    };
    const loops = [];
    for (let i = 0; i < count; i++) {
      loops.push(loop());
      // Writers that began together would stay together.
      if (count > 1) await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(loops);
    return { operations: micros.length, micros: Float64Array.from(micros) };
  });
}

/** Transactions of `size` rows of one table. Operations are rows, times are those of a batch. */
export function batches({ store, rows, directory }, { size, millis }) {
  return measured(directory, async () => {
    const micros = [];
    const pending = [];
    const end = performance.now() + millis;
    const one = async () => {
      const operations = Array.from({ length: size }, () => ["orders", ...rows.nextOrder()]);
      const start = performance.now();
      await store.transact(operations);
      micros.push((performance.now() - start) * 1000);
    };
    while (performance.now() < end || pending.length === 0) {
      pending.push(one());
      if (pending.length >= BATCHES_UNDER_WAY) await pending.shift();
    }
    await Promise.all(pending);
    return { operations: micros.length * size, micros: Float64Array.from(micros) };
  });
}

/** A fill: five rows of five tables, all or none, each durable before the next. */
export function fill({ store, rows, directory }, { count }) {
  return measured(directory, async () => {
    const micros = new Float64Array(count);
    for (let i = 0; i < count; i++) {
      const operations = rows.nextFill();
      const start = performance.now();
      await store.transact(operations);
      micros[i] = (performance.now() - start) * 1000;
    }
    return { operations: count, micros };
  });
}
