/** Latencies in buckets that grow by 1/8 of a power of two: an error of at most 12.5 %. */

const STEPS = 8;
const BUCKETS = 32 * STEPS;

export interface LatencySummary {
  readonly count: number;
  readonly p50Micros: number;
  readonly p99Micros: number;
  readonly maxMicros: number;
}

export class LatencyHistogram {
  readonly #counts = new Float64Array(BUCKETS);
  #count = 0;
  #maxMicros = 0;

  record(micros: number): void {
    const value = Math.max(1, micros);
    const exponent = 31 - Math.clz32(value);
    const step = Math.floor((value / 2 ** exponent - 1) * STEPS);
    const bucket = Math.min(BUCKETS - 1, exponent * STEPS + step);
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
    this.#count++;
    if (micros > this.#maxMicros) this.#maxMicros = micros;
  }

  summary(): LatencySummary {
    return {
      count: this.#count,
      p50Micros: this.#quantile(0.5),
      p99Micros: this.#quantile(0.99),
      maxMicros: Math.round(this.#maxMicros),
    };
  }

  /** Upper edge of the bucket in which the quantile lies, but never more than the maximum. */
  #quantile(q: number): number {
    if (this.#count === 0) return 0;
    let left = Math.ceil(q * this.#count);
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      left -= this.#counts[bucket] as number;
      if (left > 0) continue;
      const exponent = Math.floor(bucket / STEPS);
      const edge = 2 ** exponent * (1 + ((bucket % STEPS) + 1) / STEPS);
      return Math.round(Math.min(edge, this.#maxMicros));
    }
    return Math.round(this.#maxMicros);
  }
}
