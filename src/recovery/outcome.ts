/** Work that is begun before anybody wants to know how it ends. */

export type Outcome<T> = { readonly value: T } | { readonly error: unknown };

/** Never rejects. */
export function settled<T>(promise: Promise<T>): Promise<Outcome<T>> {
  return promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
}

/** The value, or the error thrown. */
export function resultOf<T>(outcome: Outcome<T>): T {
  if ("error" in outcome) throw outcome.error;
  return outcome.value;
}
