// Shapes of the rows for msgpackr, where a peer keeps bytes: the same in every process.
import { TABLES } from "./tables.mjs";

export function structuresOf(tables) {
  return tables.map((name) => Object.keys(TABLES[name]));
}
