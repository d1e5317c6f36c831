// A process that meets a limit of the system: see limits.test.ts.
//
//   node limits-child.mjs '{"directory", "backend", "what"}'
//
// Prints one line of JSON: what became of it.
import { closeSync, openSync } from "node:fs";
import { bytes, defineTable, integer, open } from "../../dist/index.js";

const { directory, backend, what } = JSON.parse(process.argv[2]);
const blobs = defineTable({
  name: "blobs",
  version: 1,
  key: integer(),
  fields: { content: bytes() },
});
const options = {
  backend,
  tables: [blobs],
  segmentBytes: 64 * 1024,
  recoveryBudgetMillis: 60_000,
  finalSnapshotMillis: 0,
  onWarning: () => {},
};
const content = new Uint8Array(4000).fill(7);
/** A write that takes so long waits for something. */
const WAITING_MILLIS = 500;

/**
 * Until one is refused; gives its error, and counts those that were acknowledged. Calls `onWaiting`
 * when one waits.
 */
async function putUntilRefused(store, from, most, onWaiting = () => {}) {
  for (let key = from; key < from + most; key++) {
    const timer = setTimeout(onWaiting, WAITING_MILLIS);
    try {
      await store.table(blobs).put(key, { content });
    } catch (error) {
      return { acknowledged: key - from, code: error.code, cause: error.cause?.code };
    } finally {
      clearTimeout(timer);
    }
  }
  return { acknowledged: most };
}

function takeDescriptors() {
  const taken = [];
  try {
    for (;;) taken.push(openSync("/dev/null", "r"));
  } catch (error) {
    if (error.code !== "EMFILE") throw error;
  }
  return taken;
}

/**
 * No descriptors for the next segment, and then there are again; and none for an opening. A write
 * that was accepted before that was known waits, until there are.
 */
async function descriptors() {
  const store = await open(directory, options);
  const taken = takeDescriptors();
  const give = () => {
    for (const fd of taken.splice(0)) closeSync(fd);
  };
  let waited = false;
  const refused = await putUntilRefused(store, 0, 200, () => {
    waited = true;
    give();
  });
  const state = store.stats().state;
  give();
  let resumed = await putUntilRefused(store, refused.acknowledged, 20);
  // Descriptors are looked for every second.
  for (const end = Date.now() + 10_000; resumed.acknowledged === 0 && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 50));
    resumed = await putUntilRefused(store, refused.acknowledged, 20);
  }
  await store.close();
  const again = takeDescriptors();
  const opening = await open(directory, options).then(
    () => ({}),
    (error) => ({ code: error.code, cause: error.cause?.code }),
  );
  for (const fd of again) closeSync(fd);
  const last = await open(directory, options);
  const found = last.table(blobs).count();
  await last.close();
  return { refused, waited, state, resumed, opening, found };
}

/** Files may not be as long as a segment; then the same with a limit that segments fit. */
async function fileSize() {
  const opened = await open(directory, options).then(
    (store) => store,
    (error) => ({ code: error.code, cause: error.cause?.code }),
  );
  if (opened.code !== undefined) return { opening: opened };
  // A row that takes a segment made to measure, longer than a file may be.
  const small = await putUntilRefused(opened, 0, 5);
  const large = await opened
    .table(blobs)
    .put(1000, { content: new Uint8Array(600_000) })
    .then(
      () => ({}),
      (error) => ({ code: error.code, cause: error.cause?.code }),
    );
  await opened.close().catch(() => {});
  const last = await open(directory, options);
  const found = last.table(blobs).count();
  await last.close();
  return { small, large, found };
}

/** Which back end is used where none is asked for. */
async function chosen() {
  const store = await open(directory, options);
  const { acknowledged } = await putUntilRefused(store, 0, 20);
  const { backend: used, reason } = store.stats().disk;
  await store.close();
  return { acknowledged, used, reason };
}

const result = await { descriptors, fileSize, chosen }[what]();
console.log(JSON.stringify(result));
