/** What is stored of a table against what the code declares: decided before anything is touched. */
import { HoldfastError } from "../base/errors.js";
import type { TableDefinition } from "../codec/schema.js";
import { compareSchemas, type Difference } from "../codec/schema-compare.js";
import {
  describeSchema,
  parseSchema,
  rowsOfSchema,
  type SchemaDescription,
} from "../codec/schema-description.js";
import {
  lineage,
  livingVersions,
  type SchemaHistory,
  withSchema,
} from "../codec/schema-history.js";
import { differenceText, migrationSkeleton } from "../codec/schema-text.js";
import { definitionsOf } from "./upgrades.js";

/**
 * The versions that have to be declared before the code's definition is in force, in their order;
 * none where it is already. Throws SCHEMA_MISMATCH where rows that are stored cannot become rows of
 * it.
 */
export function planEvolution(
  history: SchemaHistory,
  definition: TableDefinition,
): SchemaDescription[] {
  const inForce = history.at(-1) as SchemaDescription;
  const { version } = definition;
  const coded = definitionsOf(definition);
  assertSameKey(inForce, definition);
  for (const one of coded) assertSameVersion(history, one, version);
  if (version < inForce.version) throw newerThanCode(inForce, definition);
  const added = coded.filter((one) => one.version > inForce.version).map(describeSchema);
  const living = livingVersions(added.reduce(withSchema, history));
  const missing = living.slice(1).flatMap((to, i) => missingStep(living[i], to, coded));
  if (missing.length > 0) throw noWay(definition.name, missing);
  return added;
}

function mismatch(table: string, message: string, version?: number): HoldfastError {
  const data = version === undefined ? { table } : { table, version };
  return new HoldfastError(
    "SCHEMA_MISMATCH",
    `table "${table}": ${message}. Nothing was changed`,
    data,
  );
}

function assertSameKey(stored: SchemaDescription, declared: TableDefinition): void {
  const keys = [stored.key, describeSchema(declared).key].map((key) => JSON.stringify(key));
  if (keys[0] === keys[1]) return;
  throw mismatch(
    declared.name,
    `another key: stored ${keys[0]}, declared ${keys[1]}. No version can have another key: ` +
      "copy the rows to a table of another name",
  );
}

/** A version is one thing for ever: rows of it may be anywhere. */
function assertSameVersion(
  history: SchemaHistory,
  declared: TableDefinition,
  newest: number,
): void {
  const { name, version } = declared;
  const stored = history.find((schema) => schema.version === version);
  if (stored === undefined) return;
  const description = describeSchema(declared);
  if (rowsOfSchema(stored) !== rowsOfSchema(description)) {
    const { differences } = compareSchemas(parseSchema(stored), declared);
    const texts = differences.map(differenceText);
    if ((stored.patches === true) !== declared.patches) {
      texts.unshift(`stored with patches: ${!declared.patches}, declared with ${declared.patches}`);
    }
    const which = version === newest ? "both are version" : `the code's definition of version`;
    throw mismatch(
      name,
      `${which} ${version}, but they differ: a changed schema needs a new version ` +
        `(${texts.join("; ")})`,
      version,
    );
  }
  const older = livingVersions(history).some((one) => one.version < version);
  const isIn = lineage(history).includes(stored);
  if (!older || !isIn || sameStep(stored, description)) return;
  throw mismatch(
    name,
    `version ${version} was declared with another \`was\`, \`drops\` or \`up\`, by which rows ` +
      "may have been made since: it needs a new version",
    version,
  );
}

/** What the code no longer says may be gone because it is no longer needed. */
function sameStep(stored: SchemaDescription, declared: SchemaDescription): boolean {
  if (declared.up !== undefined && stored.up === undefined) return false;
  const { drops = [] } = stored;
  if (declared.drops?.some((path) => !drops.includes(path))) return false;
  const before = [...wasOf(stored.fields, "")];
  return [...wasOf(declared.fields, "")].every((was) => before.includes(was));
}

function* wasOf(fields: SchemaDescription["fields"], prefix: string): Generator<string> {
  for (const { name, type, was } of fields) {
    const path = prefix + name;
    if (was !== undefined) yield `${path} ${was}`;
    let inner = type;
    while ("item" in inner) inner = inner.item;
    if (inner.kind === "record") yield* wasOf(inner.fields, `${path}.`);
  }
}

function newerThanCode(stored: SchemaDescription, { name, version }: TableDefinition) {
  return mismatch(
    name,
    `the store holds version ${stored.version}, the code declares version ${version}: it is ` +
      "newer than the code. Use code that declares it, or go back with that code: `holdfast " +
      `migrate --back ${name}=${version}\` makes rows of version ${version} with its \`down\`. ` +
      "`holdfast inspect` and `holdfast log` read the store without any code",
    stored.version,
  );
}

interface Missing {
  readonly from: SchemaDescription;
  readonly to: SchemaDescription;
  readonly why: string;
  readonly differences: readonly Difference[];
}

/** Empty if rows of one version can become rows of the next. */
function missingStep(
  from: SchemaDescription | undefined,
  to: SchemaDescription,
  coded: readonly TableDefinition[],
): Missing[] {
  if (from === undefined) return [];
  const definition = coded.find(({ version }) => version === to.version);
  const { up, previous } = definition?.step ?? {};
  const { differences, verdict } = compareSchemas(parseSchema(from), parseSchema(to));
  const missing = (why: string): Missing[] => [{ from, to, why, differences }];
  if (to.up === true) {
    if (up === undefined) return missing(`they need its \`up\`, which the code has not`);
    if (previous?.version === from.version) return [];
    return missing(`its \`up\` is from version ${previous?.version}`);
  }
  if (verdict === "rules") return [];
  const reasons = differences.filter((one) => one.verdict !== "rules").map(differenceText);
  return missing(`they need an \`up\`: ${reasons.join("; ")}`);
}

function noWay(table: string, missing: readonly Missing[]): HoldfastError {
  const { from, to, differences } = missing[0] as Missing;
  const steps = missing.map(
    (one) =>
      `rows of version ${one.from.version} do not become rows of version ${one.to.version} ` +
      `by the rules of docs/schemas.md: ${one.why}`,
  );
  const skeleton = migrationSkeleton(parseSchema(from), parseSchema(to), differences);
  return new HoldfastError(
    "SCHEMA_MISMATCH",
    `table "${table}": the store holds version ${from.version}, the code declares version ` +
      `${to.version}, and ${steps.join("; ")}. Nothing was changed. To be filled in:\n\n` +
      `${skeleton}\n`,
    { table, version: from.version },
  );
}
