// The core workloads of YCSB: Cooper, Silberstein, Tam, Ramakrishnan, Sears, "Benchmarking Cloud Serving
// Systems with YCSB" (SoCC 2010). Records of 10 fields of 100 bytes; keys by a scrambled Zipf
// distribution with constant 0.99; reads read all fields, updates write one field of the record.
import { hashOf, makeRandom, makeScrambledZipfian } from "../../random.mjs";
import { measured } from "../measured.mjs";

/** Part of the operations that are plain reads; the rest is `other`. */
export const YCSB = {
  A: { name: "update heavy", reads: 0.5, other: "update" },
  B: { name: "read mostly", reads: 0.95, other: "update" },
  C: { name: "read only", reads: 1, other: "update" },
  F: { name: "read-modify-write", reads: 0.5, other: "read-modify-write" },
};

const FIELD_BYTES = 100;
const FIELDS = 10;
/** Clients at once, as threads of YCSB's client are. */
export const CLIENTS = 16;
const BATCH = 250;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/** Texts of a field: pieces of one long text that chance has made. */
function makeTexts(random) {
  const long = Array.from({ length: 1 << 16 }, () => ALPHABET[Math.floor(random() * 64)]).join("");
  return () => {
    const from = Math.floor(random() * (long.length - FIELD_BYTES));
    return long.slice(from, from + FIELD_BYTES);
  };
}

const keyOf = (i) => `user${String(hashOf(i)).padStart(10, "0")}-${i}`;

function makeRecord(text) {
  const record = {};
  for (let i = 0; i < FIELDS; i++) record[`field${i}`] = text();
  return record;
}

export async function load({ store }, { records }) {
  const text = makeTexts(makeRandom(11));
  for (let from = 0; from < records; from += BATCH) {
    const length = Math.min(BATCH, records - from);
    const operations = Array.from({ length }, (_, i) => [
      "usertable",
      keyOf(from + i),
      makeRecord(text),
    ]);
    await store.transact(operations);
  }
  await store.settle?.();
  return { operations: records };
}

/** The generators of a contender: made once for a run, they differ from block to block. */
function generatorsOf(context, records) {
  if (context.ycsb?.records === records) return context.ycsb;
  const random = makeRandom(23);
  const zipfian = makeScrambledZipfian(records, makeRandom(29));
  context.ycsb = { records, random, text: makeTexts(random), key: () => keyOf(zipfian()) };
  return context.ycsb;
}

export function ycsb(context, { workload, records, millis }) {
  const { store, directory } = context;
  const { reads } = YCSB[workload];
  const { random, text, key } = generatorsOf(context, records);
  return measured(directory, async () => {
    const micros = [];
    const end = performance.now() + millis;
    const client = async () => {
      for (let turn = 0; ; turn++) {
        const start = performance.now();
        if (start >= end) return;
        const one = key();
        const record = store.get("usertable", one);
        if (record === undefined) throw new Error(`there is no record ${one}`);
        if (random() >= reads) {
          const field = `field${Math.floor(random() * FIELDS)}`;
          await store.put("usertable", one, { ...record, [field]: text() });
        } else if (turn % 64 === 63) {
          // Clients that only read would never give the others a turn.
          await new Promise((resolve) => setImmediate(resolve));
        }
        micros.push((performance.now() - start) * 1000);
      }
    };
    await Promise.all(Array.from({ length: CLIENTS }, client));
    return { operations: micros.length, micros: Float64Array.from(micros) };
  });
}
