/** Checks one file of a store: by its manifest, or, without one, by what it says itself. */

import { basename, dirname, resolve } from "node:path";
import { toHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import { parsePackFileName } from "../blobs/format.js";
import type { Disk } from "../disk/disk.js";
import { parseSegmentFileName } from "../log/format.js";
import type { Manifest, ManifestArchive, ManifestFile, ManifestTable } from "../manifest/format.js";
import { parseRunFileName } from "../run/format.js";
import { parseArchiveFileName } from "../snapshot/archive-format.js";
import { describeArchive } from "../snapshot/describe-archive.js";
import { ArchiveChecker } from "./check-archives.js";
import { FrameChecker } from "./check-frames.js";
import { examineGap } from "./check-gap.js";
import { checkManifest } from "./check-manifest.js";
import { PackChecker } from "./check-packs.js";
import { RowChecker } from "./check-rows.js";
import { RunChecker } from "./check-runs.js";
import { Coverage } from "./coverage.js";
import { damage, type Finding, isSameFinding } from "./findings.js";
import { readStore, type SegmentView, type StoreView } from "./read-store.js";
import { describePack, describePacks } from "./salvage-packs.js";
import { describeRun, describeShared, findStoreId } from "./salvage-source.js";
import { walkLog } from "./walk-log.js";

/** What `verify FILE --json` prints. */
export interface FileVerification {
  readonly file: string;
  readonly kind: "manifest" | "segment" | "run" | "archive" | "pack";
  readonly verdict: "sound" | "damaged";
  /** False: it was checked by what it says itself, since no manifest is there that knows it. */
  readonly byManifest: boolean;
  readonly findings: readonly Finding[];
  /** Transactions of a segment or an archive, rows of a run, tombstones included. */
  readonly transactions: number;
  readonly rows: number;
  readonly millis: number;
}

type Checked = Pick<FileVerification, "kind" | "byManifest" | "findings"> & {
  readonly transactions?: number;
  readonly rows?: number;
};

/** A store in use may change a file while it is read: what is really damaged is found twice. */
const READINGS = 2;

/**
 * Throws NOT_A_STORE for a file that is none of a store, or the system's error if there is no
 * looking. Changes nothing.
 */
export async function verifyFile(file: string, disk?: Disk): Promise<FileVerification> {
  const start = performance.now();
  const path = resolve(file);
  let checked = await checkOnce(path, disk);
  for (let i = 1; i < READINGS && checked.findings.length > 0; i++) {
    const again = await checkOnce(path, disk);
    const { findings } = checked;
    checked = {
      ...again,
      findings: again.findings.filter((one) => findings.some((two) => isSameFinding(one, two))),
    };
  }
  const isDamaged = checked.findings.some(({ severity }) => severity === "damage");
  return {
    file: path,
    transactions: 0,
    rows: 0,
    ...checked,
    verdict: isDamaged ? "damaged" : "sound",
    millis: performance.now() - start,
  };
}

async function checkOnce(path: string, disk?: Disk): Promise<Checked> {
  const name = basename(path);
  const store = await readStore(dirname(path), disk);
  const segmentId = parseSegmentFileName(name);
  if (segmentId !== undefined) return checkSegment(store, segmentId);
  const runId = parseRunFileName(name);
  if (runId !== undefined) return checkRun(store, path, runId);
  const archiveId = parseArchiveFileName(name);
  if (archiveId !== undefined) return checkArchive(store, path, archiveId);
  const packId = parsePackFileName(name);
  if (packId !== undefined) return checkPack(store, path, packId);
  const slot = store.slots.slots.find(({ file }) => file === path);
  if (slot !== undefined) {
    const findings = (await checkManifest(store)).filter((one) => one.file === path);
    return { kind: "manifest", byManifest: slot.state === "valid", findings };
  }
  const message = `${path} is no manifest, segment, run, archive or pack of a store`;
  throw new HoldfastError("NOT_A_STORE", message, { file: path });
}

async function checkSegment(store: StoreView, id: number): Promise<Checked> {
  const segment = [...store.segments, ...store.strays].find((one) => one.id === id) as SegmentView;
  // What the manifest lists is read with what comes before it, whose chain it has to continue.
  const log = segment.entry === undefined ? { ...store, segments: [segment] } : store;
  const frames = new FrameChecker(log, new RowChecker(store.manifest));
  const findings: Finding[] = [];
  if (segment.headerProblem !== undefined && segment.entry?.state !== "spare") {
    findings.push(damage("segment-header", segment.path, 0, segment.headerProblem));
  }
  for await (const event of walkLog(log)) {
    if (event.kind === "frame" && event.segment.id === id) {
      frames.frame(event.segment, event.frame);
    }
    if (event.kind !== "gap") continue;
    frames.gap();
    const found = await examineGap(log, event.gap);
    findings.push(...found.filter(({ file }) => file === segment.path));
  }
  const all = [...findings, ...frames.findings];
  const byManifest = segment.entry !== undefined;
  return { kind: "segment", byManifest, findings: all, transactions: frames.transactions };
}

async function checkRun(store: StoreView, path: string, id: number): Promise<Checked> {
  const known = store.manifest?.files.find((file) => file.id === id);
  const handle = await store.disk.open(path, { direct: true });
  const storeId = await findStoreId(store);
  const described = await describeShared(handle, storeId, (maker) =>
    describeRun(store.disk, handle, path, { storeId: maker, fileId: id }),
  ).finally(() => handle.close());
  const file = known ?? (typeof described === "string" ? undefined : described.file);
  if (file === undefined) {
    const findings = [damage("run", path, 0, described as string)];
    return { kind: "run", byManifest: false, findings };
  }
  const own = typeof described === "string" ? [] : described.properties.tables;
  const tables = store.manifest?.tables ?? own;
  const manifest = store.manifest ?? standIn(toHex(storeId), tables, file);
  const rows = new RowChecker({ tables });
  const checker = new RunChecker({ ...store, manifest }, rows, new Coverage(), new Map());
  await checker.check(file);
  const { findings, counts } = checker;
  return { kind: "run", byManifest: known !== undefined, findings, rows: counts.rows };
}

/** Beside the others: chunks may be the differences to theirs. */
async function checkPack(store: StoreView, path: string, id: number): Promise<Checked> {
  const { disk, directory, manifest } = store;
  const known = manifest?.packs?.find((pack) => pack.id === id);
  const packs = [...(manifest?.packs ?? (await describePacks(disk, directory, store.names)).packs)];
  const described = known ?? (await describePack(disk, directory, id));
  if (typeof described === "string") {
    return { kind: "pack", byManifest: false, findings: [damage("pack", path, 0, described)] };
  }
  if (!packs.some((pack) => pack.id === id)) packs.push(described);
  const whole = { ...(manifest ?? standIn("0".repeat(32), [])), packs };
  const checker = new PackChecker({ ...store, manifest: whole });
  try {
    await checker.check(described);
  } finally {
    await checker.close();
  }
  return { kind: "pack", byManifest: known !== undefined, findings: checker.findings };
}

async function checkArchive(store: StoreView, path: string, id: number): Promise<Checked> {
  const known = store.manifest?.archives.find((archive) => archive.id === id);
  const storeId = await findStoreId(store);
  const archive = known ?? (await describe(store, path, id, storeId));
  if (typeof archive === "string") {
    return { kind: "archive", byManifest: false, findings: [damage("archive", path, 0, archive)] };
  }
  const manifest = store.manifest ?? standIn(toHex(storeId), []);
  const frames = new FrameChecker(store, new RowChecker(store.manifest));
  const checker = new ArchiveChecker({ ...store, manifest }, frames, new Coverage());
  await checker.check(archive, known === undefined);
  const findings = [...checker.findings, ...frames.findings];
  const { transactions } = frames;
  return { kind: "archive", byManifest: known !== undefined, findings, transactions };
}

async function describe(
  { disk }: StoreView,
  path: string,
  segmentId: number,
  storeId: Uint8Array,
): Promise<ManifestArchive | string> {
  const handle = await disk.open(path, { direct: true });
  try {
    return await describeShared(handle, storeId, (maker) =>
      describeArchive(disk, handle, { storeId: maker, segmentId }),
    );
  } finally {
    await handle.close();
  }
}

/** As much of a manifest as the checks of one file ask for. */
function standIn(storeId: string, tables: readonly ManifestTable[], file?: ManifestFile): Manifest {
  const state = { runs: [], runsThrough: 0, replayFrom: undefined };
  const files = file === undefined ? [] : [file];
  return { storeId, tables, files, state, snapshots: [], archives: [] } as unknown as Manifest;
}
