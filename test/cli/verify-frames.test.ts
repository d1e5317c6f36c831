/** `holdfast verify`: damage within frames is found, all of it, at its place. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  FRAME_AT,
  FRAME_HEADER_BYTES,
  OPERATION_HEADER_BYTES,
  RECORD_AT,
  RECORD_HEADER_BYTES,
  segmentFileName,
} from "../../src/log/format.js";
import { MANIFEST_HEADER_BYTES } from "../../src/manifest/format.js";
import { ensureBuilt } from "../support/built.js";
import {
  copied,
  flip,
  forge,
  makeHealthy,
  middle,
  placesOf,
  rangeOf,
  removeDirectories,
  TRANSACTIONS,
  verify,
} from "./frames.js";
import { holdfast } from "./stores.js";

let healthy: string;

beforeAll(async () => {
  ensureBuilt();
  healthy = await makeHealthy();
});

afterAll(removeDirectories);

describe("a bit flipped in", () => {
  test.each([0, 1])("slot %d of the manifest", async (slot) => {
    const { directory } = await copied(healthy);
    const file = join(directory, `manifest.${slot}`);
    await flip(file, MANIFEST_HEADER_BYTES + 40);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
    expect(placesOf(result)).toEqual([{ kind: "manifest", file, offset: 0, sequences: null }]);
    expect(result.findings[0]?.message).toContain("opening goes by it and writes this anew");
  });

  test("the header of a segment", async () => {
    const { directory } = await copied(healthy);
    const file = join(directory, segmentFileName(1));
    await flip(file, 70);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
    expect(placesOf(result)).toEqual([
      { kind: "segment-header", file, offset: 0, sequences: null },
    ]);
  });

  test.each(Object.entries(FRAME_AT))("%s of a frame's header", async (_, at) => {
    const { directory, frames } = await copied(healthy);
    const { frame } = middle(frames);
    await flip(frame.path, frame.offset + at);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - 1 });
    expect(placesOf(result)).toEqual([
      { kind: "frame-header", file: frame.path, offset: frame.offset, sequences: rangeOf(frame) },
    ]);
  });

  test("the content of a frame", async () => {
    const { directory, frames } = await copied(healthy);
    const frame = frames.find(({ header }) => header.recordCount === 5)!;
    await flip(frame.path, frame.offset + FRAME_HEADER_BYTES + frame.header.payloadBytes - 1);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - 5 });
    const { path: file, offset } = frame;
    expect(placesOf(result)).toEqual([
      { kind: "frame-payload", file, offset, sequences: rangeOf(frame) },
    ]);
    expect(result.findings[0]?.message).toContain("4 of its 5 transactions are whole");
    const first = frame.header.firstSequence;
    const { code, stdout } = await holdfast("verify", directory);
    expect(code).toBe(1);
    expect(stdout.split("\n")[0]).toBe(
      `damage: ${segmentFileName(Number(file.slice(-20, -4)))} at ${offset}: frame-payload: its ` +
        "content fails its checksum; 4 of its 5 transactions are whole by their own checksums; " +
        `transactions ${first} to ${first + 4}; needed by the state of the store`,
    );
    expect(stdout).toContain("DAMAGED: 1 place is not as written");
  });

  test("three frames, two of them neighbours: all are named", async () => {
    const { directory, frames } = await copied(healthy);
    const hit = [frames[3]!, frames[4]!, frames[9]!];
    for (const frame of hit) await flip(frame.path, frame.offset + FRAME_HEADER_BYTES + 40);
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS - 3 });
    expect(placesOf(result)).toEqual(
      hit.map((frame) => ({
        kind: "frame-payload",
        file: frame.path,
        offset: frame.offset,
        sequences: rangeOf(frame),
      })),
    );
  });

  test("the last frame of a store that was closed", async () => {
    const { directory, frames } = await copied(healthy);
    const last = frames.findLast(({ header }) => header.recordCount > 0)!;
    await flip(last.path, last.offset + FRAME_HEADER_BYTES + 40);
    const { path: file, offset } = last;
    expect(placesOf(await verify(directory))).toEqual([
      { kind: "frame-payload", file, offset, sequences: rangeOf(last) },
    ]);
  });
});

describe("good checksums over", () => {
  /** The first operation's row, from the beginning of the frame. */
  const ROW = FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + OPERATION_HEADER_BYTES + 8;

  async function forged(change: (frame: Buffer) => void, record: boolean) {
    const { directory, frames } = await copied(healthy);
    const { frame, index } = middle(frames);
    await forge(frames, index, { change, record });
    return { frame, result: await verify(directory) };
  }

  test("a record that fails its own", async () => {
    const { frame, result } = await forged((bytes) => {
      bytes[ROW + 12] = 0x79;
    }, false);
    expect(placesOf(result)).toEqual([
      {
        kind: "record-checksum",
        file: frame.path,
        offset: frame.offset + FRAME_HEADER_BYTES,
        sequences: rangeOf(frame),
      },
    ]);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
  });

  test.each([
    ["a row that does not decode", ROW, 0xc1],
    ["a row with a field too few", ROW, 0x91],
    ["an operation of an unknown kind", FRAME_HEADER_BYTES + RECORD_HEADER_BYTES, 9],
    ["a table that was never declared", FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + 2, 77],
    ["a version that was never declared", FRAME_HEADER_BYTES + RECORD_HEADER_BYTES + 4, 77],
    ["more operations than there are", FRAME_HEADER_BYTES + RECORD_AT.operationCount, 2],
  ])("%s", async (_, at, value) => {
    const { frame, result } = await forged((bytes) => {
      bytes[at] = value;
    }, true);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
    const [finding, ...others] = result.findings;
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      kind: "operation",
      file: frame.path,
      sequences: rangeOf(frame),
    });
    const first = frame.offset + FRAME_HEADER_BYTES + RECORD_HEADER_BYTES;
    expect(finding?.offset).toBeGreaterThanOrEqual(first);
    expect(finding?.offset).toBeLessThan(frame.offset + frame.header.frameBytes);
  });

  test("a time that goes back", async () => {
    const { frame, result } = await forged((bytes) => {
      bytes.writeBigUInt64LE(1n, FRAME_HEADER_BYTES + RECORD_AT.timeMicros);
    }, true);
    const offset = frame.offset + FRAME_HEADER_BYTES + RECORD_AT.timeMicros;
    expect(placesOf(result)).toEqual([
      { kind: "record-time", file: frame.path, offset, sequences: rangeOf(frame) },
    ]);
  });

  test("a frame that knows itself to be durable", async () => {
    const { frame, result } = await forged((bytes) => {
      bytes.writeBigUInt64LE(
        BigInt(bytes.readUInt32LE(FRAME_AT.firstSequence)),
        FRAME_AT.durableThrough,
      );
    }, false);
    expect(placesOf(result)).toEqual([
      { kind: "frame-content", file: frame.path, offset: frame.offset, sequences: rangeOf(frame) },
    ]);
  });

  test("a frame that knows less than one before it", async () => {
    const { frame, result } = await forged((bytes) => {
      bytes.writeBigUInt64LE(0n, FRAME_AT.durableThrough);
    }, false);
    expect(placesOf(result)).toEqual([
      { kind: "frame-content", file: frame.path, offset: frame.offset, sequences: rangeOf(frame) },
    ]);
  });

  test("a frame that breaks the chain", async () => {
    const { directory, frames } = await copied(healthy);
    const { frame, index } = middle(frames);
    const change = (bytes: Buffer) => bytes.writeUInt32LE(12345, FRAME_AT.previousChecksum);
    await forge(frames, index, { change });
    const result = await verify(directory);
    expect(result).toMatchObject({ code: 1, transactions: TRANSACTIONS });
    expect(placesOf(result)).toEqual([
      { kind: "chain", file: frame.path, offset: frame.offset, sequences: rangeOf(frame) },
    ]);
  });

  test("a frame in another one's stead: the next one is not its", async () => {
    const { directory, frames } = await copied(healthy);
    const { index } = middle(frames);
    const change = (bytes: Buffer) => bytes.writeUInt8(0x79, ROW + 12);
    await forge(frames, index, { change, record: true, alone: true });
    const next = frames[index + 1]!;
    expect(placesOf(await verify(directory))).toEqual([
      { kind: "chain", file: next.path, offset: next.offset, sequences: rangeOf(next) },
    ]);
  });
});
