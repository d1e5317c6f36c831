// The benchmarks: `npm run bench -- NAME [options]`. Run them on a machine that does nothing else.
import { books } from "./books.mjs";
import { columns } from "./columns.mjs";
import { durable } from "./durable.mjs";
import { fill } from "./fill.mjs";
import { overwrite } from "./overwrite.mjs";
import { series } from "./series.mjs";
import { state } from "./state.mjs";

const BENCHES = { durable, state, overwrite, fill, columns, series, books };

const USAGE = `npm run bench -- NAME [--dir DIR] [--quick] ...

  durable    one durable put against the floor of the device, sync and awaited; 64 writers; batches;
             the CPU that a put takes; the bytes that reach the device
    --json             one JSON object instead of tables
    --check            exit with 1 if a target is missed

  state      a state of 1 GB: snapshots, delays at a steady load, recovery, reads beside lmdb, memory,
             bytes to the device (docs/benchmarks.md); exits with 1 if a target is missed by more
             than the tolerance
    --only PART,...    snapshot, load, recovery, reads, memory, writes
    --gigabytes N      size of the state (default: 1; with --quick 0.01)
    --large            recover a state four times as large too
    --transactions N   of "writes" (default: 36000000; with --quick 360000)
    --group N          transactions in a turn of the event loop (default: 100)
    --factor N         "writes" runs at most so many times as fast as the load (default: 20)
    --snapshots N  --slices N  --slice-seconds N  --backlog-rows N  --openings N  --rounds N
    --gets-per-block N  --memory-seconds N
    --keep             leave the states there, and use those that are there
    --keep-page-cache  never drop the page cache
    --tolerance N      percent of a target by which it may be missed (default: 10)
    --json FILE        write the result there too

  overwrite  the same keys again and again: the size of the directory meanwhile
    --count N  --keys N  --group N  --tolerance N  --json FILE

  fill       one fill with all that it changes, beside a bare put: latency and CPU
    --kind KIND        of the instruments: spot or linear (default: spot)
    --json --check     as of "durable"

  columns    column chunks of recorded tapes: how small, how fast, beside LZ4 alone
    --data DIR         a folder of tapes (default: tapes/ in this checkout)
    --rows N           of a chunk (default: 65536)
    --seconds N        for each figure of speed (default: 0.4)
    --json FILE

  series     what a series costs: appends of one row and of batches, sealing, reads, bytes a row
    --rows N (default: 1000000; with --quick 100000)  --json FILE

  books      level changes of a recorded tape a second, applied, logged and durable; bytes a level
    --data DIR         a folder of tapes (default: those in this checkout)
    --rounds N (default: 10; with --quick 2)  --json FILE

  --dir DIR  where to measure (default: .tmp/bench in this checkout)
  --quick    a small part of the samples; for "state" of everything
`;

const [name, ...rest] = process.argv.slice(2);
const bench = BENCHES[name];
const wantsHelp = name === undefined || [name, ...rest].includes("--help");
if (bench === undefined || wantsHelp) {
  if (!wantsHelp) console.error(`there is no bench "${name}"\n`);
  (wantsHelp ? console.log : console.error)(USAGE);
  process.exit(wantsHelp ? 0 : 2);
}
try {
  await bench(rest);
} catch (error) {
  if (!String(error.code).startsWith("ERR_PARSE_ARGS")) throw error;
  console.error(`${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
