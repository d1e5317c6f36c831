// A process that takes a store over if another one has it, writes without pause, and lets itself be
// taken over: see handover.test.ts, which starts it.
//
//   node handover-child.mjs '{"directory", "backend", "name", "writers", "die"?}'
//
// Says on descriptor 3, each before it goes on:
//   open N         it has the store; N transactions were there
//   a WRITER N     that put is acknowledged
//   handed N       it has let go of the store after transaction N
//   opened BOOLEAN whether the other one has opened it
//   failed CODE    it could not open it
//   dies           it is where it is to die, and does
//
// `die`: {"from": "start" | "asked" | "letting go", "nth"}: before the nth operation of its disk from
// then on.
import { defineTable, integer, isHoldfastError, open, string } from "../../dist/index.js";
import { failpointDisk } from "./failpoint-disk.mjs";
import { say } from "./say.mjs";

const { directory, backend, name, writers, die } = JSON.parse(process.argv[2]);
const rows = defineTable({ name: "rows", version: 1, key: string(), fields: { n: integer() } });
const STEPS = ["start", "asked", "letting go"];
let reached = "start";

async function watchedDisk() {
  const { loadNativeDisk } = await import("../../dist/disk/native.js");
  const { portableDisk } = await import("../../dist/disk/portable.js");
  const disk = backend === "portable" ? portableDisk() : loadNativeDisk({ backend });
  const point = { operation: "any", file: "any", when: "before", nth: die.nth };
  return failpointDisk(
    disk,
    point,
    () => {
      say("dies");
      process.kill(process.pid, "SIGKILL");
    },
    () => STEPS.indexOf(reached) >= STEPS.indexOf(die.from),
  );
}

const store = await open(directory, {
  ...(die === undefined ? { backend } : { disk: await watchedDisk() }),
  tables: [rows],
  writerId: name,
  history: "all",
  segmentBytes: 128 * 1024,
  takeover: { timeoutMillis: 60_000 },
  lockWaitMillis: 60_000,
  handover: {
    onRequest: () => {
      reached = "asked";
      return true;
    },
  },
  onWarning: () => {},
}).catch((error) => {
  say(`failed ${error.code}`);
  process.exit(1);
});
say(`open ${store.recovery.lastSequence}`);
void store.handedOver.then(async ({ sequence, opened }) => {
  say(`handed ${sequence}`);
  say(`opened ${await opened}`);
});

async function write(writer) {
  for (let n = 0; ; n++) {
    try {
      await store.table(rows).put(`${name}-${writer}`, { n });
    } catch (error) {
      if (!isHoldfastError(error, "HANDED_OVER")) throw error;
      return;
    }
    if (n % 4 === writer % 4) say(`a ${writer} ${n}`);
  }
}

/** From the first refusal on it lets go. */
function watch() {
  try {
    store.table(rows).has("");
    setImmediate(watch).unref();
  } catch {
    reached = "letting go";
  }
}

if (die?.from === "letting go") watch();
await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
