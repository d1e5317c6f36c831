/**
 * Which keys a file has had. Of each key 16 bytes of its SHA-256 are kept: two different keys are
 * taken for one with a chance of 1 in 10^24 among 10 million.
 */
import { createHash } from "node:crypto";

const LANES = 4;

export class KeySet {
  #table = new Uint32Array(LANES * 1024);
  #size = 0;

  /** False if it was there. */
  add(key: Uint8Array): boolean {
    const digest = createHash("sha256").update(key).digest();
    const lanes = new Uint32Array(LANES);
    for (let i = 0; i < LANES; i++) lanes[i] = digest.readUInt32LE(4 * i);
    // Zeros stand for an empty place.
    if (lanes.every((lane) => lane === 0)) lanes[0] = 1;
    if (!insert(this.#table, lanes)) return false;
    this.#size++;
    if (this.#size * LANES * 2 > this.#table.length) this.#grow();
    return true;
  }

  #grow(): void {
    const larger = new Uint32Array(this.#table.length * 2);
    for (let at = 0; at < this.#table.length; at += LANES) {
      const lanes = this.#table.subarray(at, at + LANES);
      if (!isEmpty(lanes)) insert(larger, lanes);
    }
    this.#table = larger;
  }
}

function insert(table: Uint32Array, lanes: Uint32Array): boolean {
  const places = table.length / LANES;
  for (let place = (lanes[0] as number) % places; ; place = (place + 1) % places) {
    const found = table.subarray(place * LANES, place * LANES + LANES);
    if (isEmpty(found)) {
      found.set(lanes);
      return true;
    }
    if (found.every((lane, i) => lane === lanes[i])) return false;
  }
}

function isEmpty(lanes: Uint32Array): boolean {
  return lanes.every((lane) => lane === 0);
}
