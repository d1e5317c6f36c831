// What a caller waits for: snapshots, and the load beside them.
import { megabytes, micros, millis, number, times } from "../text.mjs";

export function snapshot(part) {
  const { durableMicros, callMicros, gapWithMicros, gapWithoutMicros } = part;
  const show = (value) => millis(value / 1000);
  const line = (name, q) => [name, show(q.p50), show(q.max)];
  return {
    title: "Snapshots",
    notes: [
      `${part.repetitions} snapshots, each after ${number(part.rowsChanged)} rows were changed; ` +
        `${part.flushesMeanwhile} runs were made of the log meanwhile.`,
    ],
    tables: [
      [
        ["`store.snapshot()`", "median", "max"],
        line("until it is durable", durableMicros),
        line("of which the call itself", callMicros),
        line("longest gap between two turns of the event loop, with it", gapWithMicros),
        line("the same without it", gapWithoutMicros),
      ],
    ],
    targets: [
      { name: "snapshot, median", value: durableMicros.p50, bound: 10_000, under: true, show },
      { name: "snapshot, max", value: durableMicros.max, bound: 10_000, under: true, show },
      {
        name: "event loop blocked by it, median",
        value: Math.max(0, gapWithMicros.p50 - gapWithoutMicros.p50),
        bound: 1_000,
        under: true,
        show,
      },
      {
        name: "event loop blocked by it, max",
        value: Math.max(0, gapWithMicros.max - gapWithoutMicros.max),
        bound: 1_000,
        under: true,
        show,
      },
    ],
  };
}

export function load(part, load) {
  const { without, with: busy } = part;
  const line = (name, one, q) => [
    name,
    micros(one[q].p50),
    micros(one[q].p99),
    micros(one[q].p999),
    micros(one[q].max),
  ];
  const show = (value) => millis(value / 1000);
  const work = (name, one) => [
    name,
    number(one.seconds, 1),
    number(one.transactions),
    number(one.snapshots),
    number(one.flushes),
    number(one.merges),
    `${number(100 * one.mergingPart)} %`,
    megabytes(one.backgroundBytesPerSecond),
    number(one.refused),
  ];
  return {
    title: "A steady load, with and without snapshots and merges",
    notes: [
      `${number(load.transactionsPerSecond)} transactions a second, ${number(part.group)} in a turn ` +
        `of the event loop every ${number((1000 * part.group) / load.transactionsPerSecond, 1)} ms; ` +
        `slices of ${number(without.seconds / without.slices, 1)} s in turns.`,
      `Both begin with ${part.backlog.made} runs to be merged; without, a merge that has begun waits for a ` +
        "budget that it is not given.",
    ],
    tables: [
      [
        ["", "p50", "p99", "p99.9", "max"],
        line("event loop delay, without", without, "delayMicros"),
        line("event loop delay, with", busy, "delayMicros"),
        line("`put` until durable, without", without, "putMicros"),
        line("`put` until durable, with", busy, "putMicros"),
      ],
      [
        [
          "meanwhile",
          "seconds",
          "transactions",
          "snapshots",
          "runs made",
          "merges done",
          "time with a merge begun",
          "background I/O a second",
          "puts refused",
        ],
        work("without", without),
        work("with", busy),
      ],
    ],
    targets: [
      {
        name: "event loop delay, p99.9, above that without",
        value: Math.max(0, busy.delayMicros.p999 - without.delayMicros.p999),
        bound: 2_000,
        show,
      },
      {
        name: "`put` p50, with / without",
        value: busy.putMicros.p50 / without.putMicros.p50,
        bound: 1.1,
        show: times,
      },
    ],
  };
}
