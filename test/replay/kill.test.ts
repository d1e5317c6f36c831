/**
 * The main job, killed with SIGKILL at random moments. Every time what it had acknowledged is there
 * when it starts again, and in the end the state is that of a run which was never killed.
 *
 * HOLDFAST_KILLS sets how often it is killed on each disk; the short form is for every day.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stateDigest } from "../../src/replay/digest.js";
import type { ReplayResult } from "../../src/replay/replay.js";
import { ensureBuilt } from "../support/built.js";
import { realDisks } from "../support/disks.js";
import { replayInMemory, SPOT_TAPE } from "./helpers.js";

const KILLS = Number(process.env.HOLDFAST_KILLS ?? 5);
const CHILD = fileURLToPath(new URL("kill-child.mjs", import.meta.url));
const backends = [...realDisks().values()].map(({ info }) =>
  info.kind === "portable" ? "portable" : info.backend,
);

let work: string;
beforeAll(() => {
  ensureBuilt();
  work = mkdtempSync(join(tmpdir(), "holdfast-kill-"));
});
afterAll(() => rmSync(work, { recursive: true, force: true }));

/** What a child said was durable: a sequence and an event of the tape. */
type Acknowledgement = readonly [sequence: number, event: number];

interface Ended {
  readonly killed: boolean;
  readonly code: number | null;
  readonly output: string;
  readonly errors: string;
  /** Complete lines only: the last one may have been cut off by the kill. */
  readonly acknowledged: readonly Acknowledgement[];
}

/** Runs the replay, and kills it `delayMillis` after its `killAfter`th acknowledgement. */
function run(backend: string, killAfter?: number, delayMillis = 0): Promise<Ended> {
  const directory = join(work, backend);
  const args = [CHILD, SPOT_TAPE, "--dir", directory, "--json", "--ack-fd", "3"];
  const child = spawn(process.execPath, [...args, "--backend", backend], {
    stdio: ["ignore", "pipe", "pipe", "pipe"],
  });
  let [output, errors, lines] = ["", "", ""];
  child.stdout?.on("data", (data) => {
    output += data;
  });
  child.stderr?.on("data", (data) => {
    errors += data;
  });
  let armed = killAfter !== undefined;
  (child.stdio[3] as NodeJS.ReadableStream).on("data", (data) => {
    lines += data;
    if (!armed || lines.split("\n").length <= (killAfter ?? 0)) return;
    armed = false;
    void sleep(delayMillis).then(() => child.kill("SIGKILL"));
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const complete = lines.split("\n").slice(0, -1);
      const acknowledged = complete.map((line) => line.split(" ").map(Number) as [number, number]);
      resolve({ killed: signal === "SIGKILL", code, output, errors, acknowledged });
    });
  });
}

test.each(backends)(
  `killed ${KILLS} times on the %s disk, it loses nothing and ends the same`,
  async (backend) => {
    let last: Acknowledgement = [0, 0];
    let kills = 0;
    const check = ({ acknowledged }: Ended) => {
      // The first line is what the process found when it opened the store.
      for (const [sequence, event] of acknowledged) {
        expect(sequence).toBeGreaterThanOrEqual(last[0]);
        expect(event).toBeGreaterThanOrEqual(last[1]);
        last = [sequence, event];
      }
    };
    while (kills < KILLS) {
      const ended = await run(backend, Math.floor(Math.random() * 250), Math.random() * 4);
      check(ended);
      if (ended.killed) kills++;
      else {
        // It came to its end before it could be killed: start over with the kills that are left.
        expect(ended).toMatchObject({ code: 0, errors: "" });
        rmSync(join(work, backend), { recursive: true });
        last = [0, 0];
      }
    }
    const ended = await run(backend);
    check(ended);
    expect(ended).toMatchObject({ code: 0, killed: false, errors: "" });
    const result = JSON.parse(ended.output) as ReplayResult;
    expect(result.digest).toBe(stateDigest((await replayInMemory(SPOT_TAPE)).store));
    expect(result.disk.backend).toBe(backend === "portable" ? "node:fs" : backend);
  },
  60_000 + KILLS * 3_000,
);
