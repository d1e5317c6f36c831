/**
 * What an opening, the first writes and a close take is done some times with a store that is thrown
 * away. Code that runs for the first time takes several times as long as later: so it is not in the
 * moment in which nobody can write the store that is taken over.
 */
import { defineTable, integer } from "../codec/schema.js";
import { inScratch } from "../disk/scratch.js";
import type { OpenOptions } from "./options.js";
import type { Store } from "./store.js";

const ROUNDS = 3;
const WRITES = 20;

const practice = defineTable({
  name: "practice",
  version: 1,
  key: integer(),
  fields: { value: integer() },
});

/** Never rejects: it is of no consequence where it cannot be done. */
export async function practise(
  open: (directory: string, options: OpenOptions) => Promise<Store>,
  { backend }: Pick<OpenOptions, "backend">,
): Promise<void> {
  const options: OpenOptions = {
    ...(backend === undefined ? {} : { backend }),
    tables: [practice],
    segmentBytes: 64 * 1024,
    finalSnapshotMillis: 0,
    onWarning: () => {},
  };
  try {
    await inScratch(async (directory) => {
      for (let round = 0; round < ROUNDS; round++) {
        const store = await open(directory, options);
        const table = store.table(practice);
        for (let i = 0; i < WRITES; i++) await table.put(i, { value: round });
        await store.transact((transaction) => transaction.delete(practice, 0));
        await store.close();
      }
    });
  } catch {
    // The opening says what is wrong, if it is.
  }
}
