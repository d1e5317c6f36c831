// The main job, and why it exists: a trading engine is killed with SIGKILL in the middle of its tape,
// goes on where it was durable, and ends in the same state as one that was never killed.
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const main = join(root, "dist", "cli", "main.js");
const tape = join(root, "tapes", "binance_spot_btcusdt_20240808.jsonl.gz");
const work = mkdtempSync(join(root, ".demo-"));

/** Runs the replay; kills it once it has acknowledged `killAfter` transactions, if that is given. */
function replay(directory, { killAfter, json } = {}) {
  const args = [main, "replay", tape, "--dir", join(work, directory), "--digest"];
  if (json) args.push("--json");
  // In the run that is to be killed, descriptor 3 tells what has been acknowledged.
  if (killAfter !== undefined) args.push("--ack-fd", "3", "--quiet");
  const stdio = ["ignore", json ? "pipe" : "inherit", "inherit", "pipe"];
  const child = spawn(process.execPath, args, { stdio });
  let output = "";
  child.stdout?.on("data", (chunk) => {
    output += chunk;
  });
  let last = "";
  let count = 0;
  child.stdio[3]?.on("data", (chunk) => {
    const lines = String(chunk).trimEnd().split("\n");
    last = lines.at(-1);
    count += lines.length;
    if (killAfter !== undefined && count >= killAfter) child.kill("SIGKILL");
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal, last, output }));
  });
}

function step(text) {
  console.log(`\n== ${text}`);
}

async function run() {
  step("An engine over a recorded tape, killed with SIGKILL in the middle of its work");
  const killed = await replay("engine", { killAfter: 1500 });
  if (killed.signal !== "SIGKILL") throw new Error("it ended before it could be killed");
  console.log(`killed; the last acknowledgement it gave (sequence, event): ${killed.last}`);

  step("Started again on the same directory");
  const resumed = await replay("engine");
  if (resumed.code !== 0) throw new Error(`it ended with ${resumed.code}`);

  step("The same tape without interruption, for comparison");
  const whole = await replay("whole", { json: true });
  if (whole.code !== 0) throw new Error(`it ended with ${whole.code}`);
  const again = await replay("engine", { json: true });
  const digests = [again, whole].map((one) => JSON.parse(one.output).digest);
  console.log(`killed and resumed: ${digests[0]}\nuninterrupted:      ${digests[1]}`);
  if (digests[0] !== digests[1]) throw new Error("the final states differ");
  console.log("The same to the last bit.");
}

try {
  await run();
} catch (error) {
  console.error(`demo: ${error.message}`);
  process.exitCode = 1;
} finally {
  rmSync(work, { recursive: true, force: true });
}
