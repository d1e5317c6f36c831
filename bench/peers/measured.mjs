// What a block of work took: time, processor, bytes, by everybody's count.
import { deviceBytesWritten, processBytesWritten } from "../machine.mjs";

/** Runs `work`, which returns `{ operations, micros? }`; what it took besides. */
export async function measured(directory, work) {
  const cpu = process.cpuUsage();
  const bytes = processBytesWritten();
  const device = deviceBytesWritten(directory);
  const start = performance.now();
  const done = await work();
  const seconds = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  return {
    ...done,
    seconds,
    cpuMicros: used.user + used.system,
    processBytes: difference(processBytesWritten(), bytes),
    deviceBytes: difference(deviceBytesWritten(directory), device),
  };
}

const difference = (after, before) =>
  after === undefined || before === undefined ? undefined : after - before;
