/** The package has types for its main file only. */
declare module "crc-32/crc32c.js" {
  const crc32c: { buf(data: Uint8Array, seed?: number): number };
  export default crc32c;
}
