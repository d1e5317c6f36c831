/** The compiled package, for tests that start processes of their own: Node.js 20 runs no TypeScript. */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Builds dist unless it is newer than every source; `npm test` has done it already. */
export function ensureBuilt(): void {
  const built = join(root, "dist", "index.js");
  if (existsSync(built) && newest(join(root, "src")) < statSync(built).mtimeMs) return;
  execFileSync("npm", ["run", "-s", "build:ts"], { cwd: root });
}

function newest(folder: string): number {
  let time = 0;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    time = Math.max(time, entry.isDirectory() ? newest(path) : statSync(path).mtimeMs);
  }
  return time;
}
