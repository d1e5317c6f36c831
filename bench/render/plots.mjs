// Which plots there are, and of which results: by file name, the text of an SVG file.
import { NAMES } from "../peers/contenders.mjs";
import { labelOf } from "../peers/labels.mjs";
import { BATCHES, WRITERS } from "../peers/plan.mjs";
import { linePlot } from "../plot.mjs";

/** A contender looks the same in every plot. A variant looks as the floor does, which it never meets. */
const placeOf = (name) => Math.max(0, NAMES.indexOf(name));

/** Lines of all contenders that have points. */
function linesOf(promise, pointsOf) {
  return Object.keys(promise.contenders).flatMap((name) => {
    const points = pointsOf(name);
    if (points.length === 0) return [];
    return [{ name: labelOf(promise, name), place: placeOf(name), points }];
  });
}

const found = (promise, id, name) => {
  const one = promise.workloads[id]?.results[name];
  return one === undefined || one.failed !== undefined ? undefined : one;
};

function latency(promise, what) {
  // The better of its two forms; the floor has only the synchronous one.
  const series = linesOf(promise, (name) => {
    const forms = ["put-sync", "put"].map((id) => found(promise, id, name)).filter(Boolean);
    forms.sort((a, b) => a.micros.p50 - b.micros.p50);
    const points = forms[0]?.distribution.filter(([part]) => part >= 0.1 && part < 1) ?? [];
    return points;
  });
  if (series.length === 0) return undefined;
  return linePlot({
    title: `One put after the other, ${what}`,
    note: "The better of each store's synchronous and awaited form",
    x: { label: "part of the puts that took no longer", scale: "tail" },
    y: { label: "latency, µs (logarithmic)", scale: "log" },
    series,
  });
}

function throughput(promise, what) {
  const series = linesOf(promise, (name) =>
    WRITERS.flatMap((writers) => {
      const one = found(promise, `writers-${writers}`, name);
      return one === undefined ? [] : [[writers, one.perSecond]];
    }),
  );
  if (series.length === 0) return undefined;
  return linePlot({
    title: `Puts a second by concurrent writers, ${what}`,
    note: "Each writer waits for its put before the next",
    x: { label: "writers at once (logarithmic)", scale: "log", ticks: WRITERS },
    y: { label: "puts a second (logarithmic)", scale: "log" },
    series,
  });
}

function amplification(promise) {
  const sizes = [1, ...BATCHES];
  const series = linesOf(promise, (name) =>
    sizes.flatMap((size) => {
      const single = found(promise, "put", name) ?? found(promise, "put-sync", name);
      const one = size === 1 ? single : found(promise, `batch-${size}`, name);
      return one?.amplification === undefined ? [] : [[size, one.amplification]];
    }),
  );
  if (series.length === 0) return undefined;
  return linePlot({
    title: "Bytes written to the device for each byte of the rows",
    note: "All that reached the device meanwhile, by its own count",
    x: { label: "rows in a transaction (logarithmic)", scale: "log", ticks: sizes },
    y: { label: "bytes on the device / bytes of the rows (logarithmic)", scale: "log" },
    series,
  });
}

function recovery(state) {
  const list = state?.parts.recovery;
  if (list === undefined) return undefined;
  const line = (name, place, pick) => ({
    name,
    place,
    points: list.flatMap((one) => {
      const value = pick(one);
      return value === undefined ? [] : [[one.rows * (one.built?.rowBytes ?? 128), value]];
    }),
  });
  const series = [
    line("page cache warm", 1, ({ warm }) => warm?.firstWrite.median),
    line("page cache dropped", 2, ({ cold }) => cold?.firstWrite.median),
  ].filter(({ points }) => points.length > 0);
  if (series.length === 0) return undefined;
  return linePlot({
    title: "From open() after SIGKILL at full load to the first durable write",
    note: "Median; with as much of the log to read back as there ever is",
    x: { label: "bytes of state (logarithmic)", scale: "log" },
    y: { label: "milliseconds (logarithmic)", scale: "log" },
    series,
  });
}

function growthPlots(growth) {
  const plots = {};
  for (const [driver, { title, values, costs }] of Object.entries(growth?.drivers ?? {})) {
    const series = Object.entries(costs).map(([cost, { points, fit }], i) => ({
      name: `${cost.replace(/, [^,]+$/, "")}: ${fit.exponent.toFixed(2)}`,
      place: i + 1,
      points: points.map(({ x, y }) => [x, y / points[0].y]),
    }));
    plots[`growth-${driver}.svg`] = linePlot({
      title: `What grows with ${title}`,
      note: "Each cost as a multiple of its first point; in the legend the fitted exponent",
      x: { label: `${title} (logarithmic)`, scale: "log", ticks: values },
      y: { label: "times the cost at the first point (logarithmic)", scale: "log" },
      series,
    });
  }
  return plots;
}

/** Every plot that the results have figures for. */
export function plotsOf({ peers, state, growth }) {
  const { power, kill } = peers?.promises ?? {};
  const plots = {
    ...(power !== undefined && {
      "latency-power.svg": latency(power, "each surviving power loss"),
      "throughput-power.svg": throughput(power, "surviving power loss"),
      "amplification.svg": amplification(power),
    }),
    ...(kill !== undefined && {
      "latency-kill.svg": latency(kill, "each surviving kill -9"),
      "throughput-kill.svg": throughput(kill, "surviving kill -9"),
    }),
    "recovery.svg": recovery(state),
    ...growthPlots(growth),
  };
  return Object.fromEntries(Object.entries(plots).filter(([, text]) => text !== undefined));
}
