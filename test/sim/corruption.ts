/**
 * What must not be: damage to a store that holds acknowledged transactions. It has to be refused,
 * by the right code, naming the file, with every file left as it was; or to make no difference.
 */
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import { type ErrorCode, HoldfastError, type Store } from "../../src/index.js";
import { FRAME_HEADER_BYTES, SEGMENT_HEADER_BYTES, segmentFileName } from "../../src/log/format.js";
import {
  MANIFEST_AT,
  MANIFEST_FORMAT_VERSION,
  MANIFEST_HEADER_BYTES,
  type Manifest,
} from "../../src/manifest/format.js";
import type { EngineRun } from "./engine.js";
import { type FrameAt, framesOf, newestManifest } from "./frames.js";
import type { SimulatedMachine } from "./machine.js";
import type { State } from "./model.js";
import { comparePoints, readState } from "./reading.js";
import { damageArchive, RUN_DAMAGES } from "./run-damages.js";
import { compareSnapshot } from "./snapshots.js";
import { DIRECTORY, TABLE_NAMES } from "./tables.js";

/** What may come of one damage. */
export interface Expectation {
  /** It is refused with one of these; if there are none, it must open. */
  readonly codes: readonly ErrorCode[];
  /** The file that the refusal has to name. */
  readonly file?: string;
  /** It may also open: with exactly what it had, or having lost unproven transactions from here. */
  readonly opens?: "same" | { readonly from: number };
  /** It may open, and then refuse what has to be read from that file: here with one of `codes`. */
  readonly reads?: "refused";
}

export interface Scene {
  readonly run: EngineRun;
  readonly machine: SimulatedMachine;
  readonly manifest: Manifest;
  readonly frames: readonly FrameAt[];
}

export type Damage = (scene: Scene) => Expectation | undefined;

const SNAPSHOT_CODES: readonly ErrorCode[] = [
  "CORRUPT_LOG",
  "CORRUPT_MANIFEST",
  "CORRUPT_RUN",
  "MISSING_FILE",
  "NOT_A_STORE",
  "FORMAT_VERSION",
];

const SLOTS = [`${DIRECTORY}/manifest.0`, `${DIRECTORY}/manifest.1`] as const;

/** A frame with transactions, if possible one that something proves. */
function pickFrame({ run, frames }: Scene): FrameAt | undefined {
  const full = frames.filter(({ firstSequence, lastSequence }) => lastSequence >= firstSequence);
  const replayed = full.filter((frame) => frame.replayed);
  const from = replayed.length > 0 && run.random.chance(0.8) ? replayed : full;
  return from.length === 0 ? undefined : run.random.pick(from);
}

function refusedIfProven(frame: FrameAt): Expectation {
  // What runs have is not read again by an opening.
  if (!frame.replayed) return { codes: [], opens: "same" };
  if (frame.proven) return { codes: ["CORRUPT_LOG"], file: frame.path };
  return { codes: ["CORRUPT_LOG"], opens: { from: frame.firstSequence } };
}

const DAMAGES: Readonly<Record<string, Damage>> = {
  "bit flip in a frame": (scene) => {
    const frame = pickFrame(scene);
    if (frame === undefined) return undefined;
    const at = scene.run.random.below(FRAME_HEADER_BYTES + frame.payloadBytes);
    scene.machine.flipBit(frame.path, frame.offset + at);
    return refusedIfProven(frame);
  },
  "bit flip in the last frame": (scene) => {
    const { frames } = scene;
    const frame = frames.findLast((one) => one.lastSequence >= one.firstSequence);
    if (frame === undefined || !frame.replayed) return undefined;
    const at = scene.run.random.below(FRAME_HEADER_BYTES + frame.payloadBytes);
    scene.machine.flipBit(frame.path, frame.offset + at);
    scene.run.count(`damage: last frame, ${frame.proven ? "proven" : "unproven"}`);
    return refusedIfProven(frame);
  },
  "zeroed sector": (scene) => {
    const frame = pickFrame(scene);
    if (frame === undefined) return undefined;
    const sectors = Math.ceil((FRAME_HEADER_BYTES + frame.payloadBytes) / 512);
    const at = frame.offset + 512 * scene.run.random.below(sectors);
    let changed = false;
    scene.machine.mutate(frame.path, (bytes) => {
      changed = bytes.subarray(at, at + 512).some((byte) => byte !== 0);
      bytes.fill(0, at, at + 512);
      return undefined;
    });
    return changed ? refusedIfProven(frame) : { codes: [], opens: "same" };
  },
  "garbage length": (scene) => {
    const frame = pickFrame(scene);
    if (frame === undefined) return undefined;
    scene.machine.mutate(frame.path, (bytes) => {
      const value = scene.run.random.pick([0, 0xff, 0x7f]);
      bytes.fill(value, frame.offset + 12, frame.offset + 20);
      return undefined;
    });
    return refusedIfProven(frame);
  },
  "segment header": (scene) => {
    const frame = pickFrame(scene);
    if (frame === undefined) return undefined;
    scene.machine.flipBit(frame.path, scene.run.random.below(SEGMENT_HEADER_BYTES));
    if (!frame.segmentReplayed) return { codes: [], opens: "same" };
    return { codes: ["CORRUPT_LOG"], file: frame.path };
  },
  "missing segment": ({ run, machine, manifest }) => {
    const file = `${DIRECTORY}/${segmentFileName(run.random.pick(manifest.segments).id)}`;
    machine.tree.remove(file);
    machine.tree.commitAll();
    return { codes: ["MISSING_FILE"], file };
  },
  "truncated segment": ({ run, machine, manifest }) => {
    const used = manifest.segments.filter(({ state }) => state !== "spare");
    const file = `${DIRECTORY}/${segmentFileName(run.random.pick(used).id)}`;
    const entry = used.find(({ id }) => file.endsWith(segmentFileName(id)));
    machine.mutate(file, (bytes) => bytes.subarray(0, run.random.below(entry?.bytes ?? 0)));
    return { codes: ["CORRUPT_LOG"], file };
  },
  ...RUN_DAMAGES,
  "one manifest damaged": ({ run, machine }) => {
    const file = run.random.pick(SLOTS);
    const way = run.random.below(3);
    if (way === 0) {
      machine.tree.remove(file);
      machine.tree.commitAll();
    } else if (way === 1) {
      machine.mutate(file, (bytes) => bytes.subarray(0, run.random.below(bytes.length - 3500)));
    } else machine.flipBit(file, run.random.below(300));
    return { codes: [], opens: "same" };
  },
  "both manifests damaged": ({ run, machine }) => {
    for (const file of SLOTS) machine.flipBit(file, run.random.below(300));
    return { codes: ["CORRUPT_MANIFEST"], file: SLOTS[0] };
  },
  "both manifests missing": ({ machine }) => {
    for (const file of SLOTS) machine.tree.remove(file);
    machine.tree.commitAll();
    return { codes: ["CORRUPT_MANIFEST"], file: SLOTS[0] };
  },
  "newer format": ({ machine }) => {
    for (const file of SLOTS) {
      machine.mutate(file, (bytes) => {
        const view = viewOf(bytes);
        view.setUint32(MANIFEST_AT.formatVersion, MANIFEST_FORMAT_VERSION + 1, true);
        const from = MANIFEST_AT.formatVersion;
        const header = portableChecksum.crc32c(bytes, from, MANIFEST_HEADER_BYTES);
        view.setUint32(MANIFEST_AT.headerChecksum, header, true);
        return undefined;
      });
    }
    return { codes: ["FORMAT_VERSION"] };
  },
  "older manifest": ({ run, machine }) => {
    if (run.olderManifests.length === 0) return undefined;
    const older = run.random.pick(run.olderManifests);
    const codes: ErrorCode[] = ["CORRUPT_MANIFEST", "CORRUPT_LOG", "MISSING_FILE"];
    if (run.random.chance(0.5)) {
      machine.mutate(run.random.pick(SLOTS), () => older);
      return { codes, opens: "same" };
    }
    // With both put back nothing may be left that could tell: the segments written since can be
    // in use again, and their rows in runs that no manifest knows (docs/recovery.md).
    for (const file of SLOTS) machine.mutate(file, () => older);
    return { codes, opens: { from: 1 } };
  },
  "bit flip anywhere": ({ run, machine, frames }) => {
    const files = machine.files().filter((path) => /\.log$|manifest/.test(path));
    const path = run.random.pick(files);
    const at = machine.flipBit(path);
    const hit = frames.findLast((frame) => frame.path === path && frame.offset <= at);
    const within =
      hit !== undefined && at < hit.offset + FRAME_HEADER_BYTES + hit.payloadBytes
        ? hit
        : undefined;
    if (within === undefined) return { codes: ["CORRUPT_LOG"], file: path, opens: "same" };
    return refusedIfProven(within);
  },
};

/** Of one seed, each on a copy of its own: so each kind comes a thousand times in a run of all. */
const DAMAGES_EACH = 6;

/** Damages copies of what a run has left, and opens them. */
export async function damage(run: EngineRun): Promise<void> {
  const whole = await openCopy(run, run.machine.fork(run.seed));
  if (!("state" in whole)) return run.fail(`the copy does not open: ${String(whole.error)}`);
  const wrong = run.model.recover(whole.sequence, whole.state, false);
  if (wrong !== undefined) run.fail(wrong);
  for (let i = 0; i < DAMAGES_EACH; i++) {
    await damageOnce(run, run.random.pick(Object.keys(DAMAGES)), whole.sequence);
  }
  // What can and what cannot be told apart from a torn write are of two kinds.
  if (run.random.chance(0.4)) await damageOnce(run, "bit flip in the last frame", whole.sequence);
  await damageArchive(run);
}

async function damageOnce(run: EngineRun, name: string, sequence: number): Promise<void> {
  const machine = run.machine.fork(run.random.below(1e9));
  const manifest = await newestManifest(machine, machine.boot(), DIRECTORY);
  const frames = framesOf(machine, DIRECTORY, manifest);
  const expected = DAMAGES[name]?.({ run, machine, manifest, frames });
  if (expected === undefined) return;
  run.count(`damage: ${name}`);
  const before = filesOf(machine);
  const other = run.random.chance(0.3) ? machine.fork(run.seed) : undefined;
  if (other !== undefined && name !== "older manifest") await openSnapshots(run, other);
  const opened = await openCopy(run, machine);
  const fail = (what: string): never => run.fail(`${name}: ${what}`);
  if ("state" in opened) {
    const { opens } = expected;
    if (opens === undefined && expected.codes.length > 0) fail("it opened");
    const from = typeof opens === "object" ? opens.from - 1 : sequence;
    if (opened.sequence < from || opened.sequence > sequence) {
      fail(`opened at ${opened.sequence} instead of ${from} to ${sequence}`);
    }
    const wrong = opened.sequence === sequence && run.model.compareMemory(opened.state);
    if (wrong) fail(`opened, but ${wrong}`);
    run.count("damage was harmless, unproven or repaired");
    return;
  }
  const { error, reading } = opened;
  if (reading && expected.reads === undefined) fail(`it opened, and then: ${String(error)}`);
  if (!(error instanceof HoldfastError) || !expected.codes.includes(error.code)) {
    return fail(`expected ${expected.codes.join(" or ") || "success"}, got ${String(error)}`);
  }
  if (expected.file !== undefined && error.data.file !== expected.file) {
    fail(`${error.code} names ${error.data.file} instead of ${expected.file}`);
  }
  run.count(`damage refused: ${error.code}`);
  if (reading) {
    run.count("damage refused by a read");
    return;
  }
  const touched = differing(before, filesOf(machine));
  if (touched !== undefined) fail(`${error.code}, but ${touched} was touched`);
}

async function openCopy(
  run: EngineRun,
  machine: SimulatedMachine,
): Promise<{ state: State; sequence: number } | { error: unknown; reading: boolean }> {
  let store: Store;
  try {
    store = await machine.run(run.openOn(machine.boot()));
  } catch (error) {
    return { error, reading: false };
  }
  try {
    const state = readState(store, run.definitions, TABLE_NAMES);
    const wrong = comparePoints(store, run.definitions, TABLE_NAMES, state, run.random);
    if (wrong !== undefined) run.fail(`by key and by range: ${wrong}`);
    return { state, sequence: store.recovery.lastSequence };
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error;
    return { error, reading: true };
  } finally {
    machine.crash("kill");
  }
}

/** What is damaged may be what they need: they are right, or refused, naming the file. */
async function openSnapshots(run: EngineRun, machine: SimulatedMachine): Promise<void> {
  for (const name of run.snapshots.there) {
    try {
      await machine.run(compareSnapshot(run, machine.boot(), name));
    } catch (error) {
      const known = error instanceof HoldfastError && SNAPSHOT_CODES.includes(error.code);
      if (!known) run.fail(`snapshot ${name} of a damaged store: ${String(error)}`);
      run.check(known && error.data.file !== undefined, `${String(error)} names no file`);
      run.count("snapshot of a damaged store refused");
    }
  }
}

/** The LOCK file is written to whatever comes of it. */
function filesOf(machine: SimulatedMachine): Map<string, Uint8Array> {
  const paths = machine.files().filter((path) => !path.endsWith("/LOCK"));
  return new Map(paths.map((path) => [path, machine.read(path)]));
}

function differing(
  before: ReadonlyMap<string, Uint8Array>,
  after: ReadonlyMap<string, Uint8Array>,
): string | undefined {
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const a = before.get(path);
    const b = after.get(path);
    if (a === undefined || b === undefined || Buffer.compare(a, b) !== 0) return path;
  }
  return undefined;
}
