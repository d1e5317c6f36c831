/** The reader of segments: pieces that are read ahead, that fail, that end early; frames that lie. */
import { describe, expect, test } from "vitest";
import { viewOf } from "../../src/base/bytes.js";
import { portableChecksum } from "../../src/disk/checksum.js";
import type { DiskFile } from "../../src/disk/disk.js";
import { FRAME_HEADER_BYTES, RECORD_AT } from "../../src/log/format.js";
import { type ScanOptions, type SegmentScan, scanSegment } from "../../src/log/reader.js";
import { ALIGNMENT, logOf, PLACE, reseal } from "./frames.js";

const KIB = 1024;
const MIB = 1024 * KIB;
const eio = Object.assign(new Error("EIO: i/o error"), { code: "EIO" });

interface Read {
  readonly offset: number;
  readonly length: number;
}

/** A file in memory, each reading of which a test may have fail. */
class ReadFile {
  readonly reads: Read[] = [];
  readonly reused: Uint8Array[] = [];
  readonly #bytes: Uint8Array;
  readonly #failure: (read: Read, index: number) => Error | undefined;

  constructor(bytes: Uint8Array, failure: (read: Read, index: number) => Error | undefined) {
    this.#bytes = bytes;
    this.#failure = failure;
  }

  async read(offset: number, length: number, reuse?: Uint8Array): Promise<Uint8Array> {
    const read = { offset, length };
    this.reads.push(read);
    if (reuse !== undefined) this.reused.push(reuse);
    const failure = this.#failure(read, this.reads.length - 1);
    if (failure !== undefined) throw failure;
    return this.#bytes.slice(offset, offset + length);
  }
}

interface Scanned extends SegmentScan {
  readonly seen: number[];
  readonly file: ReadFile;
}

async function scan(
  bytes: Uint8Array,
  setting: Partial<ScanOptions> = {},
  failure: (read: Read, index: number) => Error | undefined = () => undefined,
): Promise<Scanned> {
  const file = new ReadFile(bytes, failure);
  const seen: number[] = [];
  const result = await scanSegment({
    file: file as unknown as DiskFile,
    place: PLACE,
    checksum: portableChecksum,
    chain: { nextSequence: 1, previousChecksum: 0 },
    limit: bytes.length,
    recycled: false,
    visit: ({ sequence }) => void seen.push(sequence),
    ...setting,
  });
  return { ...result, seen, file };
}

describe("pieces", () => {
  test("a frame that lies over three of them", async () => {
    // The third begins in what the second has left of a piece, and is longer than that.
    const bytes = logOf([900 * KIB, 900 * KIB, 900 * KIB, 100], 8 * MIB);
    const { seen, found, endOffset } = await scan(bytes);
    expect(seen).toEqual([1, 2, 3, 4]);
    const frameBytes = 904 * KIB;
    expect({ found, endOffset }).toEqual({
      found: "absent",
      endOffset: 2 * ALIGNMENT + 3 * frameBytes,
    });
  });

  test("one that could not be read ahead is read again, by itself", async () => {
    const bytes = logOf(Array(600).fill(3000), 4 * MIB);
    const first = await scan(bytes);
    const ahead = first.file.reads[1] as Read;
    const again = await scan(bytes, {}, (_, index) => (index === 1 ? eio : undefined));
    expect(again.seen).toEqual(first.seen);
    expect(again.seen).toHaveLength(600);
    expect(again).toMatchObject({ found: "absent", cause: undefined });
    expect(again.file.reads.filter(({ offset }) => offset === ahead.offset)).toHaveLength(2);
  });

  test("a file that ends inside one: what is there counts", async () => {
    const bytes = logOf(Array(600).fill(3000), 4 * MIB);
    const short = bytes.subarray(0, 400 * ALIGNMENT + 700);
    const { seen, found, endOffset } = await scan(short, { limit: 4 * MIB });
    expect(seen).toHaveLength(399);
    expect({ found, endOffset }).toEqual({ found: "broken", endOffset: 400 * ALIGNMENT });
  });

  test("a file that ends inside a frame that lies over two", async () => {
    const bytes = logOf([900 * KIB, 900 * KIB], 4 * MIB);
    const short = bytes.subarray(0, 1500 * KIB);
    const { seen, found, endOffset } = await scan(short, { limit: 4 * MIB });
    expect(seen).toEqual([1]);
    expect({ found, endOffset }).toEqual({ found: "broken", endOffset: ALIGNMENT + 904 * KIB });
  });

  test("one that failed is of no matter to who stops before it", async () => {
    const bytes = logOf(Array(600).fill(3000), 4 * MIB);
    const enough = new Error("enough");
    const visit = (): never => {
      throw enough;
    };
    const failing = (_: Read, index: number) => (index === 1 ? eio : undefined);
    await expect(scan(bytes, { visit }, failing)).rejects.toBe(enough);
  });

  test("a file that ends before the place that is wanted", async () => {
    const bytes = logOf([100], 2 * ALIGNMENT);
    const { seen, found, endOffset, dirtyEnd } = await scan(bytes, { limit: MIB });
    expect(seen).toEqual([1]);
    const end = 2 * ALIGNMENT;
    expect({ found, endOffset, dirtyEnd }).toEqual({
      found: "absent",
      endOffset: end,
      dirtyEnd: end,
    });
  });

  test("those without records are read into again, the others never", async () => {
    const empty = await scan(logOf([100], 8 * MIB));
    expect(empty.file.reused.length).toBeGreaterThan(0);
    const full = await scan(logOf(Array(2000).fill(3000), 8 * MIB), { limit: 7 * MIB });
    expect(full.seen).toHaveLength((7 * MIB) / ALIGNMENT - 1);
    expect(full.file.reused).toEqual([]);
  });

  test.each([0, 1])(
    "a mistake of the program in reading %i is thrown, not called damage",
    async (n) => {
      const mistake = new TypeError("no such thing");
      const bytes = logOf(Array(600).fill(3000), 4 * MIB);
      const failing = (_: Read, index: number) => (index === n ? mistake : undefined);
      await expect(scan(bytes, {}, failing)).rejects.toBe(mistake);
    },
  );
});

describe("where the frames end", () => {
  const UNREADABLE = { seen: [], found: "unreadable", endOffset: ALIGNMENT, cause: eio };

  test("the first block cannot be read", async () => {
    const bytes = logOf([100], 16 * ALIGNMENT);
    const failing = ({ offset }: Read) => (offset === ALIGNMENT ? eio : undefined);
    expect(await scan(bytes, {}, failing)).toMatchObject(UNREADABLE);
  });

  test("the rest of a frame cannot be read", async () => {
    const bytes = logOf([200 * KIB], MIB);
    const failing = ({ offset, length }: Read) => (offset + length > 128 * KIB ? eio : undefined);
    expect(await scan(bytes, {}, failing)).toMatchObject(UNREADABLE);
  });

  test.each([
    ["another link", { nextSequence: 1, previousChecksum: 1 }],
    ["another sequence", { nextSequence: 2, previousChecksum: 0 }],
  ])("a whole frame with %s is unchained, unless any is wanted", async (_name, chain) => {
    const bytes = logOf([100, 100], 16 * ALIGNMENT);
    const strict = await scan(bytes, { chain: { ...chain } });
    expect(strict).toMatchObject({ seen: [], found: "unchained", endOffset: ALIGNMENT });
    const loose = await scan(bytes, { chain: { ...chain, anyLink: true } });
    expect(loose).toMatchObject({ seen: [1, 2], found: "absent", endOffset: 3 * ALIGNMENT });
  });

  test("a frame whose checksums are good and whose records are not is named", async () => {
    const bytes = logOf([100, 100], 16 * ALIGNMENT);
    const record = 2 * ALIGNMENT + FRAME_HEADER_BYTES;
    viewOf(bytes).setUint32(record + RECORD_AT.recordBytes, 5, true);
    reseal(bytes, 2 * ALIGNMENT);
    expect(await scan(bytes)).toMatchObject({
      seen: [1],
      found: "unchained",
      endOffset: 2 * ALIGNMENT,
      malformed: "a record's length is out of bounds",
    });
  });
});
