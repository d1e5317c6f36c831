// What a careful user writes without any library: records appended to a file by `node:fs`, fdatasync,
// and a Map. Writers that wait at the same time share a write and a sync.
import {
  closeSync,
  constants,
  fdatasync,
  fdatasyncSync,
  openSync,
  readFileSync,
  write,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { requirePeer } from "../install.mjs";
import { structuresOf } from "../structures.mjs";

export const packageName = "msgpackr";
export const title = "node:fs append";
/** The package is a helper: there is no version of this one. */
export const unversioned = true;
/** No store, but what one is built on: it is shown, and is no peer that a target speaks of. */
export const baseline = true;

const BASE =
  "one file opened to append, records of a length and msgpackr's bytes, all rows in a Map; writers of " +
  "the same moment share a write; no checksums, no compaction";

export const promises = {
  power: { configuration: `${BASE}; fdatasync before a write is acknowledged` },
  kill: { configuration: `${BASE}; write alone` },
};

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);

function frame(packr, operations) {
  const body = packr.pack(operations);
  const bytes = Buffer.allocUnsafe(4 + body.length);
  bytes.writeUInt32LE(body.length, 0);
  bytes.set(body, 4);
  return bytes;
}

/** Each whole record, from the start; one that was cut off ends it. */
function* recordsOf(bytes, packr) {
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at);
    if (at + 4 + length > bytes.length) return;
    yield packr.unpack(bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
}

export const prepare = () => requirePeer("msgpackr");

export async function open(directory, { tables, promise }) {
  const { Packr } = requirePeer("msgpackr");
  const packr = new Packr({ structures: structuresOf(tables) });
  const path = join(directory, "log");
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_APPEND, 0o644);
  const rows = new Map(tables.map((name) => [name, new Map()]));
  const apply = (operations) => {
    for (const [table, key, row] of operations) rows.get(table).set(key, row);
  };
  for (const operations of recordsOf(readFileSync(path), packr)) apply(operations);
  const durable = promise !== "kill";
  let waiting = [];
  let running = false;

  async function drain() {
    running = true;
    while (waiting.length > 0) {
      const group = waiting;
      waiting = [];
      try {
        await writeAsync(fd, Buffer.concat(group.map(({ bytes }) => bytes)));
        if (durable) await syncAsync(fd);
        for (const { resolve } of group) resolve();
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    running = false;
  }

  function commit(operations) {
    apply(operations);
    const bytes = frame(packr, operations);
    return new Promise((resolve, reject) => {
      waiting.push({ bytes, resolve, reject });
      // What the rest of this turn puts shares the write.
      if (!running) {
        running = true;
        setImmediate(drain);
      }
    });
  }

  return {
    decimal: (coefficient) => coefficient,
    coefficientOf: (value) => value,
    putSync(table, key, row) {
      const operations = [[table, key, row]];
      apply(operations);
      writeSync(fd, frame(packr, operations));
      if (durable) fdatasyncSync(fd);
    },
    put: (table, key, row) => commit([[table, key, row]]),
    transact: commit,
    get: (table, key) => rows.get(table).get(key),
    scan(table, from = "", limit = Number.POSITIVE_INFINITY) {
      const sorted = [...rows.get(table)].filter(([key]) => key >= from);
      sorted.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
      return Math.min(limit, sorted.length);
    },
    /** The log is its own history: read from the start. */
    async firstOfHistory(table, key) {
      for (const operations of recordsOf(readFileSync(path), packr)) {
        const found = operations.find(([name, one]) => name === table && one === key);
        if (found !== undefined) return found;
      }
      return undefined;
    },
    close: async () => closeSync(fd),
  };
}
