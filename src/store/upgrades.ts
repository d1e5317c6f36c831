/** From a stored row of any version to one of the version in force. */
import { isDeepStrictEqual } from "node:util";
import { HoldfastError } from "../base/errors.js";
import { inspectKey } from "../codec/key.js";
import { compileRow, type RowCodec } from "../codec/row.js";
import type { Migrate, TableDefinition } from "../codec/schema.js";
import { compareSchemas } from "../codec/schema-compare.js";
import { parseSchema } from "../codec/schema-description.js";
import { lineage, type SchemaHistory } from "../codec/schema-history.js";
import { checkRow } from "./check-row.js";

/** Makes a row of one version of one of another; normal, as if it had been put. */
type Step = (row: unknown, key: unknown) => unknown;

interface Upgrade {
  readonly codec: RowCodec<unknown, unknown>;
  readonly steps: readonly Step[];
}

/** The definitions of a table in code: the newest, and those before it. */
export function definitionsOf(newest: TableDefinition): TableDefinition[] {
  const definitions: TableDefinition[] = [];
  for (let one: TableDefinition | undefined = newest; one !== undefined; one = one.step.previous) {
    definitions.unshift(one);
  }
  return definitions;
}

/**
 * What becomes of the rows of a table that are not of the version in force. A way is compiled when
 * the first row takes it; rows of the version in force never come here.
 */
export class Upgrades {
  readonly #history: SchemaHistory;
  readonly #target: TableDefinition;
  /** By version. */
  readonly #coded: ReadonlyMap<number, TableDefinition>;
  readonly #known = new Map<number, Upgrade>();

  readonly #twice: boolean;

  /**
   * `newest` has the `down` of versions above the target. With `twice` the code of a table runs
   * twice for each row, and has to give the same.
   */
  constructor(
    history: SchemaHistory,
    target: TableDefinition,
    newest: TableDefinition = target,
    twice = false,
  ) {
    this.#history = history;
    this.#target = target;
    this.#twice = twice;
    this.#coded = new Map(definitionsOf(newest).map((one) => [one.version, one]));
  }

  /** A stored row. Throws INVALID_ROW, SCHEMA_MISMATCH or MIGRATION_FAILED. */
  decode(version: number, source: Uint8Array, start: number, end: number, key: unknown): unknown {
    const upgrade = this.#of(version);
    // All of it is read before code of others runs, which may use what it was read from.
    return this.#take(upgrade, upgrade.codec.decode(source, start, end), version, key);
  }

  /** A row that was decoded before another version came into force. */
  upgrade(version: number, row: unknown, key: unknown): unknown {
    return this.#take(this.#of(version), row, version, key);
  }

  #take({ steps }: Upgrade, from: unknown, version: number, key: unknown): unknown {
    let row = from;
    try {
      for (const step of steps) row = step(row, key);
    } catch (error) {
      throw failed(this.#target, version, key, error);
    }
    return row;
  }

  #of(version: number): Upgrade {
    let upgrade = this.#known.get(version);
    if (upgrade === undefined) {
      upgrade = this.#compile(version);
      this.#known.set(version, upgrade);
    }
    return upgrade;
  }

  #compile(version: number): Upgrade {
    const codec = compileRow(this.#definition(version));
    const steps: Step[] = [];
    let from = version;
    for (const to of this.#way(version)) {
      steps.push(this.#step(this.#definition(from), this.#definition(to)));
      from = to;
    }
    return { codec, steps };
  }

  /** The versions that a row goes through, the last one in force. */
  #way(version: number): number[] {
    const target = this.#target.version;
    const line = lineage(this.#history).map((schema) => schema.version);
    if (version < target && line.includes(version)) {
      return line.filter((one) => one > version && one <= target);
    }
    const down: number[] = [];
    for (let at = version; at > target; ) {
      const previous = this.#coded.get(at)?.step.previous?.version;
      if (previous === undefined || previous < target) break;
      down.push(previous);
      at = previous;
    }
    if (down.at(-1) === target) return down;
    throw unreachable(this.#target, version);
  }

  /** As in code, with its checks; or as stored. */
  #definition(version: number): TableDefinition {
    const coded = this.#coded.get(version);
    if (coded !== undefined) return coded;
    const stored = this.#history.find((schema) => schema.version === version);
    if (stored !== undefined) return parseSchema(stored);
    throw new HoldfastError(
      "SCHEMA_MISMATCH",
      `table "${this.#target.name}": version ${version} of a row was never declared`,
      { table: this.#target.name, version },
    );
  }

  #step(from: TableDefinition, to: TableDefinition): Step {
    const codec = compileRow(to);
    const goesUp = to.version > from.version;
    const { up, previous } = to.step;
    // As it was declared: what the code says since of `was`, `drops` and `up` comes too late.
    const stored = this.#history.find((schema) => schema.version === to.version);
    if (goesUp && stored?.up === true) {
      if (up !== undefined && previous?.version === from.version)
        return this.#byCode(up, to, codec);
      throw unreachable(this.#target, from.version);
    }
    if (!goesUp && from.step.down !== undefined) {
      return this.#byCode(from.step.down, to, codec);
    }
    const reader = goesUp && stored !== undefined ? parseSchema(stored) : to;
    const { convert, verdict } = compareSchemas(from, reader);
    if (verdict !== "rules") throw unreachable(this.#target, from.version);
    return (row, key) => codec.normalize(convert(row), { table: to.name, key });
  }

  #byCode(migrate: Migrate, to: TableDefinition, codec: RowCodec<unknown, unknown>): Step {
    const make = (row: unknown, key: unknown) =>
      codec.normalize(migrate(row as never, key as never), { table: to.name, key });
    return (row, key) => {
      const made = make(row, key);
      checkRow(to, key, made);
      if (!this.#twice || isDeepStrictEqual(made, make(row, key))) return made;
      throw new HoldfastError("INVALID_ROW", "the same row gives another one each time", {
        table: to.name,
        key,
      });
    };
  }
}

function unreachable({ name, version }: TableDefinition, from: number): HoldfastError {
  return new HoldfastError(
    "SCHEMA_MISMATCH",
    `table "${name}": there is no way from version ${from} of a row to version ${version}`,
    { table: name, version: from },
  );
}

function failed(
  { name: table, version: target }: TableDefinition,
  version: number,
  key: unknown,
  cause: unknown,
): HoldfastError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HoldfastError(
    "MIGRATION_FAILED",
    `table "${table}", key ${inspectKey(key)}: its row of version ${version} does not become one ` +
      `of version ${target}: ${reason}`,
    { table, key, version },
    cause,
  );
}
