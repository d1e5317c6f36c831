// The floor: what the device takes for so many bytes, from the addon with nothing around it. `pwritev2`
// with O_DIRECT and RWF_DSYNC into extents that are written; no store, no rows, no reads.
import { join } from "node:path";
import { Encoder } from "@msgpack/msgpack";

export const packageName = undefined;
export const title = "the floor";
/** Not a store: it takes part only where bytes are written, and one writer writes them. */
export const floor = true;

const FILE_BYTES = 16 * 1024 * 1024;
const BLOCK_BYTES = 4096;
const SLOT_BYTES = 2 * 1024 * 1024;

export const promises = {
  power: {
    configuration:
      "pwritev2 of whole blocks of 4 KiB with O_DIRECT and RWF_DSYNC into a file that is written, from " +
      "the addon; the bytes of a batch at once",
  },
};

export async function open(directory) {
  const { loadNativeDisk } = await import("../../../dist/disk/native.js");
  const disk = loadNativeDisk();
  const path = join(directory, "floor");
  const file = await disk.open(path, { write: true, create: true });
  await file.zeroFill(0, FILE_BYTES);
  await file.sync();
  await file.close();
  const lock = await disk.lock(join(directory, "floor.lock"));
  const handler = { completed: () => {}, deliver: () => false };
  const queue = disk.openCommitQueue({ slotBytes: SLOT_BYTES, slotCount: 2, lock, handler });
  const log = await queue.openLog(path, "direct-dsync");
  const encoder = new Encoder();
  let at = 0;
  let count = 0;
  const writeBytes = (bytes) => {
    const length = Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
    if (at + length > FILE_BYTES) at = 0;
    queue.slot(0)[0] = count & 255;
    queue.slot(0)[1] = (count++ >> 8) & 255;
    queue.writeNow(log, 0, length, at);
    at += length;
  };
  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync: () => writeBytes(BLOCK_BYTES),
    /** A batch of rows is so many bytes: those of one of them, times their number. */
    async transact(operations) {
      const [, key, row] = operations[0];
      writeBytes(
        operations.length * (encoder.encodeSharedRef(Object.values(row)).length + key.length),
      );
    },
    async close() {
      await log.close();
      await queue.close();
      await lock.release();
    },
  };
}
