/**
 * A directory becomes a new store. A marker stands until all of it is durable and was read back:
 * cut short anywhere, it leaves nothing that opens with a part.
 */
import { fromHex } from "../base/bytes.js";
import { HoldfastError } from "../base/errors.js";
import {
  FRAME_BYTES_MAX,
  FRAMES_IN_FLIGHT_DEFAULT,
  SEGMENT_BYTES_DEFAULT,
} from "../base/limits.js";
import type { Disk } from "../disk/disk.js";
import { acquireOwnership } from "../disk/lock.js";
import { createSegment } from "../log/segments.js";
import {
  MANIFEST_SLOT_NAMES,
  type Manifest,
  type ManifestFile,
  type ManifestPack,
  type ManifestRun,
} from "../manifest/format.js";
import { createManifest } from "../manifest/keeper.js";
import { readManifestSlots } from "../manifest/manifest.js";
import { CREATING_NAME, isPassingFileName, LOCK_NAME, listOrUndefined } from "../recovery/files.js";
import { openEntry, writerOf } from "../recovery/opening.js";
import { syncAncestors } from "./place.js";
import { asStoreError } from "./store-error.js";

/** Where a store is to be, and what its manifest and segments say beside what it holds. */
export interface NewStore {
  readonly disk: Disk;
  /** Absent or empty. */
  readonly to: string;
  readonly writerId: string;
  readonly environment: string;
  readonly segmentBytes?: number | undefined;
}

/** What it holds: the rows of one run, and nothing in its log. */
export interface NewContent extends Pick<Manifest, "storeId" | "lastMicros" | "replay" | "tables"> {
  /** The last transaction in it: the next one of the new store is the one behind that. */
  readonly sequence: number;
  /** Whose files are there; each with the store that made it. */
  readonly packs?: readonly ManifestPack[];
  /** Of the one run, in the order of their keys; there are no deletions in them. */
  readonly files: readonly ManifestFile[];
}

/**
 * Runs `fill` with the place marked and locked; what it gives holds once the marker is gone. Throws
 * INVALID_ARGUMENT if the place is not empty, LOCKED, what `fill` throws, DISK_FULL or IO. After
 * any of them there is no store in it.
 */
export async function makeNewStore<T>(
  place: Pick<NewStore, "disk" | "to" | "writerId">,
  fill: () => Promise<T>,
): Promise<T> {
  try {
    return await makeStore(place, fill);
  } catch (error) {
    throw asStoreError(error, place.to, "making a store in");
  }
}

async function makeStore<T>(
  { disk, to, writerId }: Pick<NewStore, "disk" | "to" | "writerId">,
  fill: () => Promise<T>,
): Promise<T> {
  assertEmpty(to, await listOrUndefined(disk, to), await isUsed(disk, to));
  await disk.createDirectory(to);
  await syncAncestors(disk, to);
  const ownership = await acquireOwnership(disk, `${to}/${LOCK_NAME}`, { writerId });
  try {
    const names = await disk.list(to);
    assertEmpty(to, names, await isUsed(disk, to));
    await mark(disk, to);
    await removeAll(disk, to, names);
    let result: T;
    try {
      result = await fill();
    } catch (error) {
      await undo(disk, to).catch(() => {});
      throw error;
    }
    await disk.remove(`${to}/${CREATING_NAME}`);
    await disk.syncDirectory(to);
    return result;
  } finally {
    await ownership.release();
  }
}

/** Begins anew: what was put into the marked place is removed again. */
export async function clearNewStore(disk: Disk, to: string): Promise<void> {
  await removeAll(disk, to, await disk.list(to));
}

/** A segment, then the manifest, which makes a store of the files that are there already. */
export async function publishContent(place: NewStore, content: NewContent): Promise<void> {
  const { disk, to } = place;
  const { storeId, sequence, lastMicros, replay, tables, files, packs = [] } = content;
  const { alignment, settings } = await settingsOf(place);
  const createdMicros = disk.clock.nowMicros();
  const { segmentBytes, writerId, environment, framesInFlight, frameBytesMax } = settings;
  const id = fromHex(storeId) as Uint8Array;
  const header = { storeId: id, segmentId: 1, epoch: 1, alignment, segmentBytes, createdMicros };
  await createSegment(disk, to, { ...header, writerId });
  await createManifest(disk, to, {
    generation: 1,
    storeId,
    environment,
    createdMicros,
    epoch: 1,
    writer: writerOf(disk, settings),
    framesInFlight,
    frameBytesMax,
    methods: [],
    durableThrough: sequence,
    lastMicros,
    closed: true,
    segments: [openEntry({ id: 1, bytes: segmentBytes, recycled: false }, "active", 1, alignment)],
    tables,
    replay,
    state: {
      runs: runsOf(files, sequence),
      runsThrough: sequence,
      replayFrom: { segmentId: 0, offset: 0, sequence: sequence + 1, frameChecksum: 0 },
    },
    files,
    merge: null,
    snapshots: [],
    archives: [],
    ...(packs.length > 0 && { packs }),
  });
}

/** One that was merged: it is the last, and has no deletions. */
function runsOf(list: readonly ManifestFile[], lastSequence: number): ManifestRun[] {
  const files = list.map(({ id }) => id);
  const [id] = files;
  return id === undefined ? [] : [{ id, tier: 1, firstSequence: 1, lastSequence, files }];
}

async function settingsOf({ disk, to, writerId, environment, ...options }: NewStore) {
  const place = await disk.describe(to);
  const alignment = Math.max(512, place.directAlignment, place.physicalBlockBytes);
  const settings = {
    environment,
    allowEnvironmentChange: false,
    writerId,
    segmentBytes: options.segmentBytes ?? SEGMENT_BYTES_DEFAULT,
    frameBytesMax: FRAME_BYTES_MAX,
    framesInFlight: FRAMES_IN_FLIGHT_DEFAULT,
    alignment,
  };
  return { alignment, settings };
}

/** What a restore, or a creation, that was cut short has left counts as nothing. */
function assertEmpty(
  to: string,
  names: readonly string[] | undefined,
  used: boolean,
): asserts names is readonly string[] {
  const found = (names ?? []).filter((name) => name !== LOCK_NAME && !isPassingFileName(name));
  if (found.length === 0 || (found.includes(CREATING_NAME) && !used)) return;
  throw new HoldfastError(
    "INVALID_ARGUMENT",
    `${to} is not empty (it has, for one, "${found[0]}"): a new store needs an empty one`,
    { file: to },
  );
}

/** By the rule of recovery: with both slots, or one of a later generation, it is a store. */
async function isUsed(disk: Disk, directory: string): Promise<boolean> {
  const { slots, newest } = await readManifestSlots(disk, directory);
  const complete = slots.every(({ state }) => state === "valid");
  return complete || (newest !== undefined && newest.generation > 1);
}

async function mark(disk: Disk, to: string): Promise<void> {
  const marker = await disk.open(`${to}/${CREATING_NAME}`, { write: true, create: true });
  try {
    await marker.sync();
  } finally {
    await marker.close();
  }
  await disk.syncDirectory(to);
}

/** Manifests first: whatever is cut short, none is left that names what is gone. */
async function removeAll(disk: Disk, to: string, names: readonly string[]): Promise<void> {
  const manifests = names.filter((name) =>
    (MANIFEST_SLOT_NAMES as readonly string[]).includes(name),
  );
  for (const name of manifests) await disk.remove(`${to}/${name}`);
  if (manifests.length > 0) await disk.syncDirectory(to);
  for (const name of names) {
    const stays = name === LOCK_NAME || name === CREATING_NAME || manifests.includes(name);
    if (!stays) await disk.remove(`${to}/${name}`);
  }
}

/** The marker goes last: what cannot be removed stays beside it, and counts as nothing. */
async function undo(disk: Disk, to: string): Promise<void> {
  await removeAll(disk, to, await disk.list(to));
  await disk.syncDirectory(to);
  await disk.remove(`${to}/${CREATING_NAME}`);
}
