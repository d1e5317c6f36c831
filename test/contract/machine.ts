/** The part of the contract about locks, checksums, identities and places. */
import { compressSync, uncompressSync } from "lz4-napi";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Disk } from "../../src/disk/disk.js";
import { type DiskCapabilities, type DiskFixture, type MakeDisk, pattern } from "./fixture.js";

/** Castagnoli: RFC 3720, section B.4, and the common check value. */
const VECTORS: readonly (readonly [name: string, bytes: Uint8Array, sum: number])[] = [
  ["nothing", new Uint8Array(0), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 times ff", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
];

/** Bit by bit, from the definition: nobody's table. */
function crc32cByDefinition(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc >>> 0;
}

export function machineContract(make: MakeDisk, capabilities: DiskCapabilities): void {
  let fixture: DiskFixture;
  let disk: Disk;

  beforeEach(async () => {
    fixture = await make();
    disk = fixture.disk;
  });

  afterEach(() => fixture.dispose());

  describe("checksums", () => {
    test.each(VECTORS)("of %s", (_, bytes, sum) => {
      expect(disk.checksum.crc32c(bytes, 0, bytes.length)).toBe(sum);
    });

    test("of every length up to 300, anywhere in memory, in any number of parts", () => {
      const memory = pattern(400, 3);
      for (let length = 0; length <= 300; length++) {
        const from = length % 17;
        const expected = crc32cByDefinition(memory.subarray(from, from + length));
        expect(disk.checksum.crc32c(memory, from, from + length)).toBe(expected);
        const cut = from + Math.floor(length / 3);
        const first = disk.checksum.crc32c(memory, from, cut, 0);
        expect(disk.checksum.crc32c(memory, cut, from + length, first)).toBe(expected);
      }
    });

    test("are stored and verified by a plan, in order", () => {
      const bytes = pattern(1000);
      // The second covers where the first is stored: order matters.
      const plan = Int32Array.from([10, 100, 4, 0, 200, 996, 300, 300, 500, 0, 1, 2]);
      disk.checksum.store(bytes, plan, 3);
      const view = new DataView(bytes.buffer);
      expect(view.getUint32(4, true)).toBe(crc32cByDefinition(bytes.subarray(10, 100)));
      expect(view.getUint32(996, true)).toBe(crc32cByDefinition(bytes.subarray(0, 200)));
      expect(view.getUint32(500, true)).toBe(0);
      expect(bytes[2]).toBe(pattern(1000)[2]);
      expect(disk.checksum.verify(bytes, plan, 3)).toBe(-1);
      bytes[150]! ^= 1;
      expect(disk.checksum.verify(bytes, plan, 3)).toBe(1);
      expect(disk.checksum.verify(bytes, plan, 1)).toBe(-1);
      expect(disk.checksum.verify(bytes, plan, 0)).toBe(-1);
      bytes[50]! ^= 1;
      expect(disk.checksum.verify(bytes, plan, 3)).toBe(0);
    });
  });

  describe("compression", () => {
    /** A content of which parts come again, near and far. */
    function content(length: number, seed: number): Buffer {
      const bytes = Buffer.from(pattern(length, seed));
      for (let at = 40; at < length; at += 97) {
        const back = (at * seed) % Math.min(at, 70_000);
        bytes.copyWithin(at, at - back, at - back + 3 + (at % 60));
      }
      return bytes;
    }

    test("gives back what it was given, of every length, and touches nothing else", () => {
      const lengths = [...Array.from({ length: 300 }, (_, i) => i), 8192, 70_000, 300_000];
      for (const length of lengths) {
        const source = Buffer.concat([Buffer.from("xyz"), content(length, 1 + (length % 7))]);
        const packed = Buffer.alloc(2 * length + 100, 0xee);
        const room = length + 90;
        const bytes = disk.compressor.compress(source, 3, 3 + length, packed, 5, room);
        expect(bytes).toBeGreaterThan(0);
        expect(packed.readUInt32LE(5)).toBe(length);
        expect(packed.subarray(0, 5).equals(Buffer.alloc(5, 0xee))).toBe(true);
        const rest = packed.subarray(5 + bytes);
        expect(rest.equals(Buffer.alloc(rest.length, 0xee))).toBe(true);
        const target = Buffer.alloc(length + 40, 0xdd);
        expect(disk.compressor.decompress(packed, 5, 5 + bytes, target)).toBe(length);
        expect(target.subarray(0, length).equals(source.subarray(3))).toBe(true);
        expect(target.subarray(length).equals(Buffer.alloc(40, 0xdd))).toBe(true);
        // The same from the package, and to it.
        expect(uncompressSync(packed.subarray(5, 5 + bytes)).equals(source.subarray(3))).toBe(true);
        const theirs = compressSync(source.subarray(3));
        target.fill(0);
        expect(disk.compressor.decompress(theirs, 0, theirs.length, target)).toBe(length);
        expect(target.subarray(0, length).equals(source.subarray(3))).toBe(true);
      }
    });

    test("says when there is no room", () => {
      const source = content(5000, 3);
      const packed = Buffer.alloc(6000);
      const bytes = disk.compressor.compress(source, 0, 5000, packed, 0, 6000);
      expect(disk.compressor.compress(source, 0, 5000, packed, 0, 20)).toBe(0);
      packed.fill(0xee);
      expect(disk.compressor.compress(source, 0, 5000, packed, 0, bytes - 1)).toBe(0);
      expect(packed.subarray(bytes - 1).every((byte) => byte === 0xee)).toBe(true);
      const whole = compressSync(source);
      const small = Buffer.alloc(4999);
      expect(disk.compressor.decompress(whole, 0, whole.length, small)).toBe(-1);
    });

    test("refuses what is no such block, and stays inside of its target", () => {
      const length = 3000;
      const whole = compressSync(content(length, 5));
      // Memory of its own, so that a sanitizer sees every byte beyond it.
      const target = new Uint8Array(length);
      let refused = 0;
      const attempt = (bytes: Uint8Array): void => {
        const exact = Uint8Array.from(bytes);
        const result = disk.compressor.decompress(exact, 0, exact.length, target);
        expect(result === -1 || (result <= length && exact.length > 4)).toBe(true);
        if (result === -1) refused++;
      };
      for (let at = 0; at < whole.length; at++) {
        attempt(whole.subarray(0, at));
        for (const byte of [0, 1, 0x0f, 0xf0, 0xff, whole[at]! ^ 0x10]) {
          const changed = Buffer.from(whole);
          changed[at] = byte;
          attempt(changed);
        }
      }
      expect(refused).toBeGreaterThan(whole.length);
      for (let seed = 1; seed < 3000; seed++) {
        const noise = Buffer.from(pattern(5 + (seed % 300), seed));
        noise.writeUInt32LE(seed % (length + 10));
        attempt(noise);
      }
    });
  });

  describe("locks", () => {
    test("exclude until they are released, which is idempotent", async () => {
      const path = `${fixture.directory}/LOCK`;
      const lock = await disk.lock(path);
      expect(lock).toMatchObject({ path, strength: capabilities.lock });
      expect(await disk.list(fixture.directory)).toEqual(["LOCK"]);
      expect(await disk.lock(path)).toBeUndefined();
      await lock!.release();
      await lock!.release();
      const again = await disk.lock(path);
      expect(again).toBeDefined();
      await lock!.release();
      expect(await disk.lock(path)).toBeUndefined();
      await again!.release();
    });

    test("of different files have nothing to do with each other", async () => {
      const [one, other] = await Promise.all(
        ["a", "b"].map((name) => disk.lock(`${fixture.directory}/${name}`)),
      );
      expect(one).toBeDefined();
      expect(other).toBeDefined();
      await one!.release();
      await other!.release();
    });

    test("are those of the file, whatever path leads to it", async () => {
      const lock = await disk.lock(`${fixture.directory}/LOCK`);
      expect(await disk.lock(`${fixture.directory}/./LOCK`)).toBeUndefined();
      await lock!.release();
    });

    test("need their directory", async () => {
      await expect(disk.lock(`${fixture.directory}/none/LOCK`)).rejects.toMatchObject({
        code: "ENOENT",
      });
    });
  });

  describe("identity", () => {
    test("of this process is complete, and alive", () => {
      const { self } = disk;
      expect(self.pid).toBeGreaterThan(0);
      expect(self.host).not.toBe("");
      expect(disk.self).toEqual(self);
      expect(disk.isAlive(self)).toBe(true);
      expect(disk.isAlive(JSON.parse(JSON.stringify(self)))).toBe(true);
    });

    test("of another start of the machine is dead, of another machine unknown", () => {
      expect(disk.isAlive({ ...disk.self, bootId: "another" })).toBe(false);
      expect(disk.isAlive({ ...disk.self, bootId: "another", host: "another" })).toBeUndefined();
    });

    test("of a pid that nobody has is dead", () => {
      expect(disk.isAlive({ ...disk.self, pid: 2 ** 30 })).toBe(false);
    });
  });

  describe("the rest", () => {
    test("says what it is", () => {
      expect(disk.info).toMatchObject({ kind: capabilities.kind, backend: capabilities.backend });
    });

    test("gives random bytes", () => {
      const [one, other] = [disk.randomBytes(32), disk.randomBytes(32)];
      expect(one).toHaveLength(32);
      expect(Buffer.compare(one!, other!)).not.toBe(0);
      expect(disk.randomBytes(0)).toHaveLength(0);
    });

    test("describes the place", async () => {
      const place = await disk.describe(fixture.directory);
      expect(place.fileSystem).not.toBe("");
      expect(place.freeBytes).toBeGreaterThan(0);
      expect(place.physicalBlockBytes).toBeGreaterThanOrEqual(512);
      expect(place.directProven).toBe(place.directAlignment > 0);
      expect(["write back", "write through", "unknown"]).toContain(place.writeCache);
      await expect(disk.describe(`${fixture.directory}/none`)).rejects.toMatchObject({
        code: "ENOENT",
      });
    });
  });
}
