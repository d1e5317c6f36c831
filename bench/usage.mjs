// What the benches are and take, for `npm run bench -- --help`.

export const USAGE = `npm run bench -- NAME [--dir DIR] [--quick] ...

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

  peers      beside lmdb-js, better-sqlite3, classic-level, rocksdb-js, process-wal, node:fs and the floor,
             each with the same promise, verified; in turns
    --promise NAME     power or kill: what is survived (default: both)
    --only GROUP,...   sequence, writers, batches, fill, replay, reads, ycsb, backup, crash, history
    --with NAME,...    floor, holdfast, lmdb, better-sqlite3, classic-level, rocksdb-js, process-wal,
                       append
    --json FILE

  promises   every figure that is promised: target, measured, ratio to the floor, met or not; runs what
             measures them; exits with 1 if one is missed by more than its tolerance
    --only PART,...    durable, state, columns, loss, versions, audit
    --data DIR         tapes for "columns"  --large --keep --transactions N: as of "state"
    --json FILE

  compare    REV [REV2]: two revisions, or one and this checkout, each built in a git worktree, in turns:
             the ratio of their times, with an interval
    --workload NAME,...  put-sync, put, writers-64, batch-1000, fill, replay, get-hot, get-any,
                       get-absent, scan, ycsb-A, ycsb-B, ycsb-C, ycsb-F
    --json FILE

  profile    WORKLOAD, as of "compare": a CPU profile and a flame graph, in bench/results
    --of NAME          another contender of "peers" (default: holdfast)
    --seconds N (default: 6)  --out DIR

  growth     each cost against what it grows with, and the exponent
    --only DRIVER,...  rows, rowSize, stateSize, history, tables, writers
    --json FILE

  render     results as tables in docs/benchmarks.md and README.md, and as plots in docs/plots
    --results DIR      where they are (default: bench/results); the newest of each bench counts
    --docs DIR         a checkout whose documents are written (default: this one)
    --allow-quick      results of --quick too, which are none to show

  books      level changes of a recorded tape a second, applied, logged and durable; bytes a level
    --data DIR         a folder of tapes (default: those in this checkout)
    --rounds N (default: 10; with --quick 2)  --json FILE

  blobs      a model: durable beside the device, the event loop meanwhile, after an update of 1 % and
             of all of its weights, and read back
    --mebibytes N (default: 128; with --quick 16)  --rounds N (default: 3)  --json FILE  --check

  history    states of the past, the history of a key, forks, bytes that history takes
    --gigabytes N (default: 1)  --transactions N (default: 10000000)  --rounds N  --json FILE

  --dir DIR  where to measure (default: .tmp/bench in this checkout)
  --quick    a small part of the samples; for "state" of everything
`;
