#!/usr/bin/env node
/** The `holdfast` command. */
import { createRequire } from "node:module";
import { Command, CommanderError } from "commander";
import { registerAt } from "./at.js";
import { registerBackup } from "./backup.js";
import { registerBlob } from "./blob.js";
import { registerBook } from "./book.js";
import { registerCompare } from "./compare.js";
import { registerDiff } from "./diff.js";
import { registerDoctor } from "./doctor.js";
import { registerExport } from "./export.js";
import { registerFork } from "./fork.js";
import { registerHistory } from "./history.js";
import { registerImport } from "./import.js";
import { registerInspect } from "./inspect.js";
import { registerLog } from "./log.js";
import { registerMigrate } from "./migrate.js";
import { describeError, EXIT_COULD_NOT_LOOK, endWhenReaderLeaves, exitCodeOf } from "./output.js";
import { registerReplay } from "./replay.js";
import { registerRestore } from "./restore.js";
import { registerRollback } from "./rollback.js";
import { registerSalvage } from "./salvage.js";
import { registerSeries } from "./series.js";
import { registerSnapshot } from "./snapshot.js";
import { registerTail } from "./tail.js";
import { registerVerify } from "./verify.js";

const EXAMPLES = `
Examples:
  holdfast replay tapes/binance_spot_btcusdt_20240808.jsonl.gz --dir state
                                   run the trading engine, every event durable
  holdfast inspect state           what the store consists of
  holdfast log state --from 100 --limit 5
                                   five transactions, as rows
  holdfast at state 1200 orders    the rows of a table after transaction 1,200
  holdfast history state orders o-17
                                   every change of one key
  holdfast diff state 1200 before  what differs: a transaction and a snapshot
  holdfast tail state              transactions as they happen
  holdfast rollback state --to 1200 --reason "bad feed" --check
                                   which rows going back would change
  holdfast series state trades --last 1h --plot
                                   draw a time series; --csv and --json print its rows
  holdfast blob put state model model.safetensors
                                   keep a version of a model; blob get gives it back
  holdfast book state binance.btcusdt --levels 20
                                   the top of an order book, with bars
  holdfast verify state && echo sound
                                   check every checksum, chain and reference
  holdfast snapshot state before   keep the state as it is now, as "before"
  holdfast restore state before there
                                   make a new store of it
  holdfast fork state trial        a new store that shares the files of it
  holdfast compare state trial     what differs between what two stores hold
  holdfast backup state /mnt/backups/state
                                   a verified copy of what has changed since the last one
  holdfast restore /mnt/backups/state newest state
                                   make a new store of a backup
  holdfast salvage state saved     make a new store of what a damaged one has left
  holdfast migrate state --module tables.mjs --check
                                   which rows a new version would fail on
  holdfast export state positions.csv --table positions
                                   the rows of a table as a file
  holdfast import state positions.csv --table positions
                                   and back, all of them or none
  holdfast doctor state            what durable writes cost in this directory

inspect, log, at, history, diff, tail, series, book, verify and snapshot --list only read: they
need neither the lock nor the application, and work on a damaged store and on one in use.
restore and salvage only read the store that they are given. doctor leaves nothing
behind. Exit codes: 0 sound, 1 damaged or failed, 2 could not look.`;

function makeProgram(): Command {
  const { version } = createRequire(import.meta.url)("../../package.json") as { version: string };
  const program = new Command("holdfast")
    .description(
      "Keeps the state of an engine that cannot wait and cannot lose: a write-ahead-log storage " +
        'engine for Node.js. The library is `import { open } from "holdfast"`; this command runs ' +
        "the main job and looks into stores.",
    )
    .version(version)
    .showHelpAfterError("(holdfast --help tells more)")
    .addHelpText("after", EXAMPLES)
    .exitOverride();
  registerReplay(program);
  registerInspect(program);
  registerLog(program);
  registerVerify(program);
  registerAt(program);
  registerHistory(program);
  registerDiff(program);
  registerTail(program);
  registerRollback(program);
  registerSeries(program);
  registerBlob(program);
  registerBook(program);
  registerSnapshot(program);
  registerRestore(program);
  registerBackup(program);
  registerFork(program);
  registerCompare(program);
  registerSalvage(program);
  registerMigrate(program);
  registerExport(program);
  registerImport(program);
  registerDoctor(program);
  return program;
}

async function main(): Promise<void> {
  endWhenReaderLeaves();
  try {
    await makeProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      // It has said what there is to say; help and version are no failures.
      process.exitCode = error.exitCode === 0 ? 0 : EXIT_COULD_NOT_LOOK;
      return;
    }
    process.stderr.write(`${describeError(error)}\n`);
    process.exitCode = exitCodeOf(error);
  }
}

await main();
