/** A peer that does not sync is found out by its system calls. */
import { expect, test } from "vitest";
import { loadBench } from "./load.js";

const { countSyncCalls, judgeFlushes, judgeSyncs, markPath } = await loadBench("peers/sync-calls");

const mark = (name: string) => `10 access("${markPath(name)}", F_OK) = -1 ENOENT (No such file)`;

function trace(...lines: string[]): string {
  return ["10 fsync(3) = 0", mark("put-begin"), ...lines, mark("put-end"), "10 fsync(3) = 0"].join(
    "\n",
  );
}

const count = (text: string) => countSyncCalls(text, "put-begin", "put-end");

test("calls between the marks count, of all threads, and those outside do not", () => {
  const counts = count(
    trace("10 fdatasync(18) = 0", "11 fdatasync(18 <unfinished ...>", "12 fsync(4) = 0") +
      "\n11 <... fdatasync resumed>) = 0",
  );
  expect(counts).toMatchObject({ fsync: 1, fdatasync: 2 });
});

test("a write counts if it asks for it, or its file does", () => {
  const counts = count(
    [
      '10 openat(AT_FDCWD, "/a", O_RDWR|O_CREAT|O_DSYNC|O_CLOEXEC, 0644) = 21',
      trace(
        '10 pwritev2(20, [{iov_base="", iov_len=4096}], 1, 0, RWF_DSYNC) = 4096',
        '10 pwritev2(20, [{iov_base="", iov_len=4096}], 1, 0, 0) = 4096',
        '10 pwrite64(21, "..", 64, 80) = 64',
        '10 write(22, "..", 64) = 64',
        "10 close(21) = 0",
        '10 openat(AT_FDCWD, "/b", O_WRONLY|O_CLOEXEC) = 21',
        '10 pwrite64(21, "..", 64, 80) = 64',
      ),
    ].join("\n"),
  );
  expect(counts.dsyncWrites).toBe(2);
});

test("an openat that ends on a later line is remembered with its flags", () => {
  const counts = count(
    [
      '10 openat(AT_FDCWD, "/a", O_RDWR|O_SYNC <unfinished ...>',
      '11 openat(AT_FDCWD, "/b", O_RDWR <unfinished ...>',
      "10 <... openat resumed>) = 30",
      "11 <... openat resumed>) = 31",
      trace('10 write(30, "..", 1) = 1', '10 write(31, "..", 1) = 1'),
    ].join("\n"),
  );
  expect(counts.dsyncWrites).toBe(1);
});

test("what does not wait for the device proves nothing", () => {
  const counts = count(
    trace(
      "10 sync_file_range(5, 0, 4096, SYNC_FILE_RANGE_WRITE) = 0",
      "10 msync(0x7f, 4096, MS_ASYNC) = 0",
      "10 io_uring_enter(7, 0, 1, IORING_ENTER_GETEVENTS, NULL, 8) = 0",
      '10 write(5, "fsync(3)", 8) = 8',
    ),
  );
  expect(counts).toMatchObject({ ringEnters: 0, msync: 0, dsyncWrites: 0, rangeSyncs: 1 });
  const verdict = judgeSyncs(counts, 1, 50);
  expect(verdict.kept).toBe(false);
  expect(verdict.by).toContain("sync_file_range");
});

test("the verdict: one sync for each write; of io_uring the device has to have seen them too", () => {
  const none = count(trace());
  expect(judgeSyncs({ ...none, fdatasync: 20 }, 20, undefined).kept).toBe(true);
  expect(judgeSyncs({ ...none, fdatasync: 19 }, 20, 100).kept).toBe(false);
  expect(judgeSyncs({ ...none, ringEnters: 20 }, 20, 20).kept).toBe(true);
  expect(judgeSyncs({ ...none, ringEnters: 20 }, 20, 19).kept).toBe(false);
  expect(judgeSyncs({ ...none, ringEnters: 20 }, 20, undefined).kept).toBeUndefined();
  expect(judgeSyncs({ ...none, ringEnters: 19 }, 20, undefined).kept).toBe(false);
  // Without a trace the device's count is all there is.
  expect([19, 20, undefined].map((flushes) => judgeFlushes(20, flushes).kept)).toEqual([
    ...[false, true, undefined],
  ]);
});
