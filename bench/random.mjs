// Numbers by chance, from a seed: a run can be repeated, and choosing costs nothing beside the work.

/** Xorshift: 0 to 1, below 1. */
export function makeRandom(seed) {
  let state = seed | 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4_294_967_296;
  };
}

/**
 * Ranks 0 to `count` - 1, rank r as often as 1 / (r + 1) ** theta: the method of Gray et al., "Quickly
 * generating billion-record synthetic databases" (SIGMOD 1994), which YCSB takes too.
 */
export function makeZipfian(count, random, theta = 0.99) {
  let zeta = 0;
  for (let i = 1; i <= count; i++) zeta += 1 / i ** theta;
  const zeta2 = 1 + 0.5 ** theta;
  const alpha = 1 / (1 - theta);
  const eta = (1 - (2 / count) ** (1 - theta)) / (1 - zeta2 / zeta);
  return () => {
    const u = random();
    const uz = u * zeta;
    if (uz < 1) return 0;
    if (uz < zeta2) return Math.min(1, count - 1);
    return Math.min(count - 1, Math.floor(count * (eta * u - eta + 1) ** alpha));
  };
}

/** FNV-1a, 32 bits, of the bytes of an integer. */
export function hashOf(value) {
  let hash = 0x811c9dc5;
  for (let i = 0; i < 4; i++) {
    hash = Math.imul(hash ^ ((value >>> (8 * i)) & 255), 0x01000193);
  }
  return hash >>> 0;
}

/** As `makeZipfian`, with the popular ones spread over all of the range instead of at its start. */
export function makeScrambledZipfian(count, random, theta = 0.99) {
  const next = makeZipfian(count, random, theta);
  return () => hashOf(next()) % count;
}
