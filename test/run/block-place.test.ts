/** A whole block in the wrong place is refused, whatever its checksum says. */
import { expect, test } from "vitest";
import { portableChecksum } from "../../src/disk/checksum.js";
import { checkBlock, encodeBlock } from "../../src/run/block.js";
import { BLOCK_HEADER_BYTES, BLOCK_KIND } from "../../src/run/format.js";

const place = { kind: BLOCK_KIND.data, fileId: 7, offset: 4096, seed: 9 };

function stored(): Uint8Array {
  const raw = Buffer.from("some rows, as it were");
  const tools = { checksum: portableChecksum, compressor: undefined as never };
  return encodeBlock({ ...place, raw, compress: false }, tools);
}

test("in its own place it is whole", () => {
  const bytes = stored();
  const found = checkBlock(bytes, bytes.length, { ...place, file: "a.run" }, portableChecksum);
  expect(found).toBe(bytes.length - BLOCK_HEADER_BYTES);
});

test.each([
  ["offset", { offset: 8192 }],
  ["file", { fileId: 8 }],
  ["kind", { kind: BLOCK_KIND.index }],
] as const)("of another %s it is CORRUPT_RUN", (_, other) => {
  const bytes = stored();
  const expected = { ...place, ...other, file: "a.run" };
  expect(() => checkBlock(bytes, bytes.length, expected, portableChecksum)).toThrow(
    "belongs to another place",
  );
});
