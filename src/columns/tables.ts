/** Tables of the entropy coder (tANS), made of the frequencies of a model. */
import type { Model } from "./kernels.js";

/** Where each bin stands among the states: as many times as its frequency says, spread out. */
function spread(model: Model, context: number): Uint8Array {
  const { tableLog, bases, frequencies } = model;
  const size = 1 << tableLog;
  const step = (size >> 1) + (size >> 3) + 3;
  const bins = new Uint8Array(size);
  let at = 0;
  for (let bin = 0; bin < bases.length; bin++) {
    for (let left = frequencies[context * bases.length + bin]!; left > 0; left--) {
      bins[at] = bin;
      at = (at + step) & (size - 1);
    }
  }
  return bins;
}

/** For each context and state: the next state without its new bits, their number, and the bin. */
export function decodeTable(model: Model, contexts: number): Int32Array {
  const { tableLog, bases, frequencies } = model;
  const size = 1 << tableLog;
  const table = new Int32Array(contexts * size);
  for (let context = 0; context < contexts; context++) {
    const next = frequencies.slice(context * bases.length, (context + 1) * bases.length);
    const bins = spread(model, context);
    for (let state = 0; state < size; state++) {
      const bin = bins[state]!;
      const y = next[bin]!;
      next[bin] = y + 1;
      const bits = tableLog - (31 - Math.clz32(y));
      table[context * size + state] = ((y << bits) - size) | (bits << 12) | (bin << 16);
    }
  }
  return table;
}

export interface EncodeTable {
  /** Of each context and bin, where its states begin in `states`, less its frequency. */
  readonly starts: Int32Array;
  readonly states: Uint16Array;
}

export function encodeTable(model: Model, contexts: number): EncodeTable {
  const { tableLog, bases, frequencies } = model;
  const size = 1 << tableLog;
  const starts = new Int32Array(contexts * bases.length);
  const states = new Uint16Array(contexts * size);
  for (let context = 0; context < contexts; context++) {
    const first = context * bases.length;
    const next = new Int32Array(bases.length);
    for (let bin = 0, sum = context * size; bin < bases.length; bin++) {
      next[bin] = sum;
      starts[first + bin] = sum - frequencies[first + bin]!;
      sum += frequencies[first + bin]!;
    }
    const bins = spread(model, context);
    for (let state = 0; state < size; state++) {
      const bin = bins[state]!;
      states[next[bin]!] = size + state;
      next[bin] = next[bin]! + 1;
    }
  }
  return { starts, states };
}
