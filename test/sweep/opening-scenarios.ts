/** Openings of what is not quite as it was left. */
import { defineTable, integer } from "../../src/index.js";
import { DEFINITIONS, TABLE_NAMES } from "../sim/tables.js";
import { openStore } from "../support/program.js";
import { opened, rotate, type Scenario, type Steps, scenario } from "./scenario.js";

const trades = defineTable({
  name: "trades",
  version: 1,
  key: integer(),
  fields: { price: integer() },
});

/** One table more than the store has. */
const declare: Steps = async (program) => {
  const { machine, options } = program;
  const tables = [...TABLE_NAMES.map((name) => DEFINITIONS.plain[name]), trades];
  const store = await openStore(machine.boot(), { ...options, tables });
  // What declares it is a transaction without rows.
  program.model.noteFlush(store.lastSequence, 0);
  await store.close();
};

const put: Steps = (program) => program.put("orders", 1);
const close: Steps = (program) => program.close();

export const OPENING_SCENARIOS: readonly Scenario[] = [
  scenario("open with strays", "strays", opened()),
  scenario("open with strays, put, close", "strays", opened(put, close)),
  scenario("open with larger blocks", "other blocks", opened()),
  scenario("open with larger blocks, fill a segment", "other blocks", opened(rotate, close)),
  scenario("open again after a cut short opening", "cut short", opened(put)),
  scenario("open with archives", "archives", opened(put), { options: { history: "all" } }),
  scenario("declare another table", "closed", declare),
  scenario("declare another table behind several runs", "several runs", declare),
];
