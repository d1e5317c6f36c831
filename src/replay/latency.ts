/** Latencies in constant memory: a histogram that keeps three significant digits. */
import { createHistogram } from "node:perf_hooks";

/** Latencies in microseconds. All zero where nothing was measured. */
export interface LatencyMicros {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export class LatencyRecorder {
  readonly #nanos = createHistogram({ figures: 3 });

  /** Records a latency in milliseconds, as `performance.now()` gives them. */
  record(millis: number): void {
    this.#nanos.record(Math.max(1, Math.round(millis * 1e6)));
  }

  summary(): LatencyMicros {
    const count = this.#nanos.count;
    const at = (percentile: number) =>
      count === 0 ? 0 : Math.round(this.#nanos.percentile(percentile) / 100) / 10;
    const max = count === 0 ? 0 : Math.round(this.#nanos.max / 100) / 10;
    return { count, p50: at(50), p99: at(99), p999: at(99.9), max };
  }
}
