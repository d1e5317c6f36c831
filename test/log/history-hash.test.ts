/** The hash of a history: one for the same transactions wherever they stand, another for any others. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { LogReader } from "../../src/history/log-reader.js";
import { sourceBeside } from "../../src/history/log-source.js";
import { isHoldfastError, openHistory, type Store } from "../../src/index.js";
import { FRAME_HEADER_BYTES, RECORD_AT } from "../../src/log/format.js";
import { HistoryHash } from "../../src/log/history-hash.js";
import {
  copyOf,
  fill,
  forge,
  framesOf,
  makeDirectory,
  manifestOf,
  openStore,
  removeDirectories,
} from "../cli/frames.js";
import { holdfast } from "../cli/stores.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";

let directory: string;

beforeAll(async () => {
  ensureBuilt();
  directory = await makeDirectory();
  const store = await openStore(directory);
  await fill(store, 0, 30);
  await store.close();
});

afterAll(removeDirectories);

/** Makes archives of the segments that are full. */
async function archived(of: string): Promise<Store> {
  const store = await openStore(of, { history: "all" });
  for (let key = 0; store.stats().background.archiveFiles < 2; key++) {
    await fill(store, 100 + key, 101 + key);
    await store.flush();
  }
  return store;
}

test("it is the same in segments, in archives, in pieces, in a fork, and from beside", async () => {
  const history = await openHistory(directory, { environment: "test" });
  const whole = await history.historyHead({ lte: 31 });
  expect(whole).toMatchObject({ from: 1, to: 31, transactions: 31 });
  const { head: base } = await history.historyHead({ lte: 12 });
  expect(await history.historyHead({ gt: 12, lte: 31, base })).toMatchObject({
    ...{ from: 13, transactions: 19, head: whole.head },
  });
  expect((await history.historyHead({ gt: 12, lte: 31 })).head).not.toBe(whole.head);
  const fork = await makeDirectory();
  const copy = await copyOf(directory);
  const store = await archived(copy);
  expect((await store.historyHead({ lte: 31 })).head).toBe(whole.head);
  await store.fork(fork);
  await store.close();
  const forked = await openHistory(fork, { environment: "test" });
  expect((await forked.historyHead({ lte: 31 })).head).toBe(whole.head);
  const wrong = history.historyHead({ base: "abc" });
  await expect(wrong).rejects.toSatisfy((error) => isHoldfastError(error, "INVALID_ARGUMENT"));
});

test("a history that was rewritten with its checksums made good again is found", async () => {
  const history = await openHistory(directory, { environment: "test" });
  const { head } = await history.historyHead({ lte: 31 });
  const copy = await copyOf(directory);
  const frames = await framesOf(copy);
  const at = frames.findIndex(({ header }) => header.firstSequence === 9);
  const change = (frame: Buffer): void => {
    const row = FRAME_HEADER_BYTES + frame.readUInt32LE(FRAME_HEADER_BYTES + RECORD_AT.recordBytes);
    frame[row - 1] = frame[row - 1]! ^ 1;
  };
  await forge(frames, at, { change, record: true });
  // As archives it is whole, by every checksum there is.
  await (await archived(copy)).close();
  expect((await manifestOf(copy)).archives.length).toBeGreaterThan(1);
  expect((await holdfast("verify", copy)).code).toBe(0);
  const args = ["verify", copy, "--to", "31", "--head", head, "--json"];
  const { code, stdout } = await holdfast(...args);
  expect(code).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ to: 31, isSame: false });
  expect(stdout).not.toContain(head);
  const before = await history.historyHead({ lte: 8 });
  const kept = await holdfast("verify", copy, "--to", "8", "--head", before.head);
  expect(kept).toMatchObject({ code: 0, stdout: expect.stringContaining(before.head) });
});

test("every byte of a record, its sequence and its writer are in it", async () => {
  const [disk] = realDisks().values();
  const [record] = await (async () => {
    const reader = new LogReader(sourceBeside(disk as never, directory), 2);
    for await (const { records } of reader.read(2)) return records;
    throw new Error("there is no transaction 2");
  })();
  if (record === undefined) throw new Error("there is no transaction 2");
  const headOf = (of: typeof record, writer = "tester"): string => {
    const hash = new HistoryHash();
    hash.add(of, writer);
    return hash.head;
  };
  const head = headOf(record);
  expect(headOf({ ...record, sequence: 3 })).not.toBe(head);
  expect(headOf(record, "tester2")).not.toBe(head);
  const bytes = record.bytes.slice();
  for (let i = record.start + RECORD_AT.recordBytes; i < record.operationsEnd; i++) {
    bytes[i] = bytes[i]! ^ 0x40;
    expect(headOf({ ...record, bytes }), `byte ${i}`).not.toBe(head);
    bytes[i] = bytes[i]! ^ 0x40;
  }
});
