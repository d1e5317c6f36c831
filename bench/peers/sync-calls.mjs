// What a trace of system calls tells of a promise: how many of them wait for the device.

/** What strace is asked for: what syncs, what says that writes do, and the marks between parts. */
export const TRACED =
  "trace=fsync,fdatasync,sync_file_range,msync,io_uring_enter,pwritev2,pwritev,pwrite64,write,writev," +
  "openat,?open,close,?access,faccessat,?faccessat2";

const MARK = /"\/bench-mark\/([a-z-]+)"/;
const SYNC_FLAGS = /\bO_D?SYNC\b/;

/** A path that is looked at to mark a place in the trace; it need not exist. */
export const markPath = (name) => `/bench-mark/${name}`;

/**
 * Counts the calls between the marks `from` and `to` of the text that strace wrote: `{ fsync, fdatasync,
 * msync, dsyncWrites, ringEnters, rangeSyncs }`. A write counts where its own flags, or those its file
 * was opened with, make it wait for the device. `sync_file_range` does not empty a device's cache: it
 * is counted apart, and proves nothing.
 */
export function countSyncCalls(trace, from, to) {
  const counts = {
    ...{ fsync: 0, fdatasync: 0, msync: 0 },
    ...{ dsyncWrites: 0, ringEnters: 0, rangeSyncs: 0 },
  };
  const synced = new Set();
  let counting = false;
  // An openat whose end stands on a later line: its flags are on the first, its descriptor on the last.
  const opening = new Map();
  for (const line of trace.split("\n")) {
    const mark = MARK.exec(line)?.[1];
    if (mark !== undefined) {
      if (mark === from) counting = true;
      if (mark === to) counting = false;
      continue;
    }
    const thread = /^(?:\[pid +)?(\d+)/.exec(line)?.[1] ?? "";
    const resumed = /<\.\.\. openat? resumed>.*= (\d+)/.exec(line);
    if (resumed !== null) {
      if (opening.get(thread) === true) synced.add(resumed[1]);
      else synced.delete(resumed[1]);
      continue;
    }
    const call = /(\w+)\((.*)/.exec(line);
    if (call === null || line.includes("resumed>")) continue;
    const [, name, rest] = call;
    if (name === "openat" || name === "open") {
      const fd = /= (\d+)/.exec(rest)?.[1];
      if (fd === undefined) opening.set(thread, SYNC_FLAGS.test(rest));
      else if (SYNC_FLAGS.test(rest)) synced.add(fd);
      else synced.delete(fd);
    }
    if (counting) count(counts, name, rest, synced);
  }
  return counts;
}

function count(counts, name, rest, synced) {
  const fd = /^(\d+)/.exec(rest)?.[1];
  if (name === "fsync" || name === "fdatasync") counts[name]++;
  else if (name === "msync") counts.msync += /MS_SYNC/.test(rest) ? 1 : 0;
  else if (name === "sync_file_range") counts.rangeSyncs++;
  else if (name === "io_uring_enter") counts.ringEnters += /^\d+, [1-9]/.test(rest) ? 1 : 0;
  else if (/^p?writev?(64|2)?$/.test(name)) {
    if (/RWF_D?SYNC/.test(rest) || synced.has(fd)) counts.dsyncWrites++;
  }
}

/**
 * The verdict on `puts` durable writes, made one after the other: each has to have waited for the
 * device at least once. Writes that go by io_uring show no flags in a trace: there the device's own
 * count of flushes decides, which others who use the device can only make larger.
 */
export function judgeSyncs(counts, puts, deviceFlushes) {
  const direct = counts.fsync + counts.fdatasync + counts.msync + counts.dsyncWrites;
  if (direct >= puts) return { kept: true, by: describe(counts) };
  if (direct + counts.ringEnters >= puts && deviceFlushes >= puts) {
    return { kept: true, by: `${describe(counts)}; ${deviceFlushes} flushes of the device` };
  }
  if (direct + counts.ringEnters >= puts && deviceFlushes === undefined) {
    return { kept: undefined, by: `not verified: ${describe(counts)}, and no count of flushes` };
  }
  const seen = deviceFlushes === undefined ? "unknown" : deviceFlushes;
  return { kept: false, by: `${describe(counts)}; flushes of the device: ${seen}` };
}

/** The verdict where no calls could be traced: by the device's count alone. */
export function judgeFlushes(puts, deviceFlushes) {
  if (deviceFlushes === undefined) {
    return { kept: undefined, by: "not verified: neither strace nor a count of flushes" };
  }
  return { kept: deviceFlushes >= puts, by: `no strace; flushes of the device: ${deviceFlushes}` };
}

const NAMES = {
  fsync: "fsync",
  fdatasync: "fdatasync",
  msync: "msync",
  dsyncWrites: "writes with O_DSYNC or RWF_DSYNC",
  ringEnters: "io_uring_enter",
  rangeSyncs: "sync_file_range",
};

function describe(counts) {
  const parts = Object.entries(NAMES)
    .filter(([name]) => counts[name] > 0)
    .map(([name, text]) => `${counts[name]} ${text}`);
  return parts.length === 0 ? "no call that syncs" : parts.join(", ");
}
