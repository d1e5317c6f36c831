// What a child tells the harness, on descriptor 3.
import { writeSync } from "node:fs";

/** Writes all of a line before it returns. */
export function say(line) {
  let left = Buffer.from(`${line}\n`);
  while (left.length > 0) {
    try {
      left = left.subarray(writeSync(3, left));
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}
