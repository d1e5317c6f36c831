// Recovery.
import { millis, number, times } from "../text.mjs";

/** Recovery must not grow with the state: of the largest one, at most so many times the smallest's. */
const GROWTH_MAX = 1.25;

export function recovery(sizes) {
  const sizeName = ({ gigabytes }) => number(gigabytes * 1000, gigabytes < 0.01 ? 1 : 0);
  const of = (size, cache) => `${sizeName(size)} MB, ${cache}`;
  const all = sizes.flatMap((size) =>
    [
      { name: of(size, "page cache warm"), size, one: size.warm },
      { name: of(size, "page cache dropped"), size, one: size.cold },
    ].filter(({ one }) => one !== undefined),
  );
  const both = ({ median, max }, places = 1) =>
    `${number(median, places)} (${number(max, places)})`;
  const parts = Object.keys(all[0].one.parts);
  const targets = all.flatMap(({ name, one }) => [
    {
      name: `first durable write, median: ${name}`,
      value: one.firstWrite.median,
      bound: 100,
      under: true,
      show: millis,
    },
    {
      name: `first durable write, max: ${name}`,
      value: one.firstWrite.max,
      bound: 100,
      under: true,
      show: millis,
    },
  ]);
  for (const cache of ["warm", "cold"]) {
    const measured = sizes.filter((size) => size[cache] !== undefined);
    if (measured.length < 2) continue;
    const [first, last] = [measured[0], measured.at(-1)];
    targets.push({
      name:
        `open, median: ${sizeName(last)} MB / ${sizeName(first)} MB, ` +
        `page cache ${cache === "warm" ? "warm" : "dropped"}`,
      value: last[cache].open.median / first[cache].open.median,
      bound: GROWTH_MAX,
      show: times,
    });
  }
  const refused = sizes.find((size) => size.refused !== undefined)?.refused;
  return {
    title: "Recovery after SIGKILL at full load",
    notes: [
      "Milliseconds since before `open`, median (max); killed when the tail of the log was as long as it gets.",
      ...(refused === undefined
        ? []
        : [`The page cache could not be dropped (${refused}): all openings are warm.`]),
    ],
    tables: [
      [
        [
          "state",
          "openings",
          "open",
          "first read",
          "first durable write",
          "since the process began",
        ],
        ...all.map(({ name, one }) => [
          name,
          number(one.count),
          both(one.open),
          both(one.firstRead),
          both(one.firstWrite),
          both(one.process),
        ]),
      ],
      [
        ["parts of `open`, as `store.recovery` has them", ...parts],
        ...all.map(({ name, one }) => [name, ...parts.map((part) => both(one.parts[part]))]),
      ],
      [
        ["what was read back", "part of the budget when killed", "operations", "kB of log", "runs"],
        ...all.map(({ name, one }) => [
          name,
          both(one.urgency, 2),
          both(one.operations, 0),
          both({ median: one.bytesRead.median / 1000, max: one.bytesRead.max / 1000 }, 0),
          both(one.runs, 0),
        ]),
      ],
    ],
    targets,
  };
}
