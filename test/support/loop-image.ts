/**
 * A file system in a file, mounted through a loop device: to be filled up, cut short, or to lose its
 * power. It takes root, loop devices and the program that makes the file system.
 *
 * Each is in a folder that tells which process made it. What processes have left behind that are
 * gone is removed before the next one is made.
 */
import { execFileSync } from "node:child_process";
import {
  accessSync,
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { nativeSeam } from "../../src/disk/native.js";

const PREFIX = "holdfast-image-";
const IN_MEMORY = "/dev/shm";
const MIB = 1024 * 1024;
/** For whoever still has a file open to close it. */
const UNMOUNT_MILLIS_MAX = 10_000;

export interface LoopImageOptions {
  readonly fileSystem?: "ext4" | "xfs";
  readonly megabytes: number;
  /** As `mount -o` takes them. */
  readonly mountOptions?: string;
  /** Logical block size of the loop device. Default: 512. */
  readonly sectorBytes?: number;
  /** The image has so much room in memory, and no more: what it cannot take is a write error. */
  readonly thinMegabytes?: number;
  /** The folder for the image. Default: in memory where there is room, or else the temporary one. */
  readonly parent?: string;
}

/** No blocks that are kept for root, who runs this, and a journal that is small. */
const MAKE = {
  ext4: ["mkfs.ext4", "-q", "-b", "4096", "-m", "0", "-F"],
  xfs: ["mkfs.xfs", "-q", "-f"],
} as const;

export class LoopImage {
  /** Where it is mounted. */
  readonly directory: string;
  /** The file it is in. */
  readonly path: string;
  readonly #folder: string;
  readonly #mountOptions: string;
  #device = "";

  private constructor(folder: string, mountOptions: string) {
    this.#folder = folder;
    this.directory = join(folder, "mounted");
    this.path = join(folder, "image");
    this.#mountOptions = mountOptions;
  }

  /** Mounted; undefined, and a loud word why, where none can be made: `what` is then left out. */
  static make(what: string, options: LoopImageOptions): LoopImage | undefined {
    const { fileSystem = "ext4", megabytes, mountOptions = "", sectorBytes = 512 } = options;
    const { thinMegabytes } = options;
    const parent = options.parent ?? placeFor(megabytes);
    removeStale(parent);
    const image = new LoopImage(
      mkdtempSync(join(parent, `${PREFIX}${process.pid}-`)),
      mountOptions,
    );
    try {
      if (thinMegabytes !== undefined) {
        run("mount", "-t", "tmpfs", "-o", `size=${thinMegabytes}m`, "none", image.#folder);
      }
      mkdirSync(image.directory);
      closeSync(openSync(image.path, "w"));
      truncateSync(image.path, megabytes * MIB);
      const sectors = sectorBytes === 512 ? [] : ["-b", String(sectorBytes)];
      image.#device = run("losetup", "--find", "--show", ...sectors, image.path).trim();
      const [program, ...args] = MAKE[fileSystem];
      run(program, ...args, image.#device);
      image.mount();
    } catch (error) {
      const { stderr, message } = error as Error & { stderr?: Buffer };
      const reason = stderr?.toString().trim() || message;
      console.warn(`SKIPPED: ${what}: no ${fileSystem} image: ${reason.split("\n")[0]}`);
      image.remove();
      return undefined;
    }
    return image;
  }

  get #filler(): string {
    return join(this.#folder, "filler");
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.directory);
    return bavail * bsize;
  }

  mount(): void {
    const options = this.#mountOptions === "" ? [] : ["-o", this.#mountOptions];
    run("mount", ...options, this.#device, this.directory);
  }

  /** Fails if somebody still has a file open after a while. */
  async unmount(): Promise<void> {
    for (const start = performance.now(); ; await sleep(2)) {
      try {
        return void run("umount", this.directory);
      } catch (error) {
        if (performance.now() - start > UNMOUNT_MILLIS_MAX) throw error;
      }
    }
  }

  /** Cuts its power: it has to be unmounted and mounted again. */
  cutPower(): void {
    const result = nativeSeam().shutdownFileSystem(this.directory);
    if (result !== 0) throw new Error(`the shutdown ioctl failed with errno ${-result}`);
  }

  /** Of nothing that was read or written through it anything is left in memory. */
  dropCaches(): void {
    run("sync", "-f", this.directory);
    execFileSync("sh", ["-c", "echo 3 > /proc/sys/vm/drop_caches"], { stdio: "pipe" });
  }

  /** For a thin one: takes all the room that it has not taken itself. */
  fillUnder(): void {
    const fd = openSync(this.#filler, "a");
    const piece = Buffer.alloc(64 * 1024, 1);
    try {
      for (;;) writeSync(fd, piece);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    } finally {
      closeSync(fd);
    }
  }

  emptyUnder(): void {
    rmSync(this.#filler);
  }

  /** In whatever state it is. */
  remove(): void {
    removeFolder(this.#folder);
  }
}

function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { stdio: "pipe", encoding: "utf8" });
}

/** Memory is much faster where every sync of the image would be one of the disk under it. */
function placeFor(megabytes: number): string {
  try {
    accessSync(IN_MEMORY, constants.W_OK);
    const { bavail, bsize } = statfsSync(IN_MEMORY);
    if (bavail * bsize > 4 * megabytes * MIB) return IN_MEMORY;
  } catch {
    // There is none.
  }
  return tmpdir();
}

function removeStale(parent: string): void {
  for (const name of readdirSync(parent)) {
    const pid = name.startsWith(PREFIX) ? Number(name.slice(PREFIX.length).split("-")[0]) : 0;
    if (pid > 0 && !isAlive(pid)) removeFolder(join(parent, name));
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

/** Errors are of no matter: two may be at it at once, or there is nothing to undo. */
function removeFolder(folder: string): void {
  const attempt = (program: string, ...args: string[]): string | undefined => {
    try {
      return run(program, ...args);
    } catch {
      return undefined;
    }
  };
  const mounted = join(folder, "mounted");
  if (mountedAt(mounted)) {
    // Who still has a file open there keeps it until it is closed.
    if (attempt("umount", mounted) === undefined) attempt("umount", "-l", mounted);
  }
  for (const line of attempt("losetup", "-j", join(folder, "image"))?.split("\n") ?? []) {
    if (line !== "") attempt("losetup", "-d", line.slice(0, line.indexOf(":")));
  }
  if (mountedAt(folder)) attempt("umount", "-l", folder);
  rmSync(folder, { recursive: true, force: true });
}

function mountedAt(folder: string): boolean {
  return readFileSync("/proc/mounts", "utf8").includes(` ${folder} `);
}
