import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { FRAME_BYTES_MAX } from "../../src/base/limits.js";
import * as packs from "../../src/blobs/format.js";
import * as columns from "../../src/columns/format.js";
import * as log from "../../src/log/format.js";
import * as manifest from "../../src/manifest/format.js";
import * as run from "../../src/run/format.js";
import * as archive from "../../src/snapshot/archive-format.js";
import { BACKUP_FORMAT_VERSION } from "../../src/store/backup-record.js";

const text = readFileSync(new URL("../../docs/format.md", import.meta.url), "utf8");
const constants: Record<string, unknown> = {
  ...log,
  ...manifest,
  ...archive,
  ...run,
  ...columns,
  ...packs,
  FRAME_BYTES_MAX,
  BACKUP_FORMAT_VERSION,
};

/** The value that a name such as "FRAME_AT.offset" has in the code. */
function lookUp(name: string): unknown {
  return name.split(".").reduce<unknown>((value, part) => {
    return (value as Record<string, unknown> | undefined)?.[part];
  }, constants);
}

/** Rows of the document whose last column, or second one, names a constant. */
const rows = [...text.matchAll(/^\| (\d+) *\|.*?`([A-Z_]+(?:\.[a-zA-Z0-9]+)?)`.*$/gm)].map(
  (match) => ({
    number: Number(match[1]),
    name: match[2] as string,
  }),
);

/** Sentences of the form `NAME` = 123. */
const sentences = [...text.matchAll(/`([A-Z_]+)` = (\d+)/g)].map((match) => ({
  number: Number(match[2]),
  name: match[1] as string,
}));

test.each([...rows, ...sentences])("docs/format.md: $name is $number", ({ number, name }) => {
  expect(lookUp(name)).toBe(number);
});

test("every offset, kind and size of the code stands in docs/format.md", () => {
  const documented = new Set([...rows, ...sentences].map((row) => row.name));
  const groups = { SEGMENT_AT: log.SEGMENT_AT, FRAME_AT: log.FRAME_AT, RECORD_AT: log.RECORD_AT };
  const more = {
    OPERATION_AT: log.OPERATION_AT,
    OPERATION: log.OPERATION,
    MANIFEST_AT: manifest.MANIFEST_AT,
    ARCHIVE_AT: archive.ARCHIVE_AT,
    RUN_AT: run.RUN_AT,
    BLOCK_AT: run.BLOCK_AT,
    ENTRY_AT: run.ENTRY_AT,
    FOOTER_AT: run.FOOTER_AT,
    CHUNK_AT: columns.CHUNK_AT,
    COLUMN_TYPE: columns.COLUMN_TYPE,
    CODING: columns.CODING,
    PACK_AT: packs.PACK_AT,
    PACK_CHUNK_AT: packs.PACK_CHUNK_AT,
    PACK_FOOTER_AT: packs.PACK_FOOTER_AT,
    PACK_CODING: packs.PACK_CODING,
    PACK_STREAM: packs.PACK_STREAM,
  };
  const wanted = Object.entries({ ...groups, ...more }).flatMap(([group, fields]) =>
    Object.keys(fields).map((field) => `${group}.${field}`),
  );
  expect(wanted.filter((name) => !documented.has(name))).toEqual([]);
});

test.each([
  ["HFSG", log.SEGMENT_MAGIC],
  ["HFRM", log.FRAME_MAGIC],
  ["HFMF", manifest.MANIFEST_MAGIC],
  ["HFAR", archive.ARCHIVE_MAGIC],
  ["HFRN", run.RUN_MAGIC],
  ["HFRE", run.FOOTER_MAGIC],
  ["HFPK", packs.PACK_MAGIC],
  ["HFPC", packs.PACK_CHUNK_MAGIC],
  ["HFPX", packs.PACK_FOOTER_MAGIC],
])("magic %s", (letters, magic) => {
  expect(Buffer.from(letters).readUInt32LE(0)).toBe(magic);
  expect(text).toContain(`"${letters}" = 0x${magic.toString(16)}`);
});

test("kinds and compressions of blocks are those of docs/format.md", () => {
  const { data, filter, index, root, properties, archive } = run.BLOCK_KIND;
  const kinds = `${data} data, ${filter} filter, ${index} index, ${root} root, ${properties} prop`;
  expect(text).toContain(kinds);
  expect(text).toContain(`Blocks of kind ${archive} follow`);
  expect(text).toContain(`compression: ${run.COMPRESSION.none} none, ${run.COMPRESSION.lz4} LZ4`);
  expect(text).toContain(`${run.TOMBSTONE} for a tombstone`);
  expect(text).toContain(`one line for each ${run.FILTER_LINE_KEYS} keys`);
});
