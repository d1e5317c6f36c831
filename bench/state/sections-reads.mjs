// Reads, and the memory they and the load take.
import { megabytes, number } from "../text.mjs";

export function reads(part) {
  const rate = ({ perSecond, megabytesPerSecond }) =>
    `${number(perSecond)} (${number(megabytesPerSecond)})`;
  const each = ({ perSecond, micros: time }) => `${number(perSecond)} (${number(time, 2)})`;
  const kinds = { hit: "recently read", miss: "in a run, not in memory", absent: "absent key" };
  const fields = Object.keys(part.examples.store);
  return {
    title: `Reads, beside lmdb-js ${part.lmdbVersion}`,
    notes: [
      `lmdb: ${part.configuration}. Values of ${number(part.lmdbValueBytes, 1)} bytes; files ` +
        `${megabytes(part.lmdbBytes)} against ${megabytes(part.storeBytes)}. Median of ` +
        `${part.rounds} scans, and of blocks of ${number(part.getsPerBlock)} gets, in turns; the page cache is warm.`,
      "The store returns frozen rows, with exact `Decimal`s and the names of enumerations, and proves the " +
        "checksum of each block that it reads. lmdb returns plain objects of numbers and strings: the decimal's " +
        "coefficient, the enumeration's place; it has no checksums.",
    ],
    tables: [
      [
        ["full scan, rows/s (MB/s)", "rows", "holdfast", "lmdb", "holdfast / lmdb"],
        ...part.scans.map((scan) => [
          scan.name,
          number(scan.rows),
          rate(scan.store),
          rate(scan.lmdb),
          number(scan.ratio, 2),
        ]),
      ],
      [
        [
          "random get, gets/s (µs)",
          "holdfast",
          "lmdb",
          "lmdb, `cache: true`",
          "holdfast / lmdb",
          "holdfast / lmdb, `cache: true`",
          "blocks from memory / from a run",
        ],
        ...part.gets.map((get) => [
          kinds[get.kind],
          each(get.store),
          each(get.lmdb),
          each(get.lmdbCached),
          number(get.ratio, 2),
          number(get.ratioCached, 2),
          `${number(get.blockHits)} / ${number(get.blockMisses)}`,
        ]),
      ],
      [
        [`the same row of \`${part.examples.table}\``, "holdfast", "lmdb"],
        ...fields.map((name) => [name, part.examples.store[name], part.examples.lmdb[name]]),
      ],
    ],
    targets: [],
  };
}

export function memory(part) {
  const line = (name, { anonymous, file, shared }) => [
    name,
    megabytes(anonymous),
    megabytes(file),
    megabytes(shared),
  ];
  return {
    title: "Memory",
    notes: [
      `${number(part.seconds)} s of the load with ${number(part.reads)} gets and ` +
        `${number(part.rangeRows)} rows of ranges; ${part.flushes} runs made, ${part.merges} merges.`,
    ],
    tables: [
      [
        ["peak of the process, all threads", "anonymous", "file", "shared"],
        line("Node.js that does nothing", part.emptyPeak),
        line("with the store", part.peak),
      ],
      [
        ["of the main thread's V8, peak", "bytes"],
        ["heap used", megabytes(part.heap.used)],
        ["heap taken from the system", megabytes(part.heap.total)],
        ["outside of the heap", megabytes(part.heap.external)],
      ],
      [
        ["as `store.stats()` has it, at the end", "bytes"],
        ["rows", megabytes(part.storeMemory.rowBytes)],
        ["blocks of runs", megabytes(part.storeMemory.blockBytes)],
      ],
    ],
    targets: [
      {
        name: "anonymous memory above that of an empty Node.js, peak",
        value: part.anonymousAbove,
        bound: 100e6,
        under: true,
        show: megabytes,
      },
    ],
  };
}
