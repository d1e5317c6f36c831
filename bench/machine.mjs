// What a figure was measured on, and what the kernel counted meanwhile.
import { readFileSync, statSync } from "node:fs";
import { cpus, loadavg, release } from "node:os";

export function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    kernel: release(),
    node: process.version,
    loadAtStart: loadavg()[0],
    date: new Date().toISOString(),
  };
}

/** Bytes this process has caused to be sent to storage, by the kernel's count. */
export function processBytesWritten() {
  const match = /^write_bytes: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"));
  return match === null ? undefined : Number(match[1]);
}

/** Bytes written to the block device under a directory, by anybody; undefined if there is none. */
export function deviceBytesWritten(directory) {
  const { dev } = statSync(directory);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  try {
    const fields = readFileSync(`/sys/dev/block/${major}:${minor}/stat`, "utf8")
      .trim()
      .split(/\s+/);
    return Number(fields[6]) * 512;
  } catch {
    return undefined;
  }
}

/** p50, p99, p99.9 and max of microseconds. */
export function quantiles(samples) {
  const sorted = Float64Array.from(samples).sort();
  const at = (q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];
  const round = (value) => Math.round(value * 10) / 10;
  return {
    count: sorted.length,
    p50: round(at(0.5)),
    p99: round(at(0.99)),
    p999: round(at(0.999)),
    max: round(sorted.at(-1)),
  };
}

export function median(values) {
  return Float64Array.from(values).sort()[Math.floor(values.length / 2)];
}
