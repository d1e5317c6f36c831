/** The loops over lanes in the addon. */
import { type Addon, loadAddon } from "../disk/native-addon.js";
import type { ColumnKernels } from "./kernels.js";
import { portableKernels } from "./portable.js";

function nativeKernels(addon: Addon): ColumnKernels {
  return {
    name: "native",
    crc32c: (bytes, from, to) => addon.crc32c(bytes, from, to, 0),
    range: addon.columnRange,
    floatRange: addon.columnFloatRange,
    commonDivisor: addon.columnCommonDivisor,
    commonBits: addon.columnCommonBits,
    orderBits: addon.columnOrderBits,
    toDecimals: addon.columnToDecimals,
    fromDecimals: addon.columnFromDecimals,
    divide: addon.columnDivide,
    multiply: addon.columnMultiply,
    shiftRight: addon.columnShiftRight,
    shiftLeft: addon.columnShiftLeft,
    subtractReference: addon.columnSubtractReference,
    addReference: addon.columnAddReference,
    difference: addon.columnDifference,
    accumulate: addon.columnAccumulate,
    classify: addon.columnClassify,
    pack: addon.columnPack,
    unpack(bytes, from, to, lanes) {
      const length = addon.columnUnpack(bytes, from, to, lanes);
      return length < 0 ? -1 : from + length;
    },
    countSymbols: addon.columnCountSymbols,
    encode(lanes, classes, dictionary, symbolBins, model, target) {
      const { tableLog, bases, widths, frequencies } = model;
      const of = [tableLog, bases, widths, frequencies] as const;
      return addon.columnEncode(lanes, classes, dictionary, symbolBins, ...of, target);
    },
    decode(bytes, from, to, classes, model, lanes, isWhole) {
      const { tableLog, bases, widths, frequencies } = model;
      const of = [tableLog, bases, widths, frequencies] as const;
      return addon.columnDecode(bytes, from, to, classes, ...of, lanes, isWhole);
    },
  };
}

let best: ColumnKernels | undefined;

/** Those of the addon, or of JavaScript where it cannot be loaded. */
export function bestKernels(): ColumnKernels {
  if (best !== undefined) return best;
  try {
    best = nativeKernels(loadAddon(false));
  } catch {
    best = portableKernels;
  }
  return best;
}
