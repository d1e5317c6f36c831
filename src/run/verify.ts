/** Looks for everything that can be wrong with a run file, and goes on behind what is. */
import { errnoCode } from "../base/errors.js";
import type { Checksum, Disk, DiskFile } from "../disk/disk.js";
import type { ManifestFile } from "../manifest/format.js";
import { makerOf } from "../manifest/named-files.js";
import { checkAgreement } from "./agreement.js";
import type { BlockTools } from "./block.js";
import { readUint32 } from "./entries.js";
import { close, systemRefused } from "./errors.js";
import { FileFacts } from "./file-facts.js";
import { decodeRunHeader, type RunFilePlace } from "./file-header.js";
import { decodeRunFooter, type RunLayout } from "./footer.js";
import { RUN_AT, RUN_FOOTER_BYTES, RUN_HEADER_BYTES, runFileName } from "./format.js";
import { ProblemReporter, type RunProblem } from "./run-problem.js";
import { SalvageReader } from "./salvage-reader.js";
import { walkBlocks } from "./walk.js";

export interface RunVerdict {
  readonly problems: number;
  /** In whole blocks; tombstones not counted. */
  readonly rows: number;
  readonly tombstones: number;
  readonly blocks: number;
}

/**
 * Reads a whole file past the page cache: every block, the order of all keys, and whether index,
 * root, filter, properties, footer and manifest agree with the rows. Reports each problem. Throws
 * IO only where the system refuses more than to read a place.
 */
export async function verifyRunFile(
  disk: Pick<Disk, "checksum" | "compressor" | "open">,
  directory: string,
  storeId: Uint8Array,
  file: ManifestFile,
  onProblem: (problem: RunProblem) => void,
): Promise<RunVerdict> {
  const path = `${directory}/${runFileName(file.id)}`;
  const place = { storeId: makerOf(file, storeId), fileId: file.id };
  const reporter = new ProblemReporter(path, file, onProblem);
  const nothing = { rows: 0, tombstones: 0, blocks: 0 };
  const handle = await openOrUndefined(disk, path);
  if (handle === undefined) {
    reporter.rows(0, "the file is not there");
    return { ...nothing, problems: reporter.count };
  }
  try {
    const facts = await verifyOpen(disk, handle, place, reporter);
    if (facts === undefined) return { ...nothing, problems: reporter.count };
    const { rows, tombstones } = facts.counts;
    return { rows, tombstones, blocks: facts.blocks, problems: reporter.count };
  } finally {
    await close(handle);
  }
}

async function verifyOpen(
  disk: BlockTools,
  handle: DiskFile,
  place: RunFilePlace,
  reporter: ProblemReporter,
): Promise<FileFacts | undefined> {
  const { checksum } = disk;
  const { path, file } = reporter;
  const length = await sizeOf(handle);
  if (length !== file.bytes) {
    const what = `the file is ${length} bytes long, and the manifest says ${file.bytes}`;
    reporter.problem(Math.min(length, file.bytes), what);
  }
  const reader = new SalvageReader(handle, (offset, code) =>
    reporter.problem(offset, `the device refuses to read this: ${code}`),
  );
  const read = (offset: number, bytes: number) => reader.read(offset, bytes);
  // Of a file that was cut short all that is left may be blocks.
  const end = length < file.bytes ? length : file.bytes - RUN_FOOTER_BYTES;
  const header = Uint8Array.from(await read(0, RUN_HEADER_BYTES));
  const footer = Uint8Array.from(await read(end, RUN_FOOTER_BYTES));
  const ends = endsOf(header, footer, end, place, checksum, reporter);
  if (ends === undefined) {
    reporter.rows(0, "without its header no block of the file can be told to be whole");
    return undefined;
  }
  const facts = new FileFacts(ends.layout, checksum, reporter);
  const walking = { file: path, fileId: file.id, seed: ends.seed, end, tools: disk, read };
  for await (const block of walkBlocks(walking)) facts.take(block);
  facts.finish();
  checkAgreement(facts, ends.layout, reporter);
  return facts;
}

/** What header and footer say, as far as they can be believed. */
function endsOf(
  header: Uint8Array,
  footer: Uint8Array,
  end: number,
  place: RunFilePlace,
  checksum: Checksum,
  reporter: ProblemReporter,
): { readonly seed: number; readonly layout: RunLayout | undefined } | undefined {
  const first = decodeRunHeader(header, place, checksum);
  if (!first.ok) reporter.problem(0, `the header ${first.detail}`);
  // A header that is damaged in one place still has its checksum in one of these.
  for (const seed of first.ok ? [first.seed] : seedsOf(header, checksum)) {
    const last = decodeRunFooter(footer, place, end, seed, checksum);
    if (!last.ok) {
      if (!first.ok) continue;
      reporter.problem(end, `the footer ${last.detail}`);
      return { seed, layout: undefined };
    }
    if (last.checksum !== reporter.file.checksum) {
      reporter.rows(end, "the footer is not the one the manifest means");
    }
    return { seed, layout: last.layout };
  }
  return undefined;
}

function seedsOf(header: Uint8Array, checksum: Checksum): number[] {
  if (header.length < RUN_HEADER_BYTES) return [];
  const stored = readUint32(header, RUN_AT.checksum);
  return [stored, checksum.crc32c(header, RUN_AT.formatVersion, RUN_HEADER_BYTES)];
}

async function openOrUndefined(
  disk: Pick<Disk, "open">,
  path: string,
): Promise<DiskFile | undefined> {
  try {
    return await disk.open(path, { direct: true });
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw systemRefused(path, "opening", error);
  }
}

async function sizeOf(file: DiskFile): Promise<number> {
  try {
    return await file.size();
  } catch (error) {
    throw systemRefused(file.path, "examining", error);
  }
}
