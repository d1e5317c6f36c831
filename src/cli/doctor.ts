/** `holdfast doctor`: what a directory is good for, measured. */
import { stat } from "node:fs/promises";
import { release } from "node:os";
import { resolve } from "node:path";
import type { Command } from "commander";
import { errnoCode, HoldfastError, isHoldfastError } from "../base/errors.js";
import { chooseDisk } from "../disk/choose.js";
import type { DiskInfo, PlaceInfo } from "../disk/disk.js";
import type { MethodChoice } from "../manifest/format.js";
import { weaknessOf } from "../store/place.js";
import { formatDiagnosis } from "./doctor-text.js";
import { limitProblems, type ProcessLimits, readLimits } from "./limits.js";
import { measurePlace, type PlaceMeasurement } from "./measure-place.js";
import { EXIT_DAMAGED, EXIT_SOUND, write, writeLine } from "./output.js";
import { readStore } from "./read-store.js";

/** What `doctor --json` prints. */
export interface Diagnosis extends PlaceMeasurement {
  readonly directory: string;
  readonly place: PlaceInfo;
  /** What this file system cannot promise; null if it can. */
  readonly weakness: string | null;
  readonly disk: DiskInfo;
  /** Durable writes a second, one after the other. */
  readonly oneByOnePerSecond: number;
  readonly store: StoreThere | null;
  /** Why a store that seems to be there tells nothing; null if nothing stands in the way. */
  readonly storeProblem: string | null;
  readonly limits: ProcessLimits;
  /** Which of them are too low for a store, and what would happen. */
  readonly limitProblems: readonly string[];
  /**
   * How long the free space would take the log alone, written one by one without a pause: the
   * time there is to act once the background has stopped, at the least.
   */
  readonly logRoomSeconds: number;
  readonly kernel: string;
  readonly node: string;
}

interface StoreThere {
  readonly environment: string | null;
  readonly methods: readonly MethodChoice[];
  readonly heldBy: { readonly pid: number; readonly host: string } | null;
}

/** Adds the command to a program. */
export function registerDoctor(program: Command): void {
  program
    .command("doctor")
    .summary("measure what durable writes cost in a directory")
    .description(
      "Looks at a directory in which a store is or shall be: the file system, the device, and " +
        "how fast it writes durably, measured for a second or two in a file that is removed " +
        "again. Exit codes: 0 good for a store, 1 opening with `strict` would refuse it, 2 could " +
        "not look.",
    )
    .argument("<dir>", "a directory that exists; empty, a store, or any other")
    .option("--json", "one JSON object")
    .action(async (directory: string, flags: { readonly json?: boolean }) => {
      const diagnosis = await diagnose(resolve(directory));
      if (flags.json) await writeLine(JSON.stringify(diagnosis));
      else await write(formatDiagnosis(diagnosis));
      process.exitCode = diagnosis.weakness === null ? EXIT_SOUND : EXIT_DAMAGED;
    });
}

async function diagnose(directory: string): Promise<Diagnosis> {
  await assertDirectory(directory);
  const disk = chooseDisk("auto", () => {});
  const there = await lookForStore(directory);
  const place = await disk.describe(directory);
  const blockBytes = Math.max(512, place.directAlignment, place.physicalBlockBytes);
  const recorded = there.store?.methods.find((choice) => choice.disk === disk.info.kind)?.method;
  const measurement = await measurePlace(disk, directory, blockBytes, recorded);
  const used = measurement.measured.find(({ method }) => method === measurement.used);
  const oneByOnePerSecond = Math.round(1e6 / Math.max(1, used?.p50Micros ?? 1));
  const limits = await readLimits();
  return {
    directory,
    place,
    weakness: weaknessOf(place) ?? null,
    // After the queue was opened: only then it is sure that a ring is to be had.
    disk: disk.info,
    ...measurement,
    oneByOnePerSecond,
    ...there,
    limits,
    limitProblems: limitProblems(limits),
    logRoomSeconds: Math.floor(place.freeBytes / (oneByOnePerSecond * blockBytes)),
    kernel: `${process.platform === "linux" ? "Linux" : process.platform} ${release()}`,
    node: process.version,
  };
}

async function assertDirectory(path: string): Promise<void> {
  let isDirectory: boolean;
  try {
    isDirectory = (await stat(path)).isDirectory();
  } catch (error) {
    if (errnoCode(error) !== "ENOENT") throw error;
    const message = `${path} does not exist: make the directory first, or name the one above it`;
    throw new HoldfastError("INVALID_ARGUMENT", message, { file: path }, error);
  }
  if (isDirectory) return;
  throw new HoldfastError("INVALID_ARGUMENT", `${path} is not a directory`, { file: path });
}

/** What a store there has recorded. That it cannot be read is no reason not to measure. */
async function lookForStore(directory: string): Promise<Pick<Diagnosis, "store" | "storeProblem">> {
  try {
    const { manifest, lock } = await readStore(directory);
    const { holder } = lock;
    return {
      store: {
        environment: manifest?.environment ?? null,
        methods: manifest?.methods ?? [],
        heldBy: holder === undefined ? null : { pid: holder.pid, host: holder.host },
      },
      storeProblem: manifest === undefined ? "neither of its manifests can be read" : null,
    };
  } catch (error) {
    if (isHoldfastError(error, "NOT_A_STORE")) return { store: null, storeProblem: null };
    if (!isHoldfastError(error) && errnoCode(error) === undefined) throw error;
    return { store: null, storeProblem: (error as Error).message };
  }
}
