/** Books: name, scales and the venue's dialect, checked once and then frozen. */
import { HoldfastError } from "../base/errors.js";
import { NAME_BYTES_MAX } from "../base/limits.js";
import { DECIMAL_SCALE_MAX } from "../codec/decimal.js";
import { show } from "../codec/text.js";

/**
 * How the updates of a venue follow one another: those of Binance's USD-M and COIN-M futures say
 * which update they follow (`pu`), those of its spot market begin at the next update id.
 */
export type BookDialect = "usd-m" | "coin-m" | "spot";

const DIALECTS: readonly unknown[] = ["usd-m", "coin-m", "spot"];

/** A book as `defineBook` makes it. Frozen. */
export interface BookDefinition {
  readonly name: string;
  readonly priceScale: number;
  readonly quantityScale: number;
  readonly dialect: BookDialect;
  readonly tier: "critical" | "important";
  /** What tells it from other definitions. */
  readonly kind: "book";
}

/** What `defineBook` takes. */
export interface BookOptions {
  /** Letters, digits, "_", "." and "-"; begins with a letter or "_". */
  readonly name: string;
  /** Digits after the point of a price, 0 to 18; more in an update are refused. */
  readonly priceScale: number;
  /** The same of quantities. */
  readonly quantityScale: number;
  readonly dialect: BookDialect;
  /** When an update is acknowledged, as for tables. Default: "important". */
  readonly tier?: "critical" | "important";
}

const OPTIONS = ["name", "priceScale", "quantityScale", "dialect", "tier"];

const NAME = /^[A-Za-z_][A-Za-z0-9_.-]*$/;

/** Defines the order book of one symbol at one venue. Throws INVALID_SCHEMA. */
export function defineBook(options: BookOptions): BookDefinition {
  const { name, priceScale, quantityScale, dialect, tier = "important" } = options ?? {};
  if (typeof name !== "string" || !NAME.test(name) || name.length > NAME_BYTES_MAX) {
    throw wrong(
      show(name),
      `a name has letters, digits, "_", "." and "-", at most ${NAME_BYTES_MAX}`,
    );
  }
  const unknown = Object.keys(options).find((option) => !OPTIONS.includes(option));
  if (unknown !== undefined) throw wrong(show(name), `unknown option "${unknown}"`);
  for (const [option, scale] of Object.entries({ priceScale, quantityScale })) {
    if (Number.isInteger(scale) && scale >= 0 && scale <= DECIMAL_SCALE_MAX) continue;
    const range = `an integer from 0 to ${DECIMAL_SCALE_MAX}`;
    throw wrong(show(name), `${option} is ${range}, got ${show(scale)}`);
  }
  if (!DIALECTS.includes(dialect)) {
    throw wrong(show(name), `dialect is "usd-m", "coin-m" or "spot", got ${show(dialect)}`);
  }
  if (tier !== "critical" && tier !== "important") {
    throw wrong(show(name), `tier is "critical" or "important", got ${show(tier)}`);
  }
  return Object.freeze({ name, priceScale, quantityScale, dialect, tier, kind: "book" });
}

function wrong(name: string, reason: string): HoldfastError {
  return new HoldfastError("INVALID_SCHEMA", `book ${name}: ${reason}`);
}

/** What stored levels depend on, as it stands in the book's state. */
export function describeBook({ priceScale, quantityScale, dialect, tier }: BookDefinition): string {
  return JSON.stringify({ priceScale, quantityScale, dialect, tier });
}

/** The definition that was stored. Throws CORRUPT_LOG for a text that is none. */
export function parseBook(name: string, text: string): BookDefinition {
  try {
    return defineBook({ name, ...JSON.parse(text) });
  } catch (error) {
    const message = `the stored definition of book "${name}" cannot be read`;
    throw new HoldfastError("CORRUPT_LOG", message, { book: name }, error);
  }
}

/** Throws SCHEMA_MISMATCH where stored levels would mean something else; a tier may be another. */
export function assertSameBook(stored: BookDefinition, declared: BookDefinition): void {
  for (const option of ["priceScale", "quantityScale", "dialect"] as const) {
    if (stored[option] === declared[option]) continue;
    throw new HoldfastError(
      "SCHEMA_MISMATCH",
      `book "${declared.name}" is stored with ${option} ${stored[option]}, and declared with ` +
        `${declared[option]}: give the new one another name. Nothing was changed`,
      { book: declared.name },
    );
  }
}
