/** Nonces of real processes on a real disk, each killed with SIGKILL. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { beforeAll, expect, test } from "vitest";
import { ensureBuilt } from "../support/built.js";

const CHILD = fileURLToPath(new URL("nonce-child.mjs", import.meta.url));
const root = fileURLToPath(new URL("../..", import.meta.url));
const KILLS = 4;

/** What a process said until it had said so many numbers, and was killed. */
function killedAfter(directory: string, policy: string, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [CHILD, directory, policy], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    let [said, failed] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      said += text;
      if (said.split("\n").length > count) child.kill("SIGKILL");
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      failed += text;
    });
    child.on("error", reject).on("close", (_, signal) => {
      if (signal !== "SIGKILL") reject(new Error(`the process ended by itself: ${failed}`));
      // The last line may be cut.
      else resolve(said.split("\n").slice(0, -1).map(Number));
    });
  });
}

beforeAll(() => {
  ensureBuilt();
});

test.each(["counter", "microseconds"])("%s: none is said twice, and they rise", async (policy) => {
  // Not in /tmp, which may be in memory.
  const directory = mkdtempSync(join(root, "node_modules", ".nonces-"));
  try {
    let last = 0;
    for (let kill = 0; kill < KILLS; kill++) {
      const said = await killedAfter(directory, policy, 1 + kill * 37);
      expect(said.length).toBeGreaterThan(kill * 37);
      for (const nonce of said) {
        expect(nonce).toBeGreaterThan(last);
        last = nonce;
      }
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
