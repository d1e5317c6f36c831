/** Rows, keys, schemas, and the lines of the LOCK file. */
import { encode } from "@msgpack/msgpack";
import { KEY_BYTES_MAX, ROW_BYTES_MAX } from "../../src/base/limits.js";
import { readWithoutSchema } from "../../src/codec/generic.js";
import { compileKey } from "../../src/codec/key.js";
import { decodeDocument } from "../../src/codec/msgpack-document.js";
import { compileRow, interpretRow } from "../../src/codec/row.js";
import {
  boolean,
  bytes,
  decimal,
  defineTable,
  enumeration,
  float64,
  int64,
  integer,
  type KeyNode,
  list,
  map,
  nullable,
  record,
  string,
  timestamp,
} from "../../src/codec/schema.js";
import {
  canonicalSchema,
  describeSchema,
  parseSchema,
} from "../../src/codec/schema-description.js";
import { decodeClaims, firstLiveClaim, someoneIsEnding } from "../../src/disk/claims.js";
import type { Disk } from "../../src/disk/disk.js";
import type { Planned } from "./suite.js";

const wide = defineTable({
  name: "wide",
  version: 1,
  key: [string(), integer()],
  fields: {
    text: string(),
    flag: boolean(),
    price: float64(),
    count: integer(),
    big: int64(),
    time: timestamp(),
    amount: decimal(8),
    side: enumeration(["buy", "sell"]),
    blob: nullable(bytes()),
    tags: list(nullable(list(string()))),
    limits: map(decimal(2)),
    nested: record({ a: integer(), b: nullable(record({ c: string() })) }),
  },
});

const ROW = {
  text: "täglich",
  flag: true,
  price: -0.5,
  count: -70_000,
  big: 2n ** 62n,
  time: 1_700_000_000_000_000,
  amount: "123456789012345678901234.5",
  side: "sell",
  blob: Uint8Array.of(1, 2, 3),
  tags: [["a", "b"], null, []],
  limits: { x: "1.50", yy: "-2" },
  nested: { a: 1, b: { c: "deep" } },
} as const;

const CONTEXT = { table: "wide", key: "k" };

export function codecPlans(): Planned[] {
  return [rowPlan(), looseRowPlan(), keyPlan(), schemaPlan(), claimsPlan()];
}

function encodedRow(): Buffer {
  const codec = compileRow(wide);
  const target = new Uint8Array(4096);
  const row = codec.normalize(ROW as never, CONTEXT);
  return Buffer.from(target.slice(0, codec.encode(row, target, 0, target.length)));
}

function messageOf(work: () => unknown): string {
  try {
    work();
    return "good";
  } catch (error) {
    return (error as Error).message;
  }
}

function rowPlan(): Planned {
  const [generated, closures] = [compileRow(wide), interpretRow(wide)];
  const target = new Uint8Array(1 << 18);
  const run = (input: Buffer): string => {
    const other = messageOf(() => closures.decode(input, 0, input.length));
    const own = messageOf(() => generated.decode(input, 0, input.length));
    if (own !== other) throw new Error(`generated code says ${own}, closures say ${other}`);
    const row = generated.decode(input, 0, input.length);
    const again = target.slice(0, generated.encode(row, target, 0, target.length));
    if (messageOf(() => generated.decode(again, 0, again.length)) !== "good") {
      throw new Error("what was read cannot be written and read again");
    }
    return "good";
  };
  const codes = ["INVALID_ROW"];
  const seeds = [encodedRow()];
  const fuzzed = { name: "row", seeds, run, codes, allocationMax: ROW_BYTES_MAX };
  return { target: fuzzed, inputs: 400_000, outcomesMin: 30 };
}

function looseRowPlan(): Planned {
  const run = (input: Buffer): string => {
    JSON.stringify(readWithoutSchema(input, 0, input.length));
    return "good";
  };
  const codes = ["INVALID_ROW"];
  const seeds = [encodedRow()];
  const target = { name: "row-without-schema", seeds, run, codes, allocationMax: ROW_BYTES_MAX };
  return { target, inputs: 300_000, outcomesMin: 2 };
}

/** The first byte says which kind of key the rest is. */
function keyPlan(): Planned {
  const kinds: (KeyNode | KeyNode[])[] = [
    { kind: "string" },
    { kind: "integer" },
    { kind: "int64" },
    { kind: "timestamp" },
    [{ kind: "string" }, { kind: "integer" }],
    [{ kind: "int64" }, { kind: "string" }, { kind: "string" }],
  ];
  const keys = ["schlüssel", -5, 2n ** 40n, 1_700_000_000, ["a\0b", 7], [-1n, "x", "\0"]];
  const codecs = kinds.map((kind) => compileKey<unknown>(kind));
  const target = new Uint8Array(2 * KEY_BYTES_MAX);
  const seeds = codecs.map((codec, i) => {
    const end = codec.encode(keys[i], target, 0, target.length);
    return Buffer.concat([Buffer.of(i), target.slice(0, end)]);
  });
  const run = (input: Buffer): string => {
    const codec = codecs[(input[0] ?? 0) % codecs.length] as (typeof codecs)[number];
    const from = Math.min(1, input.length);
    const key = codec.decode(input, from, input.length);
    codec.mapKey(key);
    const end = codec.encode(key, target, 0, target.length);
    if (end >= 0 && Buffer.compare(target.subarray(0, end), input.subarray(from)) !== 0) {
      throw new Error("a key has two forms");
    }
    return "good";
  };
  const codes = ["INVALID_KEY"];
  const fuzzed = { name: "key", seeds, run, codes, allocationMax: KEY_BYTES_MAX };
  return { target: fuzzed, inputs: 600_000, outcomesMin: 6 };
}

/** Descriptions as msgpack: hostile bytes are then mostly hostile values, and not just bad JSON. */
function schemaPlan(): Planned {
  const small = defineTable({ name: "t", version: 2, key: integer(), fields: { a: string() } });
  const seeds = [wide, small].map((table) => Buffer.from(encode(describeSchema(table as never))));
  const run = (input: Buffer): string => {
    let value: unknown;
    try {
      value = decodeDocument(input);
    } catch {
      return "no msgpack";
    }
    const text = canonicalSchema(describeSchema(parseSchema(value)));
    if (canonicalSchema(JSON.parse(text)) !== text) throw new Error("a schema has two texts");
    return "good";
  };
  const codes = ["INVALID_SCHEMA"];
  const target = { name: "schema", seeds, run, codes, allocationMax: ROW_BYTES_MAX };
  return { target, inputs: 150_000, outcomesMin: 20 };
}

function claimsPlan(): Planned {
  const claim = {
    token: "t1",
    pid: 5,
    host: "h",
    bootId: "b",
    startedAt: "s",
    pidNamespace: "",
    disk: "native",
    writerId: "w",
    since: "2026-01-01T00:00:00Z",
    strength: "flock",
  };
  const lines = [claim, { ...claim, token: "t2", strength: "none" }, { release: "t1" }];
  const seeds = [Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(""))];
  const disk = { isAlive: () => true, self: claim } as unknown as Disk;
  const run = (input: Buffer): string => {
    const claims = decodeClaims(input);
    const live = firstLiveClaim(disk, claims, undefined);
    someoneIsEnding(disk, claims);
    return `good: ${Math.min(3, claims.claims.length)} claims, ${live?.strength ?? "none"} lives`;
  };
  const target = { name: "claims", seeds, run, allocationMax: 1 << 18 };
  return { target, inputs: 150_000, outcomesMin: 5 };
}
