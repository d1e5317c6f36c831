/** Who this process is, and whether another one, known only by what it wrote down, still runs. */
import { readFileSync, readlinkSync } from "node:fs";
import { hostname } from "node:os";
import { errnoCode } from "../base/errors.js";
import type { ProcessIdentity } from "./disk.js";

/** Fields of /proc/<pid>/stat after the command's name, which may contain anything. */
const STATE_FIELD = 0;
const START_TICKS_FIELD = 19;

function readOr(path: string, otherwise: string): string {
  try {
    return readFileSync(path, "latin1").trim();
  } catch {
    return otherwise;
  }
}

/** State and start time of a process, or undefined if /proc has no such process. */
function readStat(pid: number | "self"): { state: string; startedAt: string } | undefined {
  const stat = readOr(`/proc/${pid}/stat`, "");
  if (stat === "") return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[STATE_FIELD];
  const startedAt = fields[START_TICKS_FIELD];
  return state === undefined || startedAt === undefined ? undefined : { state, startedAt };
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
 * True, false, or undefined where it cannot be told: on another machine, or in another pid
 * namespace, a pid means nothing here.
 */
export function isAlive(other: ProcessIdentity): boolean | undefined {
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
  // A zombie has ended; what is left is the entry its parent has not read yet.
  if (there.state === "Z" || there.state === "X") return false;
  return there.startedAt === other.startedAt;
}
