// A process that takes possession of a store: see lock.test.ts, which starts it.
//
//   node lock-child.mjs <portable|io_uring|threads> <LOCK file> [<log file>]
//
// Says OWN or LOCKED <pid> on a line; "release" on standard input makes it let go. With a log file
// it keeps as many large writes in flight as it can, and says OWN when they are.
import { createInterface } from "node:readline";
import { acquireOwnership } from "../../dist/disk/lock.js";
import { loadNativeDisk } from "../../dist/disk/native.js";
import { portableDisk } from "../../dist/disk/portable.js";

const SLOT_BYTES = 1024 * 1024;
const SLOTS = 16;
const [kind, path, logPath] = process.argv.slice(2);
const disk = kind === "portable" ? portableDisk() : loadNativeDisk({ backend: kind });

function say(text) {
  process.stdout.write(`${text}\n`);
}

async function keepWriting(lock) {
  const free = Array.from({ length: SLOTS }, (_, slot) => slot);
  const queue = disk.openCommitQueue({
    slotBytes: SLOT_BYTES,
    slotCount: SLOTS,
    lock,
    handler: {
      completed(slot, error) {
        if (error) throw error;
        free.push(slot);
      },
      deliver() {
        for (let slot = free.pop(); slot !== undefined; slot = free.pop()) {
          queue.submit(log, slot, SLOT_BYTES, slot * SLOT_BYTES);
        }
        return false;
      },
    },
  });
  const log = await queue.openLog(logPath, "buffered-fdatasync");
  for (let slot = 0; slot < queue.slotCount; slot++) queue.slot(slot).fill(0xee);
  for (let slot = free.pop(); slot !== undefined; slot = free.pop()) {
    queue.submit(log, slot, SLOT_BYTES, slot * SLOT_BYTES);
  }
}

try {
  const ownership = await acquireOwnership(disk, path, { writerId: "child" });
  if (logPath !== undefined) await keepWriting(ownership.lock);
  say("OWN");
  createInterface({ input: process.stdin }).on("line", async () => {
    await ownership.release();
    say("RELEASED");
    process.exit(0);
  });
} catch (error) {
  if (error.code !== "LOCKED") throw error;
  say(`LOCKED ${error.data.holder?.pid}`);
  process.exit(0);
}
