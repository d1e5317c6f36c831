/** Where the addon cannot be compiled, building goes on without it, unless it is required. */
import { spawnSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { root } from "./consumer.js";

let tree: string;

/** The sources alone, as in a fresh clone; and an empty folder for PATH. */
beforeEach(() => {
  tree = mkdtempSync(join(tmpdir(), "holdfast-build-"));
  for (const folder of ["scripts", "native", "bin"]) mkdirSync(join(tree, folder));
  copyFileSync(join(root, "package.json"), join(tree, "package.json"));
  copyFileSync(
    join(root, "scripts", "build-native.mjs"),
    join(tree, "scripts", "build-native.mjs"),
  );
  for (const name of readdirSync(join(root, "native"))) {
    if (!/\.(cc|h|gyp)$/.test(name)) continue;
    copyFileSync(join(root, "native", name), join(tree, "native", name));
  }
});

afterEach(() => rmSync(tree, { recursive: true, force: true }));

function installModules(): void {
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
}

/** Runs the build where some program is not there. */
function build(missing: Record<string, string>, ...args: string[]) {
  const script = join(tree, "scripts", "build-native.mjs");
  const { status, stderr } = spawnSync(process.execPath, [script, ...args], {
    cwd: tree,
    encoding: "utf8",
    env: { HOME: process.env.HOME, PATH: process.env.PATH, ...missing },
  });
  return { status, stderr };
}

/** What is asked of a build that cannot be. */
function expectWarning(reason: RegExp, missing: Record<string, string> = {}): void {
  const optional = build(missing);
  expect(optional.stderr).toMatch(reason);
  expect(optional.stderr).toMatch(/^holdfast: the native addon was not built: /);
  expect(optional.stderr).toContain("; holdfast will use the slower portable disk");
  expect(optional.status).toBe(0);

  const required = build(missing, "--required");
  expect(required.stderr).toMatch(reason);
  expect(required.stderr).not.toContain("portable disk");
  expect(required.status).toBe(1);

  expect(existsSync(join(tree, "native", "prebuilds"))).toBe(false);
}

describe.skipIf(process.platform !== "linux")("scripts/build-native.mjs", () => {
  test("without node-gyp warns, and with --required fails", () => {
    expectWarning(/node-gyp is not installed/);
  });

  test("without Python warns, and with --required fails", () => {
    installModules();
    expectWarning(/the compiler failed[\s\S]*Python/, { PATH: join(tree, "bin") });
  });

  test("without make warns, and with --required fails", () => {
    installModules();
    expectWarning(/the compiler failed[\s\S]*\/nonexistent\/make/, { MAKE: "/nonexistent/make" });
  });

  test("without a compiler warns, and with --required fails", () => {
    installModules();
    const compiler = "/nonexistent/c++";
    const missing = { CC: compiler, CXX: compiler, LINK: compiler };
    expectWarning(/the compiler failed[\s\S]*\/nonexistent\/c\+\+/, missing);
  });
});
