/** The way of writing the log: recorded in the manifest, or measured where it is not yet. */
import type { CommitQueue, Disk, WriteMethod } from "../disk/disk.js";
import { chooseMethod, measureMethods } from "../disk/probe.js";
import type { ManifestKeeper } from "../manifest/keeper.js";
import type { OpenedLog } from "../recovery/opening.js";

export interface MethodParts {
  readonly disk: Disk;
  readonly alignment: number;
  readonly log: OpenedLog;
}

/** The recorded method, or what is measured now where this kind of disk has none yet. */
export async function methodFor(
  parts: MethodParts,
  queue: CommitQueue,
  path: string,
): Promise<WriteMethod> {
  const { disk, alignment, log } = parts;
  const recorded = log.keeper.current.methods.find(
    (choice) => choice.disk === disk.info.kind && disk.writeMethods.includes(choice.method),
  );
  if (recorded !== undefined && (await canOpen(queue, path, recorded.method))) {
    return recorded.method;
  }
  const measured = await measureMethods({
    disk,
    queue,
    path,
    offset: alignment,
    blockBytes: alignment,
    blocks: Math.max(1, Math.min(64, Math.floor(log.active.bytes / alignment) - 1)),
  });
  const method = chooseMethod(measured);
  await recordMethod(log.keeper, disk.info.kind, method, measured);
  return method;
}

async function recordMethod(
  keeper: ManifestKeeper,
  disk: string,
  method: WriteMethod,
  measured: Awaited<ReturnType<typeof measureMethods>>,
): Promise<void> {
  await keeper.publish((manifest) => ({
    ...manifest,
    methods: [
      ...manifest.methods.filter((choice) => choice.disk !== disk),
      { disk, method, measured },
    ],
  }));
}

async function canOpen(queue: CommitQueue, path: string, method: WriteMethod): Promise<boolean> {
  try {
    await (await queue.openLog(path, method)).close();
    return true;
  } catch {
    return false;
  }
}
