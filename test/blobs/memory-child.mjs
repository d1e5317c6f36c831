// Puts a blob of so many MiB out of a stream, and tells by how much this process has grown meanwhile.
import { open } from "../../dist/index.js";

const [directory, mebibytes] = [process.argv[2], Number(process.argv[3])];
const MIB = 1024 * 1024;

const noise = new Uint8Array(MIB);
let state = 1;
for (let i = 0; i < noise.length; i++) {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  noise[i] = state;
}

async function* pieces(count, onPiece) {
  const view = new DataView(noise.buffer);
  for (let i = 0; i < count; i++) {
    // The same memory again: what was yielded before was taken.
    view.setUint32(0, i);
    onPiece();
    yield noise;
  }
}

const store = await open(directory, { environment: "test", blobs: true });
// Threads, code and buffers that every program with blobs has.
await store.blobs.put(
  "warm",
  pieces(16, () => {}),
);
globalThis.gc();
const before = process.memoryUsage().rss;
let most = before;
const look = () => {
  most = Math.max(most, process.memoryUsage().rss);
};
const { length } = await store.blobs.put("large", pieces(mebibytes, look));
const put = most;
globalThis.gc();
let read = 0;
for await (const piece of store.blobs.stream("large")) {
  read += piece.length;
  look();
}
await store.close();
console.log(
  JSON.stringify({ length, read, grownMib: (put - before) / MIB, readMib: (most - before) / MIB }),
);
