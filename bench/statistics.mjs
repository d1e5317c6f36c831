// What is made of samples: quantiles, distributions, intervals, exponents. No I/O.

/** Of sorted values: the one at `q`, 0 to 1. */
const at = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

const tenths = (value) => Math.round(value * 10) / 10;

/** p50, p99, p99.9 and max, to tenths of the unit of the samples. */
export function quantiles(samples) {
  const sorted = Float64Array.from(samples).sort();
  return {
    count: sorted.length,
    p50: tenths(at(sorted, 0.5)),
    p99: tenths(at(sorted, 0.99)),
    p999: tenths(at(sorted, 0.999)),
    max: tenths(sorted.at(-1)),
  };
}

export function median(values) {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)];
}

/** Where a distribution is looked at: evenly in the middle, ever more finely towards the tail. */
const POINTS = [
  ...[0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98],
  ...[0.99, 0.995, 0.998, 0.999, 0.9995, 0.9999],
];

/**
 * A distribution as `[part, value]`: that part of the samples is below the value. Points that fewer
 * than one sample lies behind are left out; the last one is the largest sample.
 */
export function distribution(samples) {
  const sorted = Float64Array.from(samples).sort();
  const points = POINTS.filter((q) => (1 - q) * sorted.length >= 1);
  return [...points.map((q) => [q, tenths(at(sorted, q))]), [1, tenths(sorted.at(-1))]];
}

export function geometricMean(values) {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/**
 * The median of ratios, with the interval that has it in `confidence` of the cases: percentile
 * bootstrap in two steps. `groups` are lists of ratios that have something in common, such as the
 * process they come of: each resample draws groups with replacement, and of each its ratios with
 * replacement. `random` gives 0 to 1, below 1.
 */
export function bootstrapMedian(groups, { random, resamples = 2000, confidence = 0.95 }) {
  const medians = new Float64Array(resamples);
  const drawn = (list) => list[Math.floor(random() * list.length)];
  for (let i = 0; i < resamples; i++) {
    const picked = groups.flatMap(() => {
      const group = drawn(groups);
      return group.map(() => drawn(group));
    });
    medians[i] = middle(picked);
  }
  medians.sort();
  const tail = (1 - confidence) / 2;
  return { median: middle(groups.flat()), low: at(medians, tail), high: at(medians, 1 - tail) };
}

/** With an even number of values the mean of the two in the middle, so that few pairs are not biased. */
function middle(values) {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

/**
 * Fits `y = factor * x ** exponent` by least squares of the logarithms. `r2` is the part of the
 * variance that it explains; 1 where y does not vary. At least two different x, all above zero.
 */
export function fitExponent(points) {
  const logs = points.map(({ x, y }) => {
    if (!(x > 0 && y > 0)) throw new Error(`no logarithm of the point (${x}, ${y})`);
    return [Math.log(x), Math.log(y)];
  });
  const mean = (i) => logs.reduce((sum, pair) => sum + pair[i], 0) / logs.length;
  const [mx, my] = [mean(0), mean(1)];
  const sum = (f) => logs.reduce((all, [x, y]) => all + f(x - mx, y - my), 0);
  const xx = sum((x) => x * x);
  if (xx === 0) throw new Error("an exponent needs two different x");
  const xy = sum((x, y) => x * y);
  const yy = sum((_, y) => y * y);
  const exponent = xy / xx;
  return {
    exponent,
    factor: Math.exp(my - exponent * mx),
    r2: yy < 1e-12 ? 1 : (xy * xy) / (xx * yy),
  };
}
