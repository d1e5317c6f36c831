// What `growth` found, as tables: a cost a line, its values, and the exponent.
import { number } from "../text.mjs";

/** A power explains at least this part of what varies; else its exponent says little. */
const R2_MIN = 0.8;

/** In words, what a fit says. */
export function describeFit({ exponent, r2 }) {
  if (Math.abs(exponent) < 0.1) return "does not grow";
  if (r2 < R2_MIN) return "no power fits";
  if (exponent < 0) return "falls";
  if (exponent < 0.9) return "slower than its driver";
  return exponent <= 1.1 ? "with its driver" : "FASTER than its driver";
}

/** By driver. */
export function growthTables({ drivers }) {
  return Object.fromEntries(
    Object.entries(drivers).map(([driver, { title, values, costs }]) => {
      const header = [title, ...values.map((value) => number(value)), "exponent", "r²", ""];
      const rows = Object.entries(costs).map(([cost, { points, fit }]) => [
        cost,
        ...points.map(({ y }) => number(y, y < 10 ? 2 : 1)),
        number(fit.exponent, 2),
        number(fit.r2, 2),
        describeFit(fit),
      ]);
      return [driver, [header, ...rows]];
    }),
  );
}
