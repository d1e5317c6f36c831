/** Whether the history that was to be kept can be read back, without gaps, up to the end. */
import type { Disk } from "../../src/disk/disk.js";
import { type LogRecord, walkRecords } from "../../src/log/record.js";
import type { Manifest, ManifestArchive, ManifestSegment } from "../../src/manifest/format.js";
import { IoBudget } from "../../src/snapshot/budget.js";
import { LogCursor } from "../../src/snapshot/log-cursor.js";
import { inOrder } from "../../src/snapshot/position.js";
import { readArchive } from "../../src/snapshot/read-archive.js";
import type { SimulatedMachine } from "./disk.js";
import type { EngineRun } from "./engine.js";
import { DIRECTORY } from "./tables.js";

/** The archives are linked to one another, and to the log where all is to be kept. */
export async function checkHistory(
  run: EngineRun,
  machine: SimulatedMachine,
  disk: Disk,
  manifest: Manifest,
  lastSequence: number,
): Promise<void> {
  const { storeId } = manifest;
  const all = run.settings.history === "all";
  const archives = [...manifest.archives].sort((a, b) => a.id - b.id);
  const kept = sinceLastGap(archives);
  run.check(!all || kept.length === archives.length, "the history has gaps");
  let next = kept[0]?.firstSequence ?? 1;
  let link: number | undefined = next === 1 ? 0 : undefined;
  run.check(!all || next === 1, "the history begins too late");
  const visit = ({ sequence }: LogRecord): void => {
    run.check(sequence === next, `transaction ${next} is not in the history`);
    next = sequence + 1;
  };
  for (const archive of kept) {
    const linked = link === undefined ? {} : { previousChecksum: link };
    const options = { disk, directory: DIRECTORY, storeId, archive, visit, ...linked };
    const { frames, frameChecksum } = await machine.run(readArchive(options));
    if (frames > 0) link = frameChecksum;
  }
  if (kept.length > 0) run.count("history read back");
  if (!all) return;
  const cursor = cursorBehind(disk, manifest, next, link ?? 0);
  await machine.run(readOn(cursor, visit, lastSequence));
  run.check(next === lastSequence + 1, `the history ends before transaction ${lastSequence}`);
}

/** Over the segments there are, whose first frame has to continue what the archives hold. */
function cursorBehind(
  disk: Disk,
  manifest: Manifest,
  sequence: number,
  frameChecksum: number,
): LogCursor {
  const segments = inOrder(manifest.segments).filter(({ state }) => state !== "spare");
  const { id: segmentId, alignment: offset } = segments[0] as ManifestSegment;
  const end = { segmentId: segments.at(-1)?.id ?? 0, bytes: Number.MAX_SAFE_INTEGER };
  const from = { segmentId, offset, sequence, frameChecksum };
  const unlimited = { bytesPerSecond: Number.POSITIVE_INFINITY, burstBytes: 1 };
  const budget = new IoBudget(unlimited, disk.clock, disk.scheduler);
  const range = { directory: DIRECTORY, storeId: manifest.storeId, segments, from, end };
  return new LogCursor(range, { disk, budget, signal: new AbortController().signal });
}

/**
 * Where history expires, a snapshot may have kept segments that are older than archives which have
 * gone by now, and which become archives themselves only when it is dropped.
 */
function sinceLastGap(archives: readonly ManifestArchive[]): readonly ManifestArchive[] {
  const at = archives.findLastIndex(
    (archive, i) => i > 0 && archive.firstSequence !== (archives[i - 1]?.lastSequence ?? 0) + 1,
  );
  return archives.slice(Math.max(0, at));
}

async function readOn(
  cursor: LogCursor,
  visit: (record: LogRecord) => void,
  through: number,
): Promise<void> {
  while (cursor.position.sequence <= through) {
    const frame = await cursor.peek();
    if (frame === undefined) break;
    const { bytes, view, position, header } = frame;
    const wrong = walkRecords(bytes, view, position, header, visit);
    if (wrong !== undefined) throw cursor.corrupt(wrong);
    cursor.advance(header);
  }
  await cursor.close();
}
