/** The package as somebody else gets it: packed, and installed into a project of its own. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ensureBuilt } from "../support/built.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** What this machine's addon is called in the package; undefined if it could not be built here. */
export const prebuilt: string | undefined = findPrebuilt();

function findPrebuilt(): string | undefined {
  const folder = `native/prebuilds/${process.platform}-${process.arch}`;
  if (!existsSync(join(root, folder))) return undefined;
  const name = readdirSync(join(root, folder)).find((file) => /^holdfast\.\w+\.node$/.test(file));
  return name && `${folder}/${name}`;
}

export interface PackedFile {
  readonly path: string;
  readonly size: number;
}

interface Tarball {
  readonly filename: string;
  readonly files: readonly PackedFile[];
}

export interface Output {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** An empty project with the package in it. */
export class Consumer {
  readonly #directory = mkdtempSync(join(tmpdir(), "holdfast-package-"));
  readonly project = join(this.#directory, "project");
  readonly installed = join(this.project, "node_modules", "holdfast");
  /** What the tarball holds. */
  readonly files: readonly PackedFile[];
  /** What npm had to say. */
  readonly installation: Output;

  constructor() {
    // Building is not part of it: other tests use what is built.
    ensureBuilt();
    const directory = this.#directory;
    const packed = execFileSync(
      "npm",
      ["pack", "--ignore-scripts", "--json", "--loglevel=error", "--pack-destination", directory],
      { cwd: root, env: environment(), encoding: "utf8" },
    );
    // A list, or an object by name: npm has done both.
    const [tarball] = Object.values(JSON.parse(packed) as Record<string, Tarball>);
    if (tarball === undefined) throw new Error("npm pack made nothing");
    this.files = tarball.files;
    mkdirSync(this.project);
    this.write("package.json", JSON.stringify({ name: "consumer", private: true }));
    this.installation = this.run("npm", [
      "install",
      "--prefer-offline",
      "--no-audit",
      "--no-fund",
      "--loglevel=error",
      join(directory, tarball.filename),
    ]);
  }

  write(name: string, text: string): void {
    writeFileSync(join(this.project, name), text);
  }

  /** Runs a program in the project. */
  run(program: string, args: readonly string[]): Output {
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      cwd: this.project,
      env: environment(),
      encoding: "utf8",
    });
    if (error !== undefined) throw error;
    return { status, stdout, stderr };
  }

  /** Runs a module of the project and gives what it prints, as JSON. */
  json(name: string): unknown {
    const { status, stdout, stderr } = this.run(process.execPath, [name]);
    if (status !== 0) throw new Error(`${name} ended with ${status}: ${stderr}`);
    return JSON.parse(stdout);
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

/** Without what npm, or whoever runs the tests, has set for this project. */
function environment(): NodeJS.ProcessEnv {
  const ours = /^(HOLDFAST_|NODE_OPTIONS$|npm_(package|lifecycle)_|npm_config_local_prefix$)/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}
