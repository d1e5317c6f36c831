/** The part of the contract about files, directories and mappings. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import {
  type DiskFixture,
  type MakeDisk,
  pattern,
  readFileOf,
  same,
  writeFileWith,
} from "./fixture.js";

const MIB = 1024 * 1024;

export function filesContract(make: MakeDisk): void {
  let fixture: DiskFixture;
  let disk: Disk;
  let directory: string;

  beforeEach(async () => {
    fixture = await make();
    ({ disk, directory } = fixture);
  });

  afterEach(() => fixture.dispose());

  describe("directories", () => {
    test("are created with their parents, also if they are there", async () => {
      await disk.createDirectory(`${directory}/a/b/c`);
      await disk.createDirectory(`${directory}/a/b/c`);
      await disk.createDirectory(`${directory}/a/b/d`);
      expect(await disk.list(`${directory}/a`)).toEqual(["b"]);
      expect(await disk.list(`${directory}/a/b`)).toEqual(["c", "d"]);
      expect(await disk.list(`${directory}/a/b/c`)).toEqual([]);
    });

    test("list their entries sorted by code units", async () => {
      const names = ["b", "a10", "a9", "B", "é", "a"];
      for (const name of names) await writeFileWith(disk, `${directory}/${name}`, pattern(1));
      expect(await disk.list(directory)).toEqual(["B", "a", "a10", "a9", "b", "é"]);
    });

    test("that are not there cannot be listed or synced", async () => {
      const code = { code: "ENOENT", path: `${directory}/none` };
      await expect(disk.list(`${directory}/none`)).rejects.toMatchObject(code);
      await expect(disk.syncDirectory(`${directory}/none`)).rejects.toMatchObject(code);
      await expect(
        disk.open(`${directory}/none/file`, { write: true, create: true }),
      ).rejects.toMatchObject({ code: "ENOENT", path: `${directory}/none/file` });
    });

    test("can be synced", async () => {
      await writeFileWith(disk, `${directory}/file`, pattern(1));
      await disk.syncDirectory(directory);
      expect(await disk.list(directory)).toEqual(["file"]);
    });
  });

  describe("opening", () => {
    test("fails with ENOENT if there is no such file", async () => {
      const path = `${directory}/none`;
      const error = await disk.open(path).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(Error);
      expect(error).toMatchObject({ code: "ENOENT", syscall: "open", path });
      await expect(disk.open(path, { write: true })).rejects.toMatchObject({ code: "ENOENT" });
      expect(await disk.list(directory)).toEqual([]);
    });

    test("creates, and exclusively only if it is not there", async () => {
      const path = `${directory}/file`;
      const exclusive = { write: true, create: true, exclusive: true };
      await (await disk.open(path, exclusive)).close();
      await expect(disk.open(path, exclusive)).rejects.toMatchObject({ code: "EEXIST", path });
      const file = await disk.open(path, { write: true, create: true });
      expect(file.path).toBe(path);
      expect(await file.size()).toBe(0);
      await file.close();
    });

    test("for reading only does not allow to write", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(10));
      const file = await disk.open(path);
      await expect(file.write(0, pattern(1))).rejects.toMatchObject({ code: "EBADF", path });
      await file.close();
      expect(same(await readFileOf(disk, path), pattern(10))).toBe(true);
    });

    test("past the page cache gives the same bytes, at any offset", async () => {
      const path = `${directory}/file`;
      const bytes = pattern(10_000);
      await writeFileWith(disk, path, bytes);
      const file = await disk.open(path, { direct: true });
      for (const [offset, length] of [
        [0, 10_000],
        [0, 4096],
        [1, 511],
        [4095, 2],
        [8191, 5000],
        [10_000, 10],
        [20_000, 10],
      ] as const) {
        const expected = bytes.subarray(offset, offset + length);
        expect(same(await file.read(offset, length), expected), `${offset}`).toBe(true);
      }
      await file.close();
    });
  });

  describe("reading and writing", () => {
    test("gives what was written, and what is there up to the end", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(1000));
      const file = await disk.open(path, { write: true });
      expect(await file.size()).toBe(1000);
      expect(same(await file.read(0, 1000), pattern(1000))).toBe(true);
      expect(same(await file.read(990, 100), pattern(1000).subarray(990))).toBe(true);
      expect(await file.read(1000, 10)).toHaveLength(0);
      expect(await file.read(5000, 10)).toHaveLength(0);
      expect(await file.read(5, 0)).toHaveLength(0);
      await file.write(995, pattern(10, 3));
      expect(await file.size()).toBe(1005);
      expect(same(await file.read(995, 50), pattern(10, 3))).toBe(true);
      await file.close();
    });

    test("leaves zeros between the end and a later write", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      await file.write(0, pattern(10));
      await file.write(5000, pattern(1, 9));
      expect((await file.read(10, 4990)).every((byte) => byte === 0)).toBe(true);
      expect(await file.size()).toBe(5001);
      await file.close();
    });

    test("takes many megabytes in one call", async () => {
      const path = `${directory}/file`;
      const bytes = new Uint8Array(5 * MIB + 13).map((_, i) => i % 251);
      await writeFileWith(disk, path, bytes);
      expect(same(await readFileOf(disk, path), bytes)).toBe(true);
    });

    test("hands out memory of the caller's own", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(100));
      const file = await disk.open(path);
      (await file.read(0, 100)).fill(0);
      expect(same(await file.read(0, 100), pattern(100))).toBe(true);
      await file.close();
    });

    test("goes on side by side", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      const places = Array.from({ length: 20 }, (_, i) => i);
      await Promise.all(places.map((i) => file.write(i * 1000, pattern(1000, i))));
      const read = await Promise.all(places.map((i) => file.read(i * 1000, 1000)));
      expect(read.every((bytes, i) => same(bytes, pattern(1000, i)))).toBe(true);
      await file.close();
    });

    test("appends to the end whatever the offset, each write whole", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, new TextEncoder().encode("first\n"));
      const files = await Promise.all(
        [0, 1, 2].map(() => disk.open(path, { write: true, append: true })),
      );
      const lines = Array.from({ length: 30 }, (_, i) => `line ${i} ${"x".repeat(i * 10)}`);
      await Promise.all(
        lines.map((line, i) => files[i % 3]!.write(0, new TextEncoder().encode(`${line}\n`))),
      );
      const text = new TextDecoder().decode(await readFileOf(disk, path));
      expect(text.startsWith("first\n")).toBe(true);
      expect(text.split("\n").slice(1, -1).sort()).toEqual([...lines].sort());
      for (const file of files) await file.close();
    });
  });

  describe("zeroFill, truncate, sync, close", () => {
    test("zeroFill extends with zeros and replaces what was there", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      await file.write(0, pattern(8192));
      await file.zeroFill(4096, 3 * MIB + 4096);
      expect(await file.size()).toBe(3 * MIB + 8192);
      expect(same(await file.read(0, 4096), pattern(4096))).toBe(true);
      expect((await file.read(4096, 4 * MIB)).every((byte) => byte === 0)).toBe(true);
      await file.zeroFill(100, 50);
      expect((await file.read(100, 50)).every((byte) => byte === 0)).toBe(true);
      expect(same(await file.read(150, 100), pattern(4096).subarray(150, 250))).toBe(true);
      expect(await file.size()).toBe(3 * MIB + 8192);
      await file.close();
    });

    test("truncate makes a file shorter or longer", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      await file.write(0, pattern(1000));
      await file.truncate(10);
      expect(await file.size()).toBe(10);
      await file.truncate(2000);
      expect(await file.size()).toBe(2000);
      const expected = new Uint8Array(2000);
      expected.set(pattern(10));
      expect(same(await file.read(0, 3000), expected)).toBe(true);
      await file.close();
    });

    test("sync works, also with nothing to do", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      await file.sync();
      await file.write(0, pattern(10));
      await file.sync();
      await file.sync();
      expect(await file.size()).toBe(10);
      await file.close();
    });

    test("close can be called twice, and nothing works afterwards", async () => {
      const file = await disk.open(`${directory}/file`, { write: true, create: true });
      await Promise.all([file.close(), file.close()]);
      await file.close();
      await expect(file.read(0, 1)).rejects.toMatchObject({ code: "EBADF" });
      await expect(file.write(0, pattern(1))).rejects.toMatchObject({ code: "EBADF" });
      await expect(file.size()).rejects.toMatchObject({ code: "EBADF" });
    });
  });

  describe("writeVerified", () => {
    test("writes any range, there and behind the end, and gives true", async () => {
      const path = `${directory}/file`;
      const file = await disk.open(path, { write: true, create: true, direct: true });
      const expected = new Uint8Array(20_000);
      for (const [offset, length] of [
        [0, 8192],
        [4096, 4096],
        [8192, 8192],
        [1, 511],
        [4095, 2],
        [16_000, 4000],
      ] as const) {
        const bytes = pattern(length, offset);
        expected.set(bytes, offset);
        expect(await file.writeVerified(offset, bytes), `${offset}`).toBe(true);
        expect(same(bytes, pattern(length, offset)), "the caller's bytes stay").toBe(true);
      }
      expect(await file.writeVerified(7, new Uint8Array(0))).toBe(true);
      await file.close();
      expect(same(await readFileOf(disk, path), expected)).toBe(true);
    });

    test("takes megabytes, from the middle of the caller's memory", async () => {
      const path = `${directory}/file`;
      const file = await disk.open(path, { write: true, create: true, direct: true });
      const memory = new Uint8Array(3 * MIB).map((_, i) => i % 251);
      expect(await file.writeVerified(0, memory.subarray(13, 13 + 2 * MIB))).toBe(true);
      await file.close();
      expect(same(await readFileOf(disk, path), memory.subarray(13, 13 + 2 * MIB))).toBe(true);
    });

    test("needs a file that was opened for writing, and is open", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(4096));
      const reader = await disk.open(path, { direct: true });
      await expect(reader.writeVerified(0, pattern(4096, 1))).rejects.toMatchObject({
        code: "EBADF",
        path,
      });
      await reader.close();
      const file = await disk.open(path, { write: true });
      await file.close();
      await expect(file.writeVerified(0, pattern(4096, 1))).rejects.toMatchObject({
        code: "EBADF",
      });
      expect(same(await readFileOf(disk, path), pattern(4096))).toBe(true);
    });
  });

  describe("names", () => {
    test("a file is named as long as its path leads to it, and not to another", async () => {
      const path = `${directory}/a`;
      await writeFileWith(disk, path, pattern(10));
      await writeFileWith(disk, `${directory}/b`, pattern(10));
      const file = await disk.open(path, { write: true });
      expect(await file.isNamed()).toBe(true);
      await disk.rename(path, `${directory}/c`);
      expect(await file.isNamed()).toBe(false);
      await disk.rename(`${directory}/b`, path);
      expect(await file.isNamed()).toBe(false);
      await disk.rename(`${directory}/c`, path);
      expect(await file.isNamed()).toBe(true);
      await file.close();
    });

    test("rename replaces, and keeps open files open", async () => {
      await writeFileWith(disk, `${directory}/a`, pattern(10, 1));
      await writeFileWith(disk, `${directory}/b`, pattern(10, 2));
      const file = await disk.open(`${directory}/b`);
      await disk.rename(`${directory}/a`, `${directory}/b`);
      expect(await disk.list(directory)).toEqual(["b"]);
      expect(same(await readFileOf(disk, `${directory}/b`), pattern(10, 1))).toBe(true);
      expect(same(await file.read(0, 10), pattern(10, 2))).toBe(true);
      await file.close();
    });

    test("link gives a second name; removing one of them leaves the other", async () => {
      const [a, b] = [`${directory}/a`, `${directory}/b`];
      await writeFileWith(disk, a, pattern(10));
      await disk.link(a, b);
      await expect(disk.link(a, b)).rejects.toMatchObject({ code: "EEXIST" });
      await disk.remove(a);
      expect(await disk.list(directory)).toEqual(["b"]);
      expect(same(await readFileOf(disk, b), pattern(10))).toBe(true);
      await expect(disk.link(a, `${directory}/c`)).rejects.toMatchObject({ code: "ENOENT" });
    });

    test("copy makes another file, and replaces none", async () => {
      const [a, b] = [`${directory}/a`, `${directory}/b`];
      await writeFileWith(disk, a, pattern(10, 1));
      await disk.copy(a, b);
      const file = await disk.open(a, { write: true });
      await file.write(0, pattern(10, 2));
      await file.close();
      expect(same(await readFileOf(disk, b), pattern(10, 1))).toBe(true);
      await expect(disk.copy(a, b)).rejects.toMatchObject({ code: "EEXIST" });
    });

    test("rename works between directories", async () => {
      await disk.createDirectory(`${directory}/d`);
      await writeFileWith(disk, `${directory}/a`, pattern(10, 1));
      await disk.rename(`${directory}/a`, `${directory}/d/a`);
      expect(await disk.list(directory)).toEqual(["d"]);
      expect(await disk.list(`${directory}/d`)).toEqual(["a"]);
    });

    test("remove removes; open files stay readable", async () => {
      await writeFileWith(disk, `${directory}/a`, pattern(10));
      const file = await disk.open(`${directory}/a`);
      await disk.remove(`${directory}/a`);
      expect(await disk.list(directory)).toEqual([]);
      expect(same(await file.read(0, 10), pattern(10))).toBe(true);
      await file.close();
    });

    test("removeDirectory removes an empty one, and no other", async () => {
      const path = `${directory}/d`;
      await expect(disk.removeDirectory(path)).rejects.toMatchObject({ code: "ENOENT", path });
      await disk.createDirectory(path);
      await writeFileWith(disk, `${path}/a`, pattern(10));
      await expect(disk.removeDirectory(path)).rejects.toMatchObject({ code: "ENOTEMPTY" });
      await disk.remove(`${path}/a`);
      await disk.removeDirectory(path);
      expect(await disk.list(directory)).toEqual([]);
    });

    test("neither works for what is not there", async () => {
      const path = `${directory}/none`;
      await expect(disk.remove(path)).rejects.toMatchObject({ code: "ENOENT", path });
      await expect(disk.rename(path, `${directory}/b`)).rejects.toMatchObject({ code: "ENOENT" });
    });
  });

  describe("map", () => {
    test("copies any range to any place", async () => {
      const path = `${directory}/file`;
      const bytes = pattern(20_000);
      await writeFileWith(disk, path, bytes);
      const mapping = await disk.map(path);
      expect(mapping.length).toBe(20_000);
      const target = new Uint8Array(20_100);
      mapping.copy(0, 20_000, target, 50);
      expect(same(target.subarray(50, 20_050), bytes)).toBe(true);
      expect(target.subarray(0, 50).every((byte) => byte === 0)).toBe(true);
      expect(target.subarray(20_050).every((byte) => byte === 0)).toBe(true);
      mapping.copy(12_345, 1, target, 0);
      expect(target[0]).toBe(bytes[12_345]);
      mapping.copy(20_000, 0, target, 20_100);
      mapping.close();
    });

    test("refuses ranges outside the file or the target", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(100));
      const mapping = await disk.map(path);
      const target = new Uint8Array(50);
      for (const [offset, length, start] of [
        [0, 101, 0],
        [100, 1, 0],
        [2 ** 40, 1, 0],
        [0, 51, 0],
        [0, 10, 41],
      ] as const) {
        const name = `${offset} ${length} ${start}`;
        expect(() => mapping.copy(offset, length, target, start), name).toThrow(RangeError);
      }
      for (const [offset, length, start] of [
        [-1, 1, 0],
        [0, -1, 0],
        [0, 1, -1],
      ] as const) {
        // A RangeError, or a TypeError for what is no place in a file at all.
        expect(() => mapping.copy(offset, length, target, start)).toThrow(Error);
      }
      expect(target.every((byte) => byte === 0)).toBe(true);
      mapping.close();
    });

    test("survives a file that has become shorter", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(40_000));
      const mapping = await disk.map(path);
      const file = await disk.open(path, { write: true });
      await file.truncate(100);
      const target = new Uint8Array(40_000);
      expect(() => mapping.copy(20_000, 100, target, 0)).toThrow(
        expect.objectContaining({ code: "EIO" }),
      );
      mapping.copy(0, 100, target, 0);
      expect(same(target.subarray(0, 100), pattern(100))).toBe(true);
      mapping.close();
      await file.close();
    });

    test("works for an empty file, and not for one that is not there", async () => {
      await writeFileWith(disk, `${directory}/empty`, new Uint8Array(0));
      const mapping = await disk.map(`${directory}/empty`);
      expect(mapping.length).toBe(0);
      mapping.copy(0, 0, new Uint8Array(0), 0);
      mapping.close();
      const path = `${directory}/none`;
      await expect(disk.map(path)).rejects.toMatchObject({ code: "ENOENT", path });
    });

    test("of many files at once gives each its own, and fails for those that are not there", async () => {
      const paths = Array.from({ length: 70 }, (_, i) => `${directory}/file-${i}`);
      for (const [i, path] of paths.entries()) {
        if (i % 10 !== 3) await writeFileWith(disk, path, pattern(100 + i));
      }
      const mapped = await Promise.allSettled(paths.map((path) => disk.map(path)));
      for (const [i, one] of mapped.entries()) {
        if (one.status === "rejected") {
          expect(i % 10).toBe(3);
          expect(one.reason).toMatchObject({ code: "ENOENT", path: paths[i] });
          continue;
        }
        const bytes = new Uint8Array(100 + i);
        expect(one.value.length).toBe(bytes.length);
        one.value.copy(0, bytes.length, bytes, 0);
        expect(same(bytes, pattern(100 + i))).toBe(true);
        one.value.close();
      }
      expect(mapped.filter(({ status }) => status === "rejected")).toHaveLength(7);
    });

    test("outlives the name of its file, and closes twice", async () => {
      const path = `${directory}/file`;
      await writeFileWith(disk, path, pattern(100));
      const mapping = await disk.map(path);
      await disk.remove(path);
      const target = new Uint8Array(100);
      mapping.copy(0, 100, target, 0);
      expect(same(target, pattern(100))).toBe(true);
      mapping.close();
      mapping.close();
      expect(() => mapping.copy(0, 1, target, 0)).toThrow(Error);
    });
  });
}
