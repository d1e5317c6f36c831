/** What a place says of the life its bytes belong to, where it is too short to say anything. */
import { expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import { FRAME_HEADER_BYTES } from "../../src/log/format.js";
import { isOfAnotherLife, looksLikeFrame } from "../../src/log/life.js";
import { PLACE, sealed } from "./frames.js";

test("a whole header of another epoch is of another life, a cut one is of none", () => {
  const bytes = sealed({ epoch: PLACE.epoch + 1 });
  const whole = bytes.subarray(0, FRAME_HEADER_BYTES);
  expect(isOfAnotherLife(whole, viewOf(whole), 0, PLACE, portableChecksum)).toBe(true);
  const cut = bytes.subarray(0, FRAME_HEADER_BYTES - 1);
  expect(isOfAnotherLife(cut, viewOf(cut), 0, PLACE, portableChecksum)).toBe(false);
});

test("a whole header of this life looks like a frame, a cut one like nothing", () => {
  const bytes = sealed({});
  const whole = bytes.subarray(0, FRAME_HEADER_BYTES);
  expect(looksLikeFrame(whole, viewOf(whole), 0, 4096, PLACE)).toBe(true);
  const cut = bytes.subarray(0, FRAME_HEADER_BYTES - 1);
  expect(looksLikeFrame(cut, viewOf(cut), 0, 4096, PLACE)).toBe(false);
});
