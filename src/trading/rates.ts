/** Token buckets, kept in the store: a program that starts again has not got all of them back. */
import { Decimal } from "../index.js";
import { invalid } from "./amounts.js";
import { limitError, type Step } from "./step.js";
import { rateLimits } from "./tables.js";

export interface RateLimit {
  /** Tokens that a full bucket has: a whole number from 1 to 1,000,000. */
  readonly capacity: number;
  /** Tokens that come back in a second: a whole number from 1 to 1,000,000. */
  readonly perSecond: number;
}

const MILLION = 1_000_000;

/** Declares a bucket, full at first; one that is there keeps its tokens. */
export function setRateLimit(step: Step, name: string, { capacity, perSecond }: RateLimit): void {
  for (const value of [capacity, perSecond]) {
    if (Number.isInteger(value) && value >= 1 && value <= MILLION) continue;
    throw invalid(`a rate limit is made of whole numbers from 1 to ${MILLION}, got ${value}`);
  }
  const capacityMillionths = capacity * MILLION;
  const known = step.tx.get(rateLimits, name);
  const left = known === undefined ? capacityMillionths : refilled(known, step.time);
  const millionths = Math.min(left, capacityMillionths);
  step.put(rateLimits, name, { capacityMillionths, perSecond, millionths, time: step.time });
}

/** Takes tokens out. Throws RISK_LIMIT if there are too few; its data says when there will be. */
export function takeTokens(step: Step, name: string, tokens: number): void {
  const bucket = step.tx.get(rateLimits, name);
  if (bucket === undefined) throw invalid(`there is no rate limit "${name}"`);
  const capacity = bucket.capacityMillionths / MILLION;
  if (!(Number.isInteger(tokens) && tokens >= 1 && tokens <= capacity)) {
    throw invalid(`tokens of "${name}" are whole numbers from 1 to ${capacity}, got ${tokens}`);
  }
  const there = refilled(bucket, step.time);
  const left = there - tokens * MILLION;
  if (left < 0) {
    // A millionth of a token comes back in as many microseconds as tokens in a second.
    const retryAfterMillis = Math.ceil(-left / bucket.perSecond / 1000);
    const used = Decimal.fromCoefficient(bucket.capacityMillionths - left, 6);
    throw limitError({ name: `rate ${name}`, retryAfterMillis }, capacity, tokens, used);
  }
  step.put(rateLimits, name, { ...bucket, millionths: left, time: step.time });
}

/** Millionths of a token that are there now; a clock that was set back brings and takes none. */
function refilled(
  bucket: { capacityMillionths: number; perSecond: number; millionths: number; time: number },
  now: number,
): number {
  const micros = Math.max(0, now - bucket.time);
  return Math.min(bucket.capacityMillionths, bucket.millionths + micros * bucket.perSecond);
}
