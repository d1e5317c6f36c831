/** Types of fields and keys as people write them down. */
import type { SchemaDescription, TypeDescription } from "../codec/schema-description.js";

/** A name as it stands; the values of an enumeration and the fields of a record within. */
export function typeText(type: TypeDescription): string {
  switch (type.kind) {
    case "decimal":
      return `decimal(${type.scale})`;
    case "float64":
      return type.allowNonFinite ? "float64 with NaN and infinities" : "float64";
    case "array": {
      const { element, length, lengthMax } = type;
      if (length !== undefined) return `${length} numbers of ${element}`;
      return lengthMax === undefined
        ? `numbers of ${element}`
        : `at most ${lengthMax} numbers of ${element}`;
    }
    case "enumeration":
      return type.values.join(" | ");
    case "list":
    case "map":
      return `${type.kind} of ${nested(type.item)}`;
    case "nullable":
      return `${nested(type.item)} or null`;
    case "record": {
      const fields = type.fields.map((field) => `${field.name}: ${typeText(field.type)}`);
      return `{ ${fields.join(", ")} }`;
    }
    default:
      return type.kind;
  }
}

/** In parentheses where it would not be clear what "or", "of" and the commas belong to. */
function nested(type: TypeDescription): string {
  const loose = ["enumeration", "nullable", "list", "map"].includes(type.kind);
  return loose ? `(${typeText(type)})` : typeText(type);
}

export function keyText({ key }: SchemaDescription): string {
  const parts = Array.isArray(key) ? key : [key];
  const kinds = parts.map(({ kind }: { readonly kind: string }) => kind);
  return Array.isArray(key) ? `(${kinds.join(", ")})` : (kinds[0] ?? "");
}
