/** The changes that are made: eight bit flips, 00 and FF of every byte, and every length. */

/** One byte that is another one, or a file that ends early. */
export type Mutation =
  | { readonly path: string; readonly at: number; readonly value: number }
  | { readonly path: string; readonly length: number };

/** What a byte becomes: never what it is, and nothing twice. */
export function valuesFor(byte: number): number[] {
  const values = new Set<number>();
  for (let bit = 0; bit < 8; bit++) values.add(byte ^ (1 << bit));
  values.add(0x00).add(0xff).delete(byte);
  return [...values];
}

const OF_BYTE: readonly (readonly number[])[] = Array.from({ length: 256 }, (_, byte) =>
  valuesFor(byte),
);

/** The same, worked out once. */
export function mutatedValues(byte: number): readonly number[] {
  return OF_BYTE[byte] as readonly number[];
}

/** The file as the mutation leaves it. */
export function mutated(bytes: Uint8Array, mutation: Mutation): Uint8Array {
  if ("length" in mutation) return bytes.subarray(0, mutation.length);
  const copy = bytes.slice();
  copy[mutation.at] = mutation.value;
  return copy;
}

export function describeMutation(mutation: Mutation): string {
  return "length" in mutation
    ? `${mutation.path} cut to ${mutation.length}`
    : `${mutation.path} with ${mutation.value} at ${mutation.at}`;
}
