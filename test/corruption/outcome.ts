/** What came of a mutation, and whether that is what had to come of it. */
import { isHoldfastError } from "../../src/base/errors.js";
import { describeMutation, type Mutation } from "./mutations.js";
import type { Unit } from "./units.js";

/** "right": every answer is what it was. */
export type Outcome =
  | { readonly kind: "right"; readonly how: "" | "torn" | "repaired" }
  | {
      readonly kind: "refused";
      readonly code: string;
      readonly file: string;
      readonly offset: number | undefined;
    };

export const RIGHT: Outcome = { kind: "right", how: "" };

/** The refusal that an error is; throws what is none. */
export function refusalOf(error: unknown): Outcome {
  if (!isHoldfastError(error)) throw error;
  const { code, data } = error;
  return { kind: "refused", code, file: data.file ?? "", offset: data.offset };
}

/** The same without the offset: two ways of reading may meet damage at different places. */
export function outcomeText(outcome: Outcome): string {
  return outcome.kind === "right"
    ? `right ${outcome.how}`.trim()
    : `${outcome.code} ${outcome.file}`;
}

/** What is wrong with it; undefined for nothing. */
export function wrongWith(
  outcome: Outcome,
  { path, from, to, what, fate, code }: Unit,
  mutation: Mutation,
): string | undefined {
  // A manifest is refused as a whole.
  const isWithin = ({ offset }: { readonly offset: number | undefined }): boolean =>
    offset === undefined ? code === "CORRUPT_MANIFEST" : offset >= from && offset <= to;
  const isRight =
    fate === "refused"
      ? outcome.kind === "refused" &&
        outcome.code === code &&
        outcome.file === path &&
        isWithin(outcome)
      : outcome.kind === "right" && (outcome.how === "repaired") === (fate === "repaired");
  if (isRight) return undefined;
  const at = outcome.kind === "refused" ? ` at ${outcome.offset}` : "";
  return `${describeMutation(mutation)} (${what}): ${outcomeText(outcome)}${at}`;
}
