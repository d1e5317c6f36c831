// A process that replays a tape, as the command does, with a background that is always at work.
//
//   node replay-child.mjs '{"directory", "tape", "limit", "options", "snapshotMillis"}'
//
// Says on descriptor 3 "SEQUENCE EVENT" for what it found and for whatever has become durable, before
// it goes on; and what becomes of its snapshots, see snapshots.mjs. Prints its result as JSON.
import { open } from "../../dist/index.js";
import { accountChecks } from "../../dist/replay/checks.js";
import { stateDigest } from "../../dist/replay/digest.js";
import { Engine } from "../../dist/replay/engine.js";
import { runTape } from "../../dist/replay/run.js";
import { REPLAY_TABLES } from "../../dist/replay/tables.js";
import { Tape } from "../../dist/replay/tape.js";
import { say } from "./say.mjs";
import { keepTakingSnapshots } from "./snapshots.mjs";

const { directory, tape: file, limit, options, snapshotMillis } = JSON.parse(process.argv[2]);
const tape = await Tape.open(file);
const store = await open(directory, {
  ...options,
  tables: REPLAY_TABLES,
  checks: accountChecks(tape.info.symbol),
});
const stop = new AbortController();
const snapshots = keepTakingSnapshots(store, snapshotMillis, say, stop.signal);
const engine = await Engine.open(store, tape);
const figures = await runTape(engine, {
  limit,
  onAcknowledged: (sequence, event) => say(`${sequence} ${event}`),
});
stop.abort();
await snapshots;
const digest = stateDigest(store);
await store.close();
console.log(JSON.stringify({ events: figures.endedAtEvent, digest }));
