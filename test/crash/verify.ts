/** Whether a store at rest is sound from its first byte to its last, in the words of the command. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const MAIN = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));

/** Throws with what `holdfast verify` prints where it finds anything. */
export async function assertSound(directory: string): Promise<void> {
  await promisify(execFile)(process.execPath, [MAIN, "verify", directory]);
}
