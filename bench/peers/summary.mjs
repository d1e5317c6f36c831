// The blocks of one workload and contender as figures.
import { distribution, median, quantiles } from "../statistics.mjs";

const sum = (blocks, pick) => blocks.reduce((all, block) => all + pick(block), 0);

/** All samples of the blocks together. */
function samplesOf(blocks) {
  const lists = blocks.map(({ micros }) => micros).filter(Boolean);
  const all = new Float64Array(lists.reduce((length, list) => length + list.length, 0));
  let at = 0;
  for (const list of lists) {
    all.set(list, at);
    at += list.length;
  }
  return all;
}

/** Bytes of all blocks for each operation; undefined where the kernel does not tell. */
function bytesPerOperation(blocks, name, operations) {
  if (blocks.some((block) => block[name] === undefined)) return undefined;
  return Math.round(sum(blocks, (block) => block[name]) / operations);
}

/**
 * Latency in µs, operations a second (the median of the blocks), and processor and bytes of an
 * operation. `logicalBytes`: what an operation writes, where amplification is asked for.
 */
export function summaryOf(blocks, { logicalBytes } = {}) {
  const operations = sum(blocks, (block) => block.operations);
  const samples = samplesOf(blocks);
  const device = bytesPerOperation(blocks, "deviceBytes", operations);
  const written = bytesPerOperation(blocks, "processBytes", operations);
  return {
    operations,
    ...(samples.length > 0 && { micros: quantiles(samples), distribution: distribution(samples) }),
    perSecond: Math.round(median(blocks.map((block) => block.operations / block.seconds))),
    cpuMicros: Math.round((100 * sum(blocks, (block) => block.cpuMicros)) / operations) / 100,
    deviceBytes: device,
    processBytes: written,
    ...(logicalBytes !== undefined &&
      device !== undefined && {
        amplification: Math.round((100 * device) / logicalBytes) / 100,
        processAmplification: Math.round((100 * written) / logicalBytes) / 100,
      }),
  };
}

/** What `inTurns` has given, as figures: by name, a summary or `{ failed }`. */
export function summariesOf(results, options) {
  return Object.fromEntries(
    [...results].map(([name, blocks]) => [
      name,
      Array.isArray(blocks) ? summaryOf(blocks, options) : blocks,
    ]),
  );
}
