// Bytes to the device.
import { megabytes, number, times } from "../text.mjs";

export function writes({ mixed, uniform }, load) {
  const both = (name, pick) => [name, pick(mixed), pick(uniform)];
  const hot = `${number(100 * load.hotPart)} % on ${number(load.hotRows)} rows`;
  return {
    title: "Bytes to the device",
    notes: [
      `${number(mixed.transactions)} transactions in groups of ${number(mixed.group)}: ` +
        `${number(mixed.transactions / load.transactionsPerSecond)} s of the load, as fast as they go up to ` +
        `${number(mixed.factor)} times its pace, with ${number(mixed.factor)} times its budget for the background. ` +
        "What the background had left to do at the end is included.",
    ],
    tables: [
      [
        ["keys", hot, "uniform"],
        both("transactions", (one) => number(one.transactions)),
        both("times the pace of the load, reached", (one) => number(one.effectiveFactor, 1)),
        both("times that writers were slowed by back-pressure", (one) =>
          number(one.pressureWarnings),
        ),
        both("bytes of a record, its row 128", (one) => number(one.recordBytesPerTransaction, 1)),
        both("records", (one) => megabytes(one.total.records)),
        both("log, by the store's count", (one) => megabytes(one.total.log)),
        both("frames of the log", (one) => number(one.total.frames)),
        both("runs, by the store's count", (one) => megabytes(one.total.backgroundWritten)),
        both("written by the process, by the kernel's count", (one) =>
          megabytes(one.total.process),
        ),
        both("written to the device meanwhile, by anybody", (one) =>
          one.total.device === undefined ? "?" : megabytes(one.total.device),
        ),
        both(
          "runs made / merges",
          (one) => `${number(one.total.flushes)} / ${number(one.total.merges)}`,
        ),
        both("write amplification: process / records", (one) => number(one.amplification, 2)),
        both("of which the log", (one) => number(one.logAmplification, 2)),
        both("of which runs", (one) => number(one.backgroundAmplification, 2)),
        both("process / rows of 128 bytes", (one) => number(one.amplificationOfRows, 2)),
        both("background I/O a second of the load, mean", (one) =>
          megabytes(one.backgroundBytesPerSecond),
        ),
        both("the same, the most in a sixtieth of it", (one) =>
          megabytes(one.backgroundBytesPerSecondMax),
        ),
      ],
      [
        ["transactions in a group", ...mixed.groups.map(({ group }) => number(group))],
        ["log / records", ...mixed.groups.map((one) => number(one.logAmplification, 2))],
      ],
    ],
    targets: [
      {
        name: `write amplification in groups of ${number(mixed.group)}`,
        value: mixed.amplification,
        bound: 2,
        under: true,
        show: times,
      },
      {
        name: "background I/O a second of the load, mean",
        value: mixed.backgroundBytesPerSecond,
        bound: mixed.budgetBytesPerSecond,
        show: megabytes,
      },
      {
        name: "the same with uniform keys",
        value: uniform.backgroundBytesPerSecond,
        bound: uniform.budgetBytesPerSecond,
        show: megabytes,
      },
    ],
  };
}
