/** The decision between the end of the log, a torn write and damage: every combination of evidence. */
import { expect, test } from "vitest";
import {
  type Found,
  judgeTail,
  matchingRows,
  TAIL_TABLE,
  type TailEvidence,
  type TailVerdict,
} from "../../src/log/tail.js";

const FOUND: readonly Found[] = ["absent", "broken", "unchained", "unreadable"];
const BOTH = [false, true] as const;

function combinations(): TailEvidence[] {
  return FOUND.flatMap((found) =>
    BOTH.flatMap((sealedBeyond) =>
      BOTH.flatMap((provenLater) =>
        BOTH.flatMap((laterFrames) =>
          BOTH.map((tooFar) => ({ found, sealedBeyond, provenLater, laterFrames, tooFar })),
        ),
      ),
    ),
  );
}

const nothing = { sealedBeyond: false, provenLater: false, laterFrames: false, tooFar: false };

test("exactly one row matches every combination", () => {
  expect(combinations()).toHaveLength(64);
  for (const evidence of combinations()) {
    expect(matchingRows(evidence), JSON.stringify(evidence)).toHaveLength(1);
  }
});

test("every row is matched by some combination", () => {
  for (const row of TAIL_TABLE) {
    expect(combinations().some((evidence) => matchingRows(evidence)[0] === row)).toBe(true);
  }
});

test("proof of durability always means damage, whatever stands there", () => {
  for (const evidence of combinations()) {
    if (!evidence.sealedBeyond && !evidence.provenLater) continue;
    expect(judgeTail(evidence).verdict, JSON.stringify(evidence)).toBe("corrupt");
  }
});

test("without proof, nothing is called the end that has frames behind it", () => {
  for (const evidence of combinations()) {
    if (judgeTail(evidence).verdict !== "end") continue;
    expect(evidence).toMatchObject({ found: "absent", laterFrames: false, provenLater: false });
  }
});

const CASES: readonly [string, Partial<TailEvidence> & { found: Found }, TailVerdict][] = [
  ["zeros after the last frame", { found: "absent" }, "end"],
  ["a frame cut short, nothing behind it", { found: "broken" }, "torn"],
  ["one of several writes in flight was lost", { found: "absent", laterFrames: true }, "torn"],
  ["several writes in flight landed in part", { found: "broken", laterFrames: true }, "torn"],
  ["a flipped bit before a later proof", { found: "broken", provenLater: true }, "corrupt"],
  ["a zeroed frame before a later proof", { found: "absent", provenLater: true }, "corrupt"],
  ["a flipped bit in a sealed log", { found: "broken", sealedBeyond: true }, "corrupt"],
  ["a log cut off that is known to go on", { found: "absent", sealedBeyond: true }, "corrupt"],
  [
    "frames further away than can be in flight",
    { found: "broken", laterFrames: true, tooFar: true },
    "corrupt",
  ],
  ["a whole frame that breaks the chain", { found: "unchained" }, "corrupt"],
  ["a bad sector at the very end", { found: "unreadable" }, "unreadable"],
  ["a bad sector before a later proof", { found: "unreadable", provenLater: true }, "corrupt"],
];

test.each(CASES)("%s", (_name, evidence, verdict) => {
  expect(judgeTail({ ...nothing, ...evidence }).verdict).toBe(verdict);
});
