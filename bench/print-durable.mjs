// The durable bench for people, with its targets; returns how many are missed.

/** What is to be reached, each with what decides it. */
export function targets(result) {
  const { floor, putSync, put, writers, batches, cpu } = result;
  const ratio = (a, b) => Math.round((100 * a) / b) / 100;
  const list = [
    ["putSync p50 / floor", "at most 1.10", ratio(putSync.p50, floor.p50), (x) => x <= 1.1],
    ["awaited put p50 / floor", "at most 1.20", ratio(put.p50, floor.p50), (x) => x <= 1.2],
    [
      "frames/s of 64 writers / of one in flight",
      "at least 2.5",
      ratio(writers.writers64.frames, writers.oneWriterOneInFlight.frames),
      (x) => x >= 2.5,
    ],
    ["durable rows/s in batches", "at least 1,500,000", batches.rowsPerSecond, (x) => x >= 1.5e6],
    ["CPU of one put, ns", "at most 500", cpu.putNanos, (x) => x <= 500],
  ];
  if (floor.p50 < 85) list.push(["awaited put p50, µs", "under 100", put.p50, (x) => x < 100]);
  return list.map(([name, target, value, met]) => ({ name, target, value, met: met(value) }));
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((r) => String(r[column]).length)));
  return rows
    .map((cells) =>
      cells
        .map((cell, i) =>
          i === 0 ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]),
        )
        .join("  "),
    )
    .join("\n");
}

const figure = (value) => (value === undefined ? "?" : value.toLocaleString("en-US"));

export function printDurable(result, json) {
  const checked = targets(result);
  if (json) console.log(JSON.stringify({ ...result, targets: checked }));
  else printTables(result, checked);
  return checked.filter(({ met }) => !met).length;
}

function printTables(result, checked) {
  const { machine, disk, floor, bytes, writers, batches, cpu } = result;
  console.log(
    `${machine.cpu}, ${machine.cores} cores, kernel ${machine.kernel}, node ${machine.node}; ` +
      `${disk.backend}, ${disk.method} on ${disk.fileSystem}; load ${machine.loadAtStart.toFixed(2)}\n`,
  );
  const line = (name, q) => [
    name,
    q.p50,
    q.p99,
    q.p999,
    q.max,
    (q.p50 / floor.p50).toFixed(2),
    (q.p99 / floor.p99).toFixed(2),
  ];
  console.log(
    table([
      ["one durable write, µs", "p50", "p99", "p99.9", "max", "p50/floor", "p99/floor"],
      line("floor: pwritev2 4 KiB", floor),
      line("putSync", result.putSync),
      line("awaited put", result.put),
    ]),
  );
  const both = (name, { puts, frames }) => [name, figure(puts), figure(frames)];
  console.log(
    `\n${table([
      ["writers", "puts/s", "frames/s"],
      both("1 writer, 1 frame in flight", writers.oneWriterOneInFlight),
      both("64 writers, 1 frame in flight", writers.writers64OneInFlight),
      both(`64 writers, ${writers.framesInFlight} frames in flight`, writers.writers64),
    ])}`,
  );
  console.log(
    `\nbatches of 1,000 rows: ${figure(batches.rowsPerSecond)} durable rows/s (median), ` +
      `${figure(batches.rowsPerSecondBest)} at best, ${batches.cpuNanosPerRow} ns of CPU a row`,
  );
  console.log(
    `CPU of a put: ${cpu.putNanos} ns (and ${cpu.rowNanos} ns to make the row that is put)`,
  );
  console.log(
    `bytes of one awaited put: ${figure(bytes.record)} record, ${figure(bytes.log)} log, ` +
      `${figure(bytes.process)} by the process, ${figure(bytes.device)} on the device\n`,
  );
  console.log(
    table([
      ["target", "", "measured", ""],
      ...checked.map(({ name, target, value, met }) => [
        name,
        target,
        figure(value),
        met ? "met" : "MISSED",
      ]),
    ]),
  );
}
