// A revision of the project, built in a git worktree of its own.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

function run(command, args, cwd = ROOT) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (error !== undefined) throw error;
  if (status === 0) return stdout.trim();
  const last = (stderr.trim() || stdout.trim()).split("\n").slice(-12).join("\n");
  throw new Error(`${command} ${args.join(" ")} failed in ${cwd}:\n${last}`);
}

/** `{ id, commit, title }` of a name that git knows. Throws what git says. */
export function resolveRevision(name) {
  const commit = run("git", ["rev-parse", "--verify", "--end-of-options", `${name}^{commit}`]);
  const title = run("git", ["log", "-1", "--format=%s", commit]);
  return { id: commit.slice(0, 10), commit, title };
}

/** Dependencies: this checkout's where they are the same, which is quick; or its own. */
function dependencies(directory) {
  const lock = (folder) => readFileSync(join(folder, "package-lock.json"), "utf8");
  const here = join(ROOT, "node_modules");
  if (existsSync(here) && lock(directory) === lock(ROOT)) {
    symlinkSync(here, join(directory, "node_modules"));
  } else {
    run("npm", ["ci", "--no-audit", "--no-fund"], directory);
  }
}

/** Checks the revision out in `directory` and builds it; the URL of what a program imports. */
export function buildRevision({ commit }, directory) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(dirname(directory), { recursive: true });
  run("git", ["worktree", "prune"]);
  run("git", ["worktree", "add", "--detach", directory, commit]);
  dependencies(directory);
  run("npm", ["run", "-s", "build"], directory);
  return pathToFileURL(join(directory, "dist", "index.js")).href;
}

/** Takes the worktree away again, from disk and from git. */
export function removeRevision(directory) {
  rmSync(directory, { recursive: true, force: true });
  run("git", ["worktree", "prune"]);
}

/** This checkout, as it was built last. */
export function thisCheckout() {
  const dist = join(ROOT, "dist", "index.js");
  if (!existsSync(dist)) throw new Error("this checkout is not built: npm run build");
  const changed = run("git", ["status", "--porcelain", "--", "src", "native"]) !== "";
  const head = run("git", ["rev-parse", "--short=10", "HEAD"]);
  const title = changed ? `this checkout: ${head} and changes` : `this checkout: ${head}`;
  return { id: "checkout", commit: head, title, dist: pathToFileURL(dist).href };
}
