/**
 * Checks of the shape of decoded data: each is a function that says what is wrong with a value, or
 * nothing. What was read from disk is used only after such a check.
 */

/** Says what is wrong, beginning with where; undefined if nothing is. */
export type Check = (value: unknown, at: string) => string | undefined;

/** A safe integer within bounds. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Check {
  return (value, at) => {
    if (typeof value !== "number" || !Number.isSafeInteger(value)) return `${at} is no integer`;
    return value < min || value > max ? `${at} is out of bounds` : undefined;
  };
}

/** A finite number that is not negative. */
export const figure: Check = (value, at) =>
  typeof value === "number" && Number.isFinite(value) && value >= 0
    ? undefined
    : `${at} is no figure`;

export const flag: Check = (value, at) =>
  typeof value === "boolean" ? undefined : `${at} is neither true nor false`;

export const anything: Check = () => undefined;

/** A text of so many bytes in UTF-8. */
export function text(min: number, max: number = Number.MAX_SAFE_INTEGER): Check {
  return (value, at) => {
    if (typeof value !== "string") return `${at} is no text`;
    const length = Buffer.byteLength(value);
    return length < min || length > max ? `${at} is too short or too long` : undefined;
  };
}

export function matching(pattern: RegExp): Check {
  return (value, at) =>
    typeof value === "string" && pattern.test(value) ? undefined : `${at} is not of its form`;
}

export function binary(min: number, max: number): Check {
  return (value, at) => {
    if (!(value instanceof Uint8Array)) return `${at} is not binary`;
    return value.length < min || value.length > max ? `${at} is too short or too long` : undefined;
  };
}

export function oneOf(values: readonly unknown[]): Check {
  return (value, at) => (values.includes(value) ? undefined : `${at} is not a known one`);
}

export function nullable(check: Check): Check {
  return (value, at) => (value === null ? undefined : check(value, at));
}

/** A member that may be absent. */
export function optional(check: Check): Check {
  return (value, at) => (value === undefined ? undefined : check(value, at));
}

/** A power of two, at least that of a sector. */
export const alignment: Check = (value, at) => {
  const wrong = integer(512, 2 ** 30)(value, at);
  if (wrong !== undefined) return wrong;
  const bits = value as number;
  return (bits & (bits - 1)) === 0 ? undefined : `${at} is no power of two`;
};

export function list(check: Check): Check {
  return (value, at) => {
    if (!Array.isArray(value)) return `${at} is no list`;
    for (const [index, item] of value.entries()) {
      const wrong = check(item, `${at}[${index}]`);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** All of these, one after the other. */
export function every(...checks: readonly Check[]): Check {
  return (value, at) => {
    for (const check of checks) {
      const wrong = check(value, at);
      if (wrong !== undefined) return wrong;
    }
    return undefined;
  };
}

/** Looks at no object twice that it found right: what a manifest is made of never changes. */
export function once(check: Check): Check {
  const right = new WeakSet<object>();
  return (value, at) => {
    if (typeof value !== "object" || value === null) return check(value, at);
    if (right.has(value)) return undefined;
    const wrong = check(value, at);
    if (wrong === undefined) right.add(value);
    return wrong;
  };
}

/** A list, already known to be one of objects, in which no two have the same of that member. */
export function unique(member: string, what: string): Check {
  return (value) => {
    const list = value as readonly Readonly<Record<string, unknown>>[];
    const different = new Set(list.map((item) => item[member]));
    return different.size < list.length ? `it lists ${what} twice` : undefined;
  };
}

/** An object with exactly these members. */
export function members(checks: Readonly<Record<string, Check>>): Check {
  const entries = Object.entries(checks);
  return (value, at) => {
    if (typeof value !== "object" || value === null) return `${at} is no object`;
    const object = value as Record<string, unknown>;
    const prefix = at === "" ? "" : `${at}.`;
    for (const [name, check] of entries) {
      const wrong = check(object[name], `${prefix}${name}`);
      if (wrong !== undefined) return wrong;
    }
    const unknown = Object.keys(object).find((name) => !Object.hasOwn(checks, name));
    return unknown === undefined ? undefined : `${prefix}${unknown} is not known`;
  };
}
