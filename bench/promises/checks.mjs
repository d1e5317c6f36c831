// The promises that are kept or not, and have no time: nothing is lost, older rows open and newer are
// refused, every change is told of. Each counts what it looked at and what was wrong.
import { join } from "node:path";
import { decimal, defineTable, integer, open, string, withDefault } from "../../dist/index.js";
import { contendersOf } from "../peers/contenders.mjs";
import { killAndOpen } from "../peers/promise.mjs";

/** Rows that are acknowledged, the process killed with SIGKILL in that turn, the store opened again. */
export async function loss(directory, kills) {
  const [spec] = await contendersOf("power", ["holdfast"]);
  let [looked, wrong] = [0, 0];
  for (let i = 0; i < kills; i++) {
    const { puts, lost } = await killAndOpen(spec, join(directory, "killed"), 1000);
    looked += puts + 1;
    wrong += lost;
  }
  return { looked, wrong };
}

const fields = { price: decimal(2), count: integer() };
const first = defineTable({ name: "orders", version: 1, key: string(), fields });
const second = defineTable({
  name: "orders",
  version: 2,
  key: string(),
  fields: { ...fields, venue: withDefault(string(), "XNAS") },
});

/** Rows of version 1 under version 2, each looked at; then version 1 must be refused. */
export async function versions({ directory, rows }) {
  let store = await open(directory, { tables: [first], environment: "bench" });
  await store.transact((tx) => {
    for (let i = 0; i < rows; i++) tx.put(first, `o-${i}`, { price: `${i}.25`, count: i });
  });
  await store.close();
  store = await open(directory, { tables: [second], environment: "bench" });
  let wrong = 0;
  const table = store.table(second);
  for (let i = 0; i < rows; i++) {
    const row = table.get(`o-${i}`);
    if (row?.count !== i || `${row.price}` !== `${i}.25` || row.venue !== "XNAS") wrong++;
  }
  await table.put("new", { price: "1.00", count: 1, venue: "XLON" });
  await store.close();
  const refused = await open(directory, { tables: [first], environment: "bench" }).then(
    (opened) => opened.close().then(() => false),
    (error) => error.code === "SCHEMA_MISMATCH",
  );
  return { looked: rows + 1, wrong: wrong + (refused ? 0 : 1) };
}

/** Changes of some keys: each has its time, author and difference, and the state then is as it was. */
export async function audit({ directory, changes }) {
  const keys = 20;
  const writerId = "auditor";
  const started = Date.now() * 1000;
  const options = { tables: [first], environment: "bench", history: "all", writerId };
  const store = await open(directory, options);
  const table = store.table(first);
  const course = [];
  for (let i = 0; i < changes; i++) {
    const key = `o-${i % keys}`;
    const done = table.put(key, { price: `${i}.50`, count: i }, { reason: `change ${i}` });
    course.push({ key, count: i, sequence: store.lastSequence });
    if (i % 100 === 99) await done;
  }
  await store.durable();
  await store.flush();
  let wrong = 0;
  for (let k = 0; k < keys; k++) {
    const expected = course.filter(({ key }) => key === `o-${k}`);
    let at = 0;
    for await (const change of table.history(`o-${k}`)) {
      const { count, sequence } = expected[at];
      const good =
        change.sequence === sequence &&
        change.writer === writerId &&
        change.reason === `change ${count}` &&
        change.timeMicros >= started - 1_000_000 &&
        change.after?.count === count &&
        change.before?.count === expected[at - 1]?.count;
      if (!good) wrong++;
      at++;
    }
    wrong += expected.length - at;
  }
  const middle = course[Math.floor(changes / 2)];
  const past = await store.at(middle.sequence);
  if (past.table(first).get(middle.key)?.count !== middle.count) wrong++;
  await past.close();
  await store.close();
  return { looked: changes + 1, wrong };
}
