// A backup while rows are written at a steady pace: how long it takes, and for how long it stops the
// event loop and the writer.
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/** Puts a second: some load, that everybody keeps up with. */
const PUTS_PER_SECOND = 500;

/** Puts at the pace until `until` resolves; the delays of each, and of the event loop. */
async function load({ store, rows }, until) {
  const micros = [];
  let longestGap = 0;
  let before = performance.now();
  let going = true;
  const watch = () => {
    const now = performance.now();
    longestGap = Math.max(longestGap, now - before);
    before = now;
    if (going) setImmediate(watch);
  };
  setImmediate(watch);
  const start = performance.now();
  let failed;
  const ended = until().then(
    () => {
      going = false;
    },
    (error) => {
      failed = error;
      going = false;
    },
  );
  for (let i = 0; going; i++) {
    const due = start + (i * 1000) / PUTS_PER_SECOND;
    const ahead = due - performance.now();
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
    const [key, row] = rows.nextOrder();
    const put = performance.now();
    await store.put("orders", key, row);
    micros.push((performance.now() - put) * 1000);
  }
  await ended;
  if (failed !== undefined) throw failed;
  return { seconds: (performance.now() - start) / 1000, micros, gapMillis: longestGap };
}

const summary = ({ seconds, micros, gapMillis }) => ({
  seconds,
  puts: micros.length,
  gapMillis,
  putMillis: Math.max(...micros) / 1000,
});

/** `kind`: "backup" or "snapshot". Without and with it; `unsupported` where there is none. */
export async function underLoad(context, { kind, millis }) {
  const { store, directory } = context;
  if (store[kind] === undefined) return { unsupported: true };
  const rest = () => new Promise((resolve) => setTimeout(resolve, millis));
  const without = await load(context, rest);
  const to = join(directory, "..", `${kind}-copy`);
  rmSync(to, { recursive: true, force: true });
  if (kind === "backup") mkdirSync(to, { recursive: true });
  try {
    const started = performance.now();
    let took;
    const withIt = await load(context, async () => {
      await store[kind](to);
      took = performance.now() - started;
    });
    return { without: summary(without), with: summary(withIt), millis: took };
  } finally {
    rmSync(to, { recursive: true, force: true });
  }
}
