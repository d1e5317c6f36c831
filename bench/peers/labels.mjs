// What a contender is called wherever its figures are shown.

/** False if it was seen that a contender does not keep the promise; true as far as was seen. */
export function keepsPromise({ contenders, workloads }, name) {
  const lost = workloads.crash?.results[name]?.lost ?? 0;
  return contenders[name].syncs?.kept !== false && lost === 0;
}

/** Its title; figures of one that does not keep the promise are never shown without saying so. */
export function labelOf(promise, name) {
  const { title } = promise.contenders[name];
  return keepsPromise(promise, name) ? title : `${title} (promise NOT kept)`;
}
