/** Whether index, root, filter, properties, footer and manifest agree with the rows of a file. */
import { toHex } from "../base/bytes.js";
import type { ManifestFile } from "../manifest/format.js";
import type { Child, FileFacts, Named } from "./file-facts.js";
import { filterLineOf, filterMayHold } from "./filter.js";
import type { RunLayout } from "./footer.js";
import {
  BLOCK_HEADER_BYTES,
  FILTER_BLOCK_LINES,
  filterBlockBytes,
  filterBlockOffset,
} from "./format.js";
import { decodeProperties, type RunProperties } from "./properties.js";
import type { ProblemReporter } from "./run-problem.js";

/** Tells where they do not, as far as the parts are there; `layout` if there is a footer. */
export function checkAgreement(
  facts: FileFacts,
  layout: RunLayout | undefined,
  reporter: ProblemReporter,
): void {
  checkIndex("index", facts.dataNamed, facts.data, facts, reporter);
  checkIndex("root", facts.indexNamed, facts.index, facts, reporter);
  if (layout !== undefined) {
    checkLayout(facts, layout, reporter);
    checkFilter(facts, layout, reporter);
  }
  const { properties: block } = facts;
  const properties = block === undefined ? undefined : decodeProperties(block.raw);
  if (block !== undefined && properties === undefined) {
    reporter.problem(block.offset, "the block holds no properties");
  }
  if (facts.rowsLost) return;
  compare("the manifest", 0, manifestClaims(reporter.file), facts, reporter);
  if (block === undefined || properties === undefined) return;
  compare("the properties", block.offset, propertyClaims(properties), facts, reporter);
  if (layout !== undefined && properties.filterLines !== layout.filterLines) {
    reporter.problem(block.offset, "properties and footer differ in the filter's lines");
  }
}

/** Every block is named once, in order, with its last key; what is named is there, or damaged. */
function checkIndex(
  name: string,
  named: readonly Named[],
  children: readonly Child[],
  facts: FileFacts,
  reporter: ProblemReporter,
): void {
  const unnamed = new Map(children.map((child) => [child.offset, child]));
  let last = -1;
  for (const entry of named) {
    const child = unnamed.get(entry.offset);
    unnamed.delete(entry.offset);
    const what = `the ${name} names a block at ${entry.offset}`;
    if (entry.offset <= last) reporter.rows(entry.by, `${what} out of its order`);
    last = entry.offset;
    if (child === undefined) {
      if (!facts.isLost(entry.offset)) reporter.rows(entry.by, `${what}, where there is none`);
    } else if (
      child.length !== entry.length ||
      Buffer.compare(child.lastKey, entry.lastKey) !== 0
    ) {
      reporter.rows(entry.by, `${what} of another length or last key`);
    }
  }
  // A damaged block of the index may be the one that names them.
  if (facts.otherLost) return;
  for (const child of unnamed.values()) {
    reporter.rows(child.offset, `the ${name} does not name the block`);
  }
}

function checkLayout(facts: FileFacts, layout: RunLayout, reporter: ProblemReporter): void {
  const { root, properties } = facts;
  const parts = [
    ["root", root, layout.rootOffset, layout.rootBytes],
    ["properties", properties, layout.propertiesOffset, layout.propertiesBytes],
  ] as const;
  for (const [name, block, offset, length] of parts) {
    if (block?.offset === offset && block.length === length) continue;
    if (!facts.isLost(offset)) reporter.rows(offset, `the footer is wrong about the ${name}`);
  }
}

/** A key that the filter denies would not be found. */
function checkFilter(facts: FileFacts, layout: RunLayout, reporter: ProblemReporter): void {
  const { filterLines: lines, filterOffset } = layout;
  const denied = new Map<number, number>();
  for (let n = 0; n * FILTER_BLOCK_LINES < lines; n++) {
    const offset = filterBlockOffset(n, filterOffset);
    const length = filterBlockBytes(n, lines) - BLOCK_HEADER_BYTES;
    if (facts.filter.get(offset)?.raw.length === length || facts.isLost(offset)) continue;
    facts.filter.delete(offset);
    reporter.rows(offset, "a block of the filter is not there, or of another length");
  }
  if (lines === 0) return;
  for (const hash of facts.hashes) {
    const line = filterLineOf(hash, lines);
    const offset = filterBlockOffset(Math.floor(line / FILTER_BLOCK_LINES), filterOffset);
    const block = facts.filter.get(offset);
    if (block === undefined || filterMayHold(block.raw, line % FILTER_BLOCK_LINES, hash)) continue;
    denied.set(offset, (denied.get(offset) ?? 0) + 1);
  }
  for (const [offset, count] of denied) {
    reporter.rows(offset, `the filter denies ${count} keys that are there`);
  }
}

/** What somebody says of the rows, by what it is called. */
type Claims = ReadonlyMap<string, unknown>;

function manifestClaims(file: ManifestFile): Claims {
  return new Map<string, unknown>([
    ["rows", file.rows],
    ["tombstones", file.tombstones],
    ["first key", hex(file.firstKey)],
    ["last key", hex(file.lastKey)],
  ]);
}

function propertyClaims(properties: RunProperties): Claims {
  const tables = properties.tables.map(({ id, rows, tombstones }) => [id, rows, tombstones]);
  return new Map<string, unknown>([
    ["rows", properties.rows],
    ["tombstones", properties.tombstones],
    ["first key", hex(properties.firstKey)],
    ["last key", hex(properties.lastKey)],
    ["data blocks", properties.dataBlocks],
    ["tables", JSON.stringify(tables)],
  ]);
}

function compare(
  who: string,
  offset: number,
  claims: Claims,
  facts: FileFacts,
  reporter: ProblemReporter,
): void {
  const { tables, rows, tombstones } = facts.counts;
  const found: Claims = new Map<string, unknown>([
    ["rows", rows],
    ["tombstones", tombstones],
    ["first key", hex(facts.firstKey)],
    ["last key", hex(facts.lastKey)],
    ["data blocks", facts.data.length],
    ["tables", JSON.stringify(tables.map((table) => [table.id, table.rows, table.tombstones]))],
  ]);
  for (const [name, claimed] of claims) {
    if (claimed === found.get(name)) continue;
    reporter.rows(offset, `${name}: ${claimed} by ${who}, ${found.get(name)} in the file`);
  }
}

function hex(key: Uint8Array | undefined): string {
  return key === undefined ? "none" : toHex(key);
}
