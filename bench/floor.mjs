// The floor: what the device takes for so many bytes, from the addon with nothing around it. `pwritev2`
// with O_DIRECT and RWF_DSYNC into extents that are written.
import { join } from "node:path";
import { loadNativeDisk } from "../dist/disk/native.js";

export const BLOCK_BYTES = 4096;
const FILE_BYTES = 16 * 1024 * 1024;

/** `slotBytes`: the most that is written at once, whole blocks. */
export async function openFloor(directory, { slotBytes = BLOCK_BYTES } = {}) {
  const disk = loadNativeDisk();
  const path = join(directory, "floor");
  const file = await disk.open(path, { write: true, create: true });
  await file.zeroFill(0, FILE_BYTES);
  await file.sync();
  await file.close();
  const lock = await disk.lock(join(directory, "floor.lock"));
  const handler = { completed: () => {}, deliver: () => false };
  const queue = disk.openCommitQueue({ slotBytes, slotCount: 2, lock, handler });
  const log = await queue.openLog(path, "direct-dsync");
  let at = 0;
  let count = 0;
  return {
    /** Writes so many bytes, rounded up to blocks; no two writes have the same content. */
    write(bytes = BLOCK_BYTES) {
      const length = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
      if (at + length > FILE_BYTES) at = 0;
      queue.slot(0)[0] = count & 255;
      queue.slot(0)[1] = (count++ >> 8) & 255;
      queue.writeNow(log, 0, length, at);
      at += length;
    },
    async close() {
      await log.close();
      await queue.close();
      await lock.release();
    },
  };
}
