/** Who this process is, and whether another one, known only by what it wrote down, still runs. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errnoCode } from "../base/errors.js";
import type { Liveness, ProcessIdentity } from "./disk.js";

/** Fields of /proc/<pid>/stat after the command's name, which may contain anything. */
const STATE_FIELD = 0;
const THREADS_FIELD = 17;
const START_TICKS_FIELD = 19;

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return otherwise;
  }
}

interface ProcessStat {
  readonly state: string;
  readonly threads: number;
  readonly startedAt: string;
}

/** Undefined if /proc has no such process. */
function readStat(pid: number | "self"): ProcessStat | undefined {
  const stat = readOr(`/proc/${pid}/stat`, "");
  if (stat === "") return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[STATE_FIELD];
  const startedAt = fields[START_TICKS_FIELD];
  if (state === undefined || startedAt === undefined) return undefined;
  return { state, threads: Number(fields[THREADS_FIELD]), startedAt };
}

function readNamespace(): string {
  try {
    return readlinkSync("/proc/self/ns/pid");
  } catch {
    return "";
  }
}

let self: ProcessIdentity | undefined;

/** The identity of this process. What the platform does not tell is empty. */
export function ownIdentity(): ProcessIdentity {
  self ??= Object.freeze({
    pid: process.pid,
    host: hostname(),
    bootId: readOr("/proc/sys/kernel/random/boot_id", ""),
    startedAt: readStat("self")?.startedAt ?? "",
    pidNamespace: readNamespace(),
  });
  return self;
}

/** By a signal that is not sent: for platforms without /proc. */
function answersToSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to somebody else.
    return errnoCode(error) !== "ESRCH";
  }
}

/**
 * Whether that process still runs. Undefined where it cannot be told: on another machine, or in
 * another pid namespace, a pid means nothing here. "ending" is a process that was killed while some
 * of its threads are still inside the kernel, finishing what they write: measured for 0.1 s after
 * a SIGKILL amid syncs.
 */
export function isAlive(other: ProcessIdentity): Liveness {
  const own = ownIdentity();
  // The same boot id with another host name is a container on this machine.
  if (other.host !== own.host && (own.bootId === "" || other.bootId !== own.bootId)) {
    return undefined;
  }
  if (other.bootId !== own.bootId) return false;
  if (other.pidNamespace !== own.pidNamespace) return undefined;
  if (!Number.isSafeInteger(other.pid) || other.pid <= 0) return false;
  if (own.startedAt === "") return answersToSignals(other.pid);
  const there = readStat(other.pid);
  // Processes of other users can be hidden from /proc, but not from signals.
  if (there === undefined) return answersToSignals(other.pid);
  if (there.startedAt !== other.startedAt) return false;
  // A zombie has ended; what is left is the entry its parent has not read yet, and its threads.
  if (there.state === "Z" || there.state === "X") return there.threads > 1 ? "ending" : false;
  return true;
}
