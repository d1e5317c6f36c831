// The floor as a contender: no store, no rows, no reads. It takes part where one writer writes bytes.
import { Encoder } from "@msgpack/msgpack";
import { BLOCK_BYTES, openFloor } from "../../floor.mjs";

export const packageName = undefined;
export const title = "the floor";
export const floor = true;

const SLOT_BYTES = 2 * 1024 * 1024;

export const promises = {
  power: {
    configuration:
      "pwritev2 of whole blocks of 4 KiB with O_DIRECT and RWF_DSYNC into a file that is written, from " +
      "the addon; the bytes of a batch at once",
  },
};

export async function open(directory) {
  const device = await openFloor(directory, { slotBytes: SLOT_BYTES });
  const encoder = new Encoder();
  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync: () => device.write(BLOCK_BYTES),
    /** A batch of rows is so many bytes: those of one of them, times their number. */
    async transact(operations) {
      const [, key, row] = operations[0];
      const bytes = encoder.encodeSharedRef(Object.values(row)).length + key.length;
      device.write(operations.length * bytes);
    },
    close: () => device.close(),
  };
}
