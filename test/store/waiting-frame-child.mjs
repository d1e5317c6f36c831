/** Finds no descriptor for the next segment while a frame waits for that; says how it ended. */
import { portableDisk } from "../../dist/disk/portable.js";
import { bytes, defineTable, integer, open } from "../../dist/index.js";

const table = defineTable({ name: "t", version: 1, key: integer(), fields: { content: bytes() } });
/** Of three rows no two fit one segment. */
const content = new Uint8Array(40_000);
const [disk, codes] = [portableDisk(), []];
const openFile = disk.open.bind(disk);
let created = 0;
let refuse = () => {};
disk.open = async (path, options) => {
  if (path.endsWith(".log") && options?.create && ++created === 3) {
    await new Promise((resolve) => {
      refuse = resolve;
    });
    throw Object.assign(new Error("EMFILE: too many open files"), { code: "EMFILE" });
  }
  return openFile(path, options);
};
const store = await open(process.argv[2], {
  disk,
  tables: [table],
  segmentBytes: 64 * 1024,
  recoveryBudgetMillis: 60_000,
  onWarning: ({ code }) => codes.push(code),
});
await store.table(table).put(1, { content });
await store.table(table).put(2, { content });
const waits = store.table(table).put(3, { content });
setTimeout(() => refuse(), 20);
// From the refusal on, nothing else keeps this process alive: neither a timer nor a request.
await waits;
await store.close();
console.log(`done ${codes.join()}`);
