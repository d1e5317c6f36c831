/** Patches for those who look at the log: what each says of the fields of its table. */
import { HoldfastError } from "../base/errors.js";
import type { TypeNode } from "./field-types.js";
import { parsePatch } from "./row-patch.js";
import type { TableDefinition } from "./schema.js";
import { Slice } from "./slice.js";
import { ARRAYS, arrayOfBytes } from "./typed-arrays.js";
import { type Json, toJson } from "./value-json.js";
import { ValueProblem } from "./value-problem.js";
import { reader } from "./value-read.js";

/** A field's new value, or the parts of it that are others now. */
export type PatchedFields = Readonly<Record<string, unknown>>;

type PatchedTable = Pick<TableDefinition, "name" | "version" | "fields">;

/** Reads the patch in bytes[start, end), which may be anything. Throws INVALID_ROW. */
export function decodePatch(
  table: PatchedTable,
  bytes: Uint8Array,
  start: number,
  end: number,
): PatchedFields {
  const fields: Record<string, unknown> = {};
  try {
    for (const edit of parsePatch(bytes, start, end).edits) {
      const field = table.fields[edit.field];
      if (field === undefined) throw new ValueProblem(`there is no field ${edit.field}`);
      const { name, type } = field;
      if (edit.offset === undefined) {
        const cursor = { position: edit.start, end: edit.end };
        fields[name] = reader(type)(bytes, cursor);
        if (cursor.position !== edit.end) throw new ValueProblem("bytes follow", `.${name}`);
      } else {
        const part = sliceOf(
          type,
          edit.offset,
          new Uint8Array(bytes.subarray(edit.start, edit.end)),
        );
        const parts = (fields[name] as Slice[] | undefined) ?? [];
        fields[name] = [...parts, part];
      }
    }
  } catch (error) {
    if (!(error instanceof ValueProblem)) throw error;
    const what = `patch of table "${table.name}" version ${table.version}`;
    const message = `${what}${error.path}: ${error.message}`;
    throw new HoldfastError("INVALID_ROW", message, { table: table.name });
  }
  return fields;
}

function sliceOf(type: TypeNode, offset: number, stored: Uint8Array): Slice {
  if (type.kind === "nullable") return sliceOf(type.item, offset, stored);
  if (type.kind === "bytes") return new Slice(offset, stored);
  if (type.kind !== "array") throw new ValueProblem(`a ${type.kind} has no parts`);
  const size = ARRAYS[type.element].BYTES_PER_ELEMENT;
  if (offset % size !== 0) throw new ValueProblem("a part begins within a number");
  const values = arrayOfBytes({ kind: "array", element: type.element }, stored);
  return new Slice(offset / size, values);
}

/** A field as `toJson` has it; parts of one as a list of `offset` and `values`. */
export function patchToJson(table: PatchedTable, fields: PatchedFields): Json {
  const types = new Map(table.fields.map(({ name, type }) => [name, type]));
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const type = types.get(name) as TypeNode;
      if (!isSlices(value)) return [name, toJson(type, value)];
      const inner = type.kind === "nullable" ? type.item : type;
      return [
        name,
        value.map((one) => ({ offset: one.offset, values: toJson(inner, one.values) })),
      ];
    }),
  );
}

export function isSlices(value: unknown): value is readonly Slice[] {
  return Array.isArray(value) && value.length > 0 && value[0] instanceof Slice;
}
