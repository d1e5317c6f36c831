// What a figure was measured on, and what the kernel counted meanwhile.
import { readFileSync, statSync } from "node:fs";
import { cpus, loadavg, release, totalmem } from "node:os";

export { median, quantiles } from "./statistics.mjs";

export function describeMachine() {
  return {
    cpu: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
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

/** Fields of the block device under a directory, by the kernel's count; undefined if there is none. */
function deviceFields(directory) {
  const { dev } = statSync(directory);
  const major = (dev >> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >> 12) & 0xfff00);
  try {
    return readFileSync(`/sys/dev/block/${major}:${minor}/stat`, "utf8").trim().split(/\s+/);
  } catch {
    return undefined;
  }
}

/** Bytes written to the block device under a directory, by anybody; undefined if there is none. */
export function deviceBytesWritten(directory) {
  const fields = deviceFields(directory);
  return fields === undefined ? undefined : Number(fields[6]) * 512;
}

/** Flushes of its cache that the device under a directory was asked for, by anybody. */
export function deviceFlushes(directory) {
  const flushes = deviceFields(directory)?.[15];
  return flushes === undefined ? undefined : Number(flushes);
}
