/** What is done while an operation of the machine fails. */
import type { OpenOptions } from "../../src/index.js";
import { open } from "../../src/index.js";
import { readState } from "../sim/reading.js";
import { DEFINITIONS, DIRECTORY, TABLE_NAMES } from "../sim/tables.js";
import { openStore, SMALL, stateOf } from "../support/program.js";
import { COPY_SCENARIOS } from "./copy-scenarios.js";
import { OPENING_SCENARIOS } from "./opening-scenarios.js";
import {
  ALL,
  flush,
  opened,
  rest,
  rotate,
  type Scenario,
  type Steps,
  scenario,
} from "./scenario.js";

const inFlight: Steps = async (program) => {
  const puts: Promise<void>[] = [];
  for (let n = 0; n < 6; n++) {
    puts.push(program.put("orders", n));
    await program.sleep(0);
  }
  await Promise.all(puts);
};

const close: Steps = (program) => program.close();

const openSnapshot: Steps = async (program) => {
  const tables = TABLE_NAMES.map((name) => DEFINITIONS.plain[name]);
  const disk = program.machine.boot();
  const snapshot = await open(DIRECTORY, { ...SMALL, disk, tables, at: "base" });
  readState(snapshot, DEFINITIONS.plain, TABLE_NAMES);
  await snapshot.close();
};

const NO_MEMORY: OpenOptions = {
  bounds: { ...SMALL.bounds, rowBytes: 0, blockBytes: 0, fileBytes: 40_000 },
};

const put =
  (table: "orders" | "notes" | "quotes"): Steps =>
  (program) =>
    program.put(table, 1);
const durable: Steps = (program) => program.durable();
const snapshot: Steps = (program) => program.snapshot("new");
const drop: Steps = (program) => program.drop("base");
const reopen: Steps = (program) => program.open();

export const SCENARIOS: readonly Scenario[] = [
  scenario("create", "nothing", opened()),
  scenario("create and close", "nothing", opened(close)),
  scenario("create and put", "nothing", opened(put("orders"))),
  scenario("create, fill a segment, close", "nothing", opened(rotate, close)),
  scenario("open what was closed", "closed", opened()),
  scenario("open what was killed", "killed", opened()),
  scenario("open what was torn", "torn", opened()),
  scenario("open with a damaged slot", "slot damaged", opened()),
  scenario("open several runs", "several runs", opened()),
  scenario("open what was torn, and close", "torn", opened(close)),
  scenario("open, close, open", "closed", opened(close, reopen)),
  scenario("open with a resident table", "several runs", (program) =>
    openStore(program.machine.boot(), {
      ...program.options,
      tables: TABLE_NAMES.map((name) => DEFINITIONS.resident[name]),
    }),
  ),
  scenario("put, critical", "closed", opened(put("orders"))),
  scenario("put, important", "closed", opened(put("notes"), durable)),
  scenario("put, cached", "closed", opened(put("quotes"), durable)),
  scenario(
    "put, cached, and wait",
    "closed",
    opened(put("quotes"), (p) => p.sleep(1100)),
  ),
  scenario(
    "putSync",
    "closed",
    opened((program) => program.putSync("orders", 1)),
  ),
  scenario(
    "putSync, many",
    "closed",
    opened(async (program) => {
      for (let n = 0; n < 5; n++) await program.putSync("orders", n, 15_000);
    }),
  ),
  scenario(
    "delete",
    "closed",
    opened((program) => program.delete("orders", 9)),
  ),
  scenario(
    "transaction",
    "closed",
    opened((program) => program.transact(2)),
  ),
  scenario("six frames in flight", "closed", opened(inFlight)),
  scenario("a frame in flight at a time", "closed", opened(inFlight), {
    options: { framesInFlight: 1 },
  }),
  scenario(
    "six frames in flight, idle seal",
    "closed",
    opened(inFlight, (p) => p.sleep(20)),
  ),
  scenario("rotate", "closed", opened(rotate)),
  scenario("rotate twice", "closed", opened(rotate, rotate)),
  scenario("rotate and close", "killed", opened(rotate, close)),
  scenario("flush", "killed", opened(flush)),
  scenario("flush what was put", "closed", opened(put("orders"), put("quotes"), flush)),
  scenario("flush twice", "killed", opened(flush, put("orders"), flush)),
  scenario("rotate and flush: a segment is used again", "closed", opened(rotate, flush, rest)),
  scenario("flush and rotate", "killed", opened(flush, rotate, rest)),
  scenario("merge", "several runs", opened(put("orders"), flush, rest)),
  scenario("merge twice", "several runs", opened(flush, put("notes"), flush, rest)),
  scenario("archive", "closed", opened(rotate, flush, rest), { options: ALL }),
  scenario("archive twice", "killed", opened(rotate, flush, rotate, flush, rest), {
    options: ALL,
  }),
  scenario("archives expire", "killed", opened(rotate, flush, rotate, flush, rest), {
    options: { history: { keepBytes: 10 } },
  }),
  scenario("snapshot", "closed", opened(snapshot)),
  scenario("snapshot of what is new", "closed", opened(put("orders"), snapshot)),
  scenario(
    "snapshot and drop",
    "closed",
    opened(snapshot, (program) => program.drop("new")),
  ),
  scenario("drop a snapshot", "closed", opened(drop)),
  scenario("drop a snapshot, flush, merge", "several runs", opened(drop, flush, rest)),
  scenario("open a snapshot", "closed", openSnapshot),
  scenario("open a snapshot beside its store", "closed", opened(put("orders"), openSnapshot)),
  scenario("close", "closed", opened(close)),
  scenario("close with rows in memory", "closed", opened(put("notes"), put("quotes"), close)),
  scenario("close with a last run", "killed", opened(put("orders"), close), {
    options: { finalSnapshotMillis: 1000 },
  }),
  {
    name: "scrub",
    begin: "several runs",
    // Not hours: each second the directory is looked at, and each look is an operation that fails.
    options: { bounds: { ...SMALL.bounds, scrubEveryMillis: 1500 } },
    run: opened((program) => program.sleep(4000)),
  },
  scenario(
    "ranges from runs",
    "several runs",
    opened(async (p) => stateOf(p.store)),
    { options: NO_MEMORY },
  ),
  scenario(
    "keys from runs",
    "several runs",
    opened(async ({ store }) => {
      for (let key = -20; key < 20; key++) store.table(DEFINITIONS.plain.orders).get(key as never);
    }),
    { options: NO_MEMORY },
  ),
  scenario(
    "a view",
    "several runs",
    opened(async (program) => {
      const view = program.store.view();
      await program.put("orders", 1);
      await program.flush();
      readState(view, DEFINITIONS.plain, TABLE_NAMES);
      view.release();
    }),
    { options: NO_MEMORY },
  ),
  scenario(
    "kill and open",
    "killed",
    opened(put("orders"), async (program) => {
      program.kill();
      await program.open();
    }),
  ),
  scenario(
    "a bit of everything",
    "killed",
    opened(put("orders"), put("quotes"), snapshot, flush, rotate, drop, flush, rest, close),
  ),
  ...OPENING_SCENARIOS,
  ...COPY_SCENARIOS,
];
