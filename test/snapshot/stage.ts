/** A directory with a log and runs, and one job of each kind that can be done on it. */
import type { ManifestRun, ManifestSegment } from "../../src/manifest/format.js";
import type { FlushJob, FlushResult, Job, MergeJob } from "../../src/snapshot/jobs.js";
import { runJob } from "../../src/snapshot/run-job.js";
import { SimulatedMachine } from "../sim/disk.js";
import { DIRECTORY, del, LogMaker, put, STORE_ID, type Transaction } from "./log.js";
import { contextOn, TABLES } from "./rows.js";

export interface Stage {
  readonly machine: SimulatedMachine;
  readonly log: LogMaker;
  readonly runs: readonly ManifestRun[];
  readonly flush: FlushJob;
  readonly merge: MergeJob;
  readonly archive: Job;
}

/** Hardly compressible. */
function rowOf(number: number, bytes: number): string {
  let text = "";
  for (let state = number + 1; text.length < bytes; ) {
    state = (state * 1103515245 + 12345) % 2147483648;
    text += state.toString(36);
  }
  return text.slice(0, bytes);
}

export function transaction(number: number, keys = 40): Transaction {
  const key = `key ${(number * 17) % keys}`;
  return number % 7 === 3 ? [del(key)] : [put(key, rowOf(number, 300))];
}

/** Three segments; two runs of the first two thirds of the log; the rest is to be flushed. */
export async function makeStage(): Promise<Stage> {
  const machine = new SimulatedMachine({ seed: 5 });
  const disk = machine.boot();
  await machine.run(disk.createDirectory(DIRECTORY));
  const log = new LogMaker(disk, 32 * 1024);
  const base = { directory: DIRECTORY, storeId: STORE_ID, tables: TABLES, fileBytes: 4096 };
  const runs: ManifestRun[] = [];
  let before: FlushResult | undefined;
  const files: FlushResult["files"][number][] = [];
  let job: FlushJob | undefined;
  for (let part = 0; part < 3; part++) {
    for (let i = 0; i < 40; i++) {
      await machine.run(log.append(transaction(part * 40 + i)));
    }
    job = {
      ...base,
      kind: "flush",
      segments: log.segments,
      from: before?.replayFrom ?? { segmentId: 0, offset: 0, sequence: 1, frameChecksum: 0 },
      runsThrough: before?.through ?? 0,
      through: log.lastSequence,
      end: log.end,
      dropTombstones: false,
      fileIds: { first: 100 * (part + 1), count: 50 },
      arenaBytes: 1024 * 1024,
      base: { runs: [], files: [] },
    };
    if (part === 2) break;
    before = await machine.run(runJob(job, contextOn(disk)));
    files.push(...before.files);
    runs.unshift({
      id: before.files[0]?.id ?? 0,
      tier: 0,
      firstSequence: before.firstSequence,
      lastSequence: before.through,
      files: before.files.map((file) => file.id),
    });
  }
  const merge: MergeJob = {
    ...base,
    kind: "merge",
    runs,
    files,
    afterKey: undefined,
    throughKey: undefined,
    dropTombstones: true,
    fileIds: { first: 1000, count: 50 },
  };
  const segment = log.segments[0] as ManifestSegment;
  const archive: Job = { kind: "archive", directory: DIRECTORY, storeId: STORE_ID, segment };
  return { machine, log, runs, flush: job as FlushJob, merge, archive };
}

/** The same job with other ids, as the next attempt has. */
export function again<J extends Job>(job: J): J {
  return "fileIds" in job ? { ...job, fileIds: { first: 5000, count: 50 } } : job;
}

/** Contents of all files, by path. */
export function contentsOf(machine: SimulatedMachine): Map<string, string> {
  const paths = machine.files();
  return new Map(paths.map((path) => [path, Buffer.from(machine.read(path)).toString("latin1")]));
}
