/** Text: Unicode validity, and values shown in messages. */

/** In every supported Node, not yet in the library types of this target. */
type WellFormedString = string & { isWellFormed(): boolean };

/** False for a lone surrogate, which UTF-8 cannot hold. 4 ns for ASCII (measured). */
export function isWellFormed(text: string): boolean {
  return (text as WellFormedString).isWellFormed();
}

/** Characters of a value shown in a message. */
const SHOWN_MAX = 80;

/** A value as it stands in a message: short, on one line, with its type where that matters. */
export function show(value: unknown): string {
  switch (typeof value) {
    case "string":
      return cut(JSON.stringify(value.slice(0, SHOWN_MAX + 1)));
    case "number":
      return `number ${Object.is(value, -0) ? "-0" : value}`;
    case "bigint":
      // Printing one takes time that grows with the square of its length.
      return BigInt.asIntN(256, value) === value ? cut(`bigint ${value}`) : "bigint of many digits";
    case "boolean":
      return `boolean ${value}`;
    case "object":
      return value === null ? "null" : showObject(value);
    default:
      return typeof value;
  }
}

function showObject(value: object): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  const name: unknown = value.constructor?.name;
  return typeof name === "string" && name !== "" && name !== "Object"
    ? cut(`an object of class ${name}`)
    : "an object";
}

function cut(text: string): string {
  return text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}...` : text;
}
