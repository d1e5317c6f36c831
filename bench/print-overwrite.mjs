// The overwrite bench for people; returns how many targets are missed.
import { judge } from "./results.mjs";
import { chart, megabytes, number, textTable } from "./text.mjs";

/**
 * The directory has found its size within the first half, and does not outgrow it in the second: what
 * grew without end would be twice as large then.
 */
const GROWTH_MAX = 1.1;

export function overwriteTargets({ course, tolerance }) {
  const largest = (list) => list.reduce((most, { bytes }) => Math.max(most, bytes), 0);
  const half = Math.floor(course.length / 2);
  const growth = largest(course.slice(half)) / largest(course.slice(0, half));
  const show = (value) => number(value, 2);
  const name = "largest size, second half of the overwrites / first half";
  return [judge({ name, value: growth, bound: GROWTH_MAX, show }, tolerance)];
}

export function overwriteTables(result) {
  const rows = [
    ["directory", "bytes"],
    ["largest", megabytes(result.largestBytes)],
    ["when the last overwrite was durable", megabytes(result.course.at(-1).bytes)],
    ["when the background had nothing left to do", megabytes(result.idleBytes)],
    ["closed", megabytes(result.closedBytes)],
    ["records written meanwhile", megabytes(result.recordBytes)],
  ];
  return { rows, targets: overwriteTargets(result) };
}

export function printOverwrite(result) {
  const { rows, targets } = overwriteTables(result);
  console.log(
    `${number(result.count)} overwrites of ${number(result.keys)} keys, in groups of ` +
      `${result.group}, in ${number(result.seconds, 1)} s: ${result.flushes} runs made, ` +
      `${result.merges} merges, ${result.runs} runs at the end\n`,
  );
  console.log("size of the directory over the overwrites:");
  console.log(
    `${chart(
      result.course.map(({ bytes }) => bytes),
      { label: megabytes },
    )}\n`,
  );
  console.log(`${textTable(rows)}\n`);
  const lines = targets.map(({ name, measured, target, verdict }) => [
    name,
    measured,
    target,
    verdict,
  ]);
  console.log(textTable([["figure", "measured", "target", ""], ...lines]));
  return targets.filter(({ missed }) => missed).length;
}
