/** Of two chunks and a bit: some of it the same for all steps, some changed a little, some new. */
export function contentOf(step) {
  const bytes = new Uint8Array(2 * 1024 * 1024 + 500);
  let state = 7;
  for (let i = 0; i < bytes.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  for (let i = 0; i < 200; i++) bytes[1024 * 1024 + ((i * 4999 * step) % 1_000_000)] = step + i;
  for (let i = 2 * 1024 * 1024; i < bytes.length; i++) bytes[i] = (i * step) >> 3;
  return bytes;
}
